//! The events that are published, about 600 bytes each, every one with a number of its own by which it is checked off.

/// The number follows this, in [`DIGITS`] digits, as an attribute.
pub(crate) const MARK: &[u8] = b"mid-";
pub(crate) const DIGITS: usize = 9;
/// The same in identifiers, of people who come again: the number is taken modulo [`PEOPLE`].
const OF_PEOPLE: &[u8] = b"ppl-";
/// The same of people who come once.
const OF_STRANGERS: &[u8] = b"new-";
/// Visitors of a shop of some size, all of whom are known after the first round.
const PEOPLE: u64 = 20_000;
/// The event type that all but the wide benchmark publish.
pub(crate) const CODE: &str = "benchPurchase";

const PERSON: &str = r#""identifiers":[{"name":"email","value":"ppl-000000000@example.com"},{"name":"cookie","value":"c0ffee00-5eed-4dad-8bad-ppl-000000000"}]"#;
const ATTRIBUTES: &str = r#""timestamp":"2026-03-02T11:59:58.125Z","attributes":[{"name":"orderTotal","value":129.95,"type":"number"},{"name":"currency","value":"EUR","type":"string"},{"name":"items","value":"3","type":"string"},{"name":"coupon","value":"mid-000000000","type":"string"},{"name":"pageUrl","value":"https://shop.example.com/checkout/thank-you?step=4","type":"string"},{"name":"shipping","value":"express","type":"string"}]"#;

/// Attribute names that the event type declares.
pub(crate) const ATTRIBUTE_NAMES: [(&str, &str); 6] = [
    ("orderTotal", "number"),
    ("currency", "string"),
    ("items", "string"),
    ("coupon", "string"),
    ("pageUrl", "string"),
    ("shipping", "string"),
];

/// `POST /v1/event` with one event.
pub(crate) fn individual(code: &str) -> String {
    format!(r#"{{"channel":"web",{PERSON},"events":[{{"code":"{code}",{ATTRIBUTES}}}]}}"#)
}

/// The same event of somebody who was never seen before.
pub(crate) fn of_stranger(code: &str) -> String {
    individual(code).replace("ppl-", "new-")
}

/// `POST /v1/event` with so many events.
pub(crate) fn batch(code: &str, events: usize) -> String {
    let event = format!(r#"{{"channel":"web",{PERSON},"code":"{code}",{ATTRIBUTES}}}"#);
    format!(r#"{{"events":[{}]}}"#, vec![event; events].join(","))
}

/// What a subscriber gets of one event: the body that the bare client posts.
pub(crate) fn delivered() -> String {
    let identifier = |name: &str, value: &str| {
        format!(
            r#"{{"name":"{name}","value":"{value}","provider":null,"channel":null,"source":null,"isOriginal":true}}"#
        )
    };
    let attributes = ATTRIBUTES.replace(
        r#""timestamp":"2026-03-02T11:59:58.125Z","#,
        r#""timestamp":"2026-03-02T11:59:58.125Z","namespace":"com.ibm.commerce.ubx","version":"1","#,
    );
    format!(
        r#"{{"version":"1","provider":"Acme","source":"Web shop","channel":"web","x1Id":"1e69c5ff-2784-494f-a2f7-28fd93c878f0","identifiers":[{},{}],"events":[{{"code":"{CODE}",{attributes}}}]}}"#,
        identifier("email", "ppl-000000000@example.com"),
        identifier("cookie", "c0ffee00-5eed-4dad-8bad-ppl-000000000"),
    )
}

/// Bytes with places for numbers in them.
pub(crate) struct Template {
    bytes: Vec<u8>,
    places: Vec<usize>,
    /// Of identifiers, with what the number is taken modulo of; as many for each event.
    people: Vec<(usize, u64)>,
}

impl Template {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let mut people = places(&bytes, OF_PEOPLE, PEOPLE);
        people.append(&mut places(&bytes, OF_STRANGERS, u64::MAX));
        people.sort_unstable();
        let marked = places(&bytes, MARK, u64::MAX);
        let places = marked.into_iter().map(|(place, _)| place).collect();
        Self {
            bytes,
            places,
            people,
        }
    }

    /// Events in it.
    pub(crate) fn events(&self) -> u64 {
        self.places.len() as u64
    }

    /// The bytes with its events numbered from `first` on; `buffer` is where they are put.
    pub(crate) fn numbered<'a>(&self, first: u64, buffer: &'a mut Vec<u8>) -> &'a [u8] {
        buffer.clear();
        buffer.extend_from_slice(&self.bytes);
        for (&place, number) in self.places.iter().zip(first..) {
            put(buffer, place, number);
        }
        let of_each = (self.people.len() / self.places.len().max(1)).max(1);
        for (people, number) in self.people.chunks(of_each).zip(first..) {
            for (place, modulo) in people {
                put(buffer, *place, number % modulo);
            }
        }
        buffer
    }
}

fn places(bytes: &[u8], mark: &[u8], modulo: u64) -> Vec<(usize, u64)> {
    let windows = bytes.windows(mark.len()).enumerate();
    let marks = windows.filter(|(_, window)| *window == mark);
    marks.map(|(at, _)| (at + mark.len(), modulo)).collect()
}

fn put(buffer: &mut [u8], place: usize, mut number: u64) {
    for digit in buffer[place..place + DIGITS].iter_mut().rev() {
        *digit = b"0123456789"[(number % 10) as usize];
        number /= 10;
    }
}

/// The numbers in a body.
pub(crate) fn numbers(mut body: &[u8]) -> impl Iterator<Item = u64> {
    std::iter::from_fn(move || {
        let at = body.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
        let digits = body.get(at..at + DIGITS)?;
        body = &body[at + DIGITS..];
        Some(
            digits
                .iter()
                .fold(0, |number, digit| number * 10 + u64::from(digit & 15)),
        )
    })
}
