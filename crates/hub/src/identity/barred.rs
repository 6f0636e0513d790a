//! People as they are compared with lists of those who must not be delivered.

use model::Subject;

use super::{Known, Who};

impl Who {
    /// Everything by which the person is known.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = Subject<'_>> {
        let known = self.person.iter().flat_map(|person| &person.identifiers);
        known.map(Known::subject)
    }
}

impl Known {
    /// As it is compared with lists of people.
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            kind: &self.kind,
            value: &self.value,
            // What must not leave in clear is clear here.
            mode: match self.form {
                model::identity::Form::Clear => model::hashing::HashMode::None,
                _ => model::hashing::HashMode::Hashed,
            },
            algorithm: self.algorithm,
        }
    }
}
