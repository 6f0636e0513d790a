//! Where the parser is, written as a JSON pointer only when something is wrong there: until then a path costs nothing.

use crate::invalid::token;

#[derive(Clone, Copy)]
pub(super) enum Path<'p> {
    Root,
    Member(&'p Path<'p>, &'p str),
    Item(&'p Path<'p>, usize),
}

impl<'p> Path<'p> {
    pub(super) fn member(&'p self, name: &'p str) -> Self {
        Self::Member(self, name)
    }

    pub(super) fn item(&'p self, index: usize) -> Self {
        Self::Item(self, index)
    }

    /// RFC 6901.
    pub(super) fn pointer(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Member(above, name) => format!("{}/{}", above.pointer(), token(name)),
            Self::Item(above, index) => format!("{}/{index}", above.pointer()),
        }
    }
}
