//! The events that are published, about 600 bytes each, every one with a number of its own by which it is checked off.

/// The number follows this, in [`DIGITS`] digits, as part of the person's e-mail address.
pub(crate) const MARK: &[u8] = b"mid-";
pub(crate) const DIGITS: usize = 9;
/// The event type that all but the wide benchmark publish.
pub(crate) const CODE: &str = "benchPurchase";

const PERSON: &str = r#""identifiers":[{"name":"email","value":"mid-000000000@example.com"},{"name":"cookie","value":"c0ffee00-5eed-4dad-8bad-0000facade00"}]"#;
const ATTRIBUTES: &str = r#""timestamp":"2026-03-02T11:59:58.125Z","attributes":[{"name":"orderTotal","value":129.95,"type":"number"},{"name":"currency","value":"EUR","type":"string"},{"name":"items","value":"3","type":"string"},{"name":"coupon","value":"SPRING-2026","type":"string"},{"name":"pageUrl","value":"https://shop.example.com/checkout/thank-you?step=4","type":"string"},{"name":"shipping","value":"express","type":"string"}]"#;

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
        identifier("email", "mid-000000000@example.com"),
        identifier("cookie", "c0ffee00-5eed-4dad-8bad-0000facade00"),
    )
}

/// Bytes with places for numbers in them.
pub(crate) struct Template {
    bytes: Vec<u8>,
    places: Vec<usize>,
}

impl Template {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let marks = bytes
            .windows(MARK.len())
            .enumerate()
            .filter(|(_, window)| *window == MARK);
        let places = marks.map(|(at, _)| at + MARK.len()).collect();
        Self { bytes, places }
    }

    /// Events in it.
    pub(crate) fn events(&self) -> u64 {
        self.places.len() as u64
    }

    /// The bytes with its events numbered from `first` on; `buffer` is where they are put.
    pub(crate) fn numbered<'a>(&self, first: u64, buffer: &'a mut Vec<u8>) -> &'a [u8] {
        buffer.clear();
        buffer.extend_from_slice(&self.bytes);
        for (&place, mut number) in self.places.iter().zip(first..) {
            for digit in buffer[place..place + DIGITS].iter_mut().rev() {
                *digit = b"0123456789"[(number % 10) as usize];
                number /= 10;
            }
        }
        buffer
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
