//! Audiences on their way: the four meetings of producers and consumers, with real HTTP servers on both sides.
//!
//! `audience/crash.rs` kills the exchange in every step.

mod crash;
mod erased;
mod guarded;
mod incremental;
mod meeting;
mod party;
mod world;
