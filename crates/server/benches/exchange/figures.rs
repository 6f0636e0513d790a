//! Medians, spreads and how they are printed.

/// One quantity, measured once a round for the floor and once for the hub.
#[derive(Default)]
pub(crate) struct Pair {
    floor: Vec<f64>,
    hub: Vec<f64>,
}

impl Pair {
    pub(crate) fn add(&mut self, floor: f64, hub: f64) {
        self.floor.push(floor);
        self.hub.push(hub);
    }

    /// A rate: the hub's over the floor's.
    pub(crate) fn print_rate(&self, what: &str, aim: Option<&str>) {
        self.print(what, aim, |floor, hub| hub / floor);
    }

    /// A cost: the floor's over the hub's, so that 1 is as good as the floor here too.
    pub(crate) fn print_cost(&self, what: &str) {
        self.print(what, None, |floor, hub| floor / hub);
    }

    /// A cost that is compared the other way round: the second over the first.
    pub(crate) fn print_growth(&self, what: &str, aim: Option<&str>) {
        self.print(what, aim, |before, after| after / before);
    }

    fn print(&self, what: &str, aim: Option<&str>, ratio: impl Fn(f64, f64) -> f64) {
        let ratios: Vec<f64> = self
            .floor
            .iter()
            .zip(&self.hub)
            .map(|(&floor, &hub)| ratio(floor, hub))
            .collect();
        let aim = aim.map_or_else(String::new, |aim| format!("   aim {aim}"));
        println!(
            "  {what:<34} {:>10} {:>10}   ratio {:.2} ({:.2}…{:.2}){aim}",
            short(median(&self.floor)),
            short(median(&self.hub)),
            median(&ratios),
            ratios.iter().copied().fold(f64::INFINITY, f64::min),
            ratios.iter().copied().fold(0.0, f64::max),
        );
    }
}

/// The line above a table.
pub(crate) fn head(first: &str, second: &str) {
    println!("  {:<34} {first:>10} {second:>10}", "");
}

pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The smallest value that at least this share of the values does not exceed; 0 of none.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let below = sorted
        .iter()
        .enumerate()
        .take_while(|(i, _)| (*i as f64 + 1.0) < share * sorted.len() as f64)
        .count();
    sorted.get(below).copied().unwrap_or_default()
}

/// Three digits that count, thousands apart.
fn short(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
