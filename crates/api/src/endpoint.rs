//! To be written.
pub(crate) fn routes(_door: &mut crate::door::Door) {}
