//! `cargo xtask examples`: believable events of one day of a shop, for the demo, the tour and the tests.
//!
//! Everything is invented: the shop Lantern & Quill, its people (all at example.com, .org and .net, telephone numbers from
//! the ranges kept for films), its goods. Called by `main`; promises the same bytes on every machine and in every run, so
//! that a test can hold `examples/` against this program. See `examples/README.md` for what the files are for.

mod dice;
mod goods;
mod kinds;
mod mailing;
mod payload;
mod people;
mod visits;

use std::fs;
use std::io;
use std::path::Path;

use crate::options;
use crate::shell::{self, Failure};
use dice::Dice;
use payload::{Document, Form};
use people::Person;

/// How many people the shop knows.
const PEOPLE: usize = 400;

/// Writes the files into this repository.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    options::none(arguments)?;
    generate(&shell::root())
        .map_err(|error| Failure::new(format!("cannot write examples/: {error}")))
}

/// Writes `shop-events.jsonl` and `shop-event-types.json` into `examples/` under `root`, the root of the repository.
///
/// # Errors
/// Those of the file system.
pub(crate) fn generate(root: &Path) -> io::Result<()> {
    let folder = root.join("examples");
    fs::create_dir_all(&folder)?;
    for (name, text) in files() {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}

/// The generated files: name and content.
fn files() -> [(&'static str, String); 2] {
    let mut lines = day().lines;
    // Stable: what happened at the same moment stays in the order in which it was told.
    lines.sort_by_key(|(at, _)| *at);
    let events = lines.into_iter().map(|(_, line)| line + "\n").collect();
    [
        ("shop-events.jsonl", events),
        ("shop-event-types.json", kinds::registrations()),
    ]
}

/// The whole day, in no order.
fn day() -> Day {
    let mut dice = Dice::new(0x51A1_705E_ED00_2026);
    let people = people::invent(PEOPLE, &mut dice);
    let mut day = Day {
        dice,
        lines: Vec::new(),
    };
    mailing::letters(&mut day, &people);
    mailing::text_messages(&mut day, &people);
    visits::web(&mut day, &people);
    visits::app(&mut day, &people);
    visits::afterwards(&mut day, &people);
    day
}

/// What has been told so far.
struct Day {
    dice: Dice,
    /// When the call is made, in milliseconds of the day, and its body.
    lines: Vec<(u64, String)>,
}

impl Day {
    /// One call to the hub, made just after the last of its events.
    fn publish(&mut self, form: Form, documents: &[Document]) {
        let events = documents.iter().flat_map(|document| &document.events);
        let at = events.map(|event| event.at).max().unwrap_or_default();
        self.lines.push((at, payload::write(form, documents)));
    }

    /// One event of one person, in the individual form.
    fn single(
        &mut self,
        person: Vec<people::Identifier>,
        channel: payload::Channel,
        event: payload::Event,
    ) {
        self.publish(
            Form::Individual,
            &[Document {
                identifiers: person,
                channel,
                events: vec![event],
            }],
        );
    }

    /// A moment of the day when people are awake: hours with their weights, in milliseconds.
    /// Not later than 21:00, so that the app's local time stays on the same day.
    fn moment(&mut self) -> u64 {
        const WEIGHTS: [usize; 21] = [
            1, 0, 0, 1, 2, 6, 10, 14, 16, 15, 14, 15, 18, 16, 14, 14, 16, 20, 26, 28, 22,
        ];
        let mut left = self.dice.below(WEIGHTS.iter().sum());
        let mut hour = 0;
        while left >= WEIGHTS[hour] {
            left -= WEIGHTS[hour];
            hour += 1;
        }
        hour as u64 * 3_600_000 + self.dice.between(0, 3_600_000)
    }
}

/// A person who was told about, by a number that the dice gave.
fn somebody<'p>(dice: &mut Dice, people: &'p [Person]) -> &'p Person {
    &people[dice.below(people.len())]
}

#[cfg(test)]
mod tests;
