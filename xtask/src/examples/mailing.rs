//! Letters and text messages of the example shop: sent in batches, answered one by one.

use super::Day;
use super::payload::{Channel, Document, Event, Form};
use super::people::Person;

const MAILING: &str = "Autumn letter 2026-10";
const SUBJECTS: [(&str, &str); 6] = [
    ("de", "Lange Abende, gutes Licht"),
    ("fr", "Longues soirées, belle lumière"),
    ("es", "Tardes largas, buena luz"),
    ("ja", "長い夜に、よい灯りを"),
    ("sv", "Långa kvällar, gott ljus"),
    ("ar", "أمسيات طويلة وضوء جميل"),
];
const HOUR: u64 = 3_600_000;

/// The morning letter to most people, and what comes of it during the day.
pub(super) fn letters(day: &mut Day, people: &[Person]) {
    let readers: Vec<&Person> = people.iter().filter(|_| day.dice.chance(80)).collect();
    let mut at = 5 * HOUR + HOUR / 2;
    for (batch, group) in readers.chunks(6).enumerate() {
        at += day.dice.between(4_000, 9_000);
        let document = |(place, person): (usize, &&Person)| Document {
            identifiers: person.by_email(),
            channel: Channel::Email,
            events: vec![sent(person, batch * 6 + place, at + place as u64 * 150)],
        };
        let documents: Vec<Document> = group.iter().enumerate().map(document).collect();
        // The mailing system was rebuilt over the years, and so were its calls.
        let form = [Form::CompoundTop, Form::SimpleBatch, Form::CompoundEvent][batch % 3];
        day.publish(form, &documents);
    }
    for (number, person) in readers.into_iter().enumerate() {
        answer_letter(day, person, number);
    }
}

fn sent(person: &Person, number: usize, at: u64) -> Event {
    let subject = SUBJECTS
        .iter()
        .find(|(language, _)| *language == person.language);
    Event::new("emailSend", at)
        .text("messageId", message(number))
        .text("mailingName", MAILING)
        .text(
            "subjectLine",
            subject.map_or("Long evenings, good light", |(_, subject)| subject),
        )
        .text("language", person.language)
}

fn answer_letter(day: &mut Day, person: &Person, number: usize) {
    let about = |code, at| {
        Event::new(code, at)
            .text("messageId", message(number))
            .text("mailingName", MAILING)
    };
    let at = 6 * HOUR + day.dice.between(0, 14 * HOUR);
    match day.dice.between(0, 100) {
        0..3 => {
            let (kind, code) = day.dice.pick(&[("hard", "5.1.1"), ("soft", "4.2.2")]);
            let event = about("emailBounce", 6 * HOUR + at / 100)
                .text("bounceType", kind)
                .text("bounceCode", code);
            day.single(person.by_email(), Channel::Email, event);
        }
        3..55 => {
            let device = day.dice.pick(&["phone", "phone", "desktop", "tablet"]);
            let form = if day.dice.chance(35) {
                Form::Delivered
            } else {
                Form::Individual
            };
            let events = vec![about("emailOpen", at).text("deviceType", device)];
            day.publish(
                form,
                &[Document {
                    identifiers: person.by_email(),
                    channel: Channel::Email,
                    events,
                }],
            );
            if day.dice.chance(40) {
                let link = day.dice.pick(&["lamps", "ink", "calendar-2027", "voucher"]);
                let event = about("emailClick", at + day.dice.between(3_000, 90_000))
                    .text("linkName", link)
                    .text(
                        "linkUrl",
                        format!("https://shop.example.com/{}/{link}?m=oct", person.language),
                    );
                day.single(person.by_email(), Channel::Email, event);
            } else if day.dice.chance(9) {
                let reason = day.dice.pick(&["too many", "not interesting", "other"]);
                let event = about("emailOptOut", at + 20_000).text("optOutReason", reason);
                day.single(person.by_email(), Channel::Email, event);
            }
        }
        _ => {}
    }
}

fn message(number: usize) -> String {
    (1_184_000 + number).to_string()
}

/// In the afternoon people with telephones are told that their parcels come.
pub(super) fn text_messages(day: &mut Day, people: &[Person]) {
    const PROGRAM: &str = "Parcel notice";
    let told: Vec<(&Person, &String)> = people
        .iter()
        .filter_map(|person| Some((person, person.phone.as_ref()?)))
        .collect();
    let mut at = 14 * HOUR;
    for (batch, group) in told.chunks(5).enumerate() {
        at += day.dice.between(20_000, 90_000);
        let mut documents = Vec::new();
        for (place, (person, phone)) in group.iter().enumerate() {
            let number = (batch * 5 + place).to_string();
            let mut identifiers = vec![("mobileNumber", (*phone).clone())];
            if day.dice.chance(30) {
                identifiers.push(("customerId", person.customer.clone()));
            }
            let notice = Event::new("sentSMS", at)
                .text("messageId", &number)
                .text("programName", PROGRAM)
                .text("shortCode", "55501");
            documents.push(Document {
                identifiers: identifiers.clone(),
                channel: Channel::Sms,
                events: vec![notice],
            });
            if day.dice.chance(25) {
                let event = Event::new("interactedSMS", at + day.dice.between(30_000, HOUR))
                    .text("messageId", &number)
                    .text("programName", PROGRAM)
                    .text("interactionType", "reply")
                    .text(
                        "replyText",
                        day.dice
                            .pick(&["OK", "Danke!", "Merci 🙏", "tomorrow please", "STOP"]),
                    );
                day.single(identifiers, Channel::Sms, event);
            }
        }
        day.publish(Form::CompoundGroup, &documents);
    }
}
