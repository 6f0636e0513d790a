//! Chance that comes out the same everywhere: splitmix64, seeded by the caller.
//!
//! Our own on purpose: a library may change its numbers with a new version, and then every example would.

/// A stream of numbers.
pub(super) struct Dice {
    state: u64,
}

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Any number.
    pub(super) const fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From `low` up to but not including `high`; the bias of the remainder does not matter here.
    pub(super) const fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.roll() % (high - low)
    }

    /// An index below `count`, which is at least 1.
    pub(super) fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.between(0, count as u64)).expect("smaller than a usize")
    }

    /// True that many times in a hundred.
    pub(super) const fn chance(&mut self, percent: u64) -> bool {
        self.between(0, 100) < percent
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Something like a UUID, such as devices and sessions call themselves.
    pub(super) fn uuid(&mut self) -> String {
        let (high, low) = (self.roll(), self.roll());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    }
}
