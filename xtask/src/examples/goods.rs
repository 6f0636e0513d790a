//! What the example shop sells, and what people look for there.

/// One article.
#[derive(Clone, Copy)]
pub(super) struct Article {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) category: &'static str,
    /// In euro cents.
    pub(super) cents: u64,
}

/// Cents as euro with two digits.
pub(super) fn euro(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// Words that people type into the search field, and how many articles come.
pub(super) const SEARCHES: [(&str, u64); 14] = [
    ("fountain pen", 14),
    ("Füller", 9),
    ("encre bleue", 6),
    ("washi テープ", 11),
    ("抹茶碗", 2),
    ("lámpara", 7),
    ("brass lamp", 5),
    ("cadeau < 20 €", 23),
    ("\"dot grid\" A5", 4),
    ("kalligrafi", 3),
    ("papier à lettres", 8),
    ("chess set", 0),
    ("calendar 2027", 6),
    ("свічка", 0),
];

#[rustfmt::skip]
pub(super) const ARTICLES: [Article; 32] = [
    Article { id: "LQ-101", name: "Fountain Pen “Wren”, fine", category: "Writing", cents: 4900 },
    Article { id: "LQ-102", name: "Fountain Pen “Heron”, broad", category: "Writing", cents: 12900 },
    Article { id: "LQ-103", name: "Kolbenfüller „Möwe“", category: "Writing", cents: 18500 },
    Article { id: "LQ-104", name: "Stylo-bille « Pinson »", category: "Writing", cents: 1490 },
    Article { id: "LQ-105", name: "Pencil Set, 12 grades", category: "Writing", cents: 2190 },
    Article { id: "LQ-106", name: "Propelling Pencil 0.5", category: "Writing", cents: 990 },
    Article { id: "LQ-201", name: "Ink “Midnight Canal”, 50 ml", category: "Ink", cents: 1650 },
    Article { id: "LQ-202", name: "Encre « Forêt d'hiver », 30 ml", category: "Ink", cents: 1390 },
    Article { id: "LQ-203", name: "インク「藤」 40 ml", category: "Ink", cents: 1980 },
    Article { id: "LQ-204", name: "Tintenpatronen, königsblau (6 Stück)", category: "Ink", cents: 290 },
    Article { id: "LQ-205", name: "Blotting Paper, 10 sheets", category: "Ink", cents: 450 },
    Article { id: "LQ-301", name: "Notebook A5, dot grid", category: "Paper", cents: 1290 },
    Article { id: "LQ-302", name: "Notebook A6, plain", category: "Paper", cents: 890 },
    Article { id: "LQ-303", name: "Papier à lettres vergé, 50 feuilles", category: "Paper", cents: 1750 },
    Article { id: "LQ-304", name: "Büttenumschläge C6 (20)", category: "Paper", cents: 1400 },
    Article { id: "LQ-305", name: "Washi Tape 和柄, 5 rolls", category: "Paper", cents: 1120 },
    Article { id: "LQ-306", name: "Calendar 2027 “Lagoons”", category: "Paper", cents: 2490 },
    Article { id: "LQ-307", name: "Postcards “Bridges”, set of 8", category: "Paper", cents: 690 },
    Article { id: "LQ-401", name: "Brass Desk Lamp", category: "Light", cents: 8900 },
    Article { id: "LQ-402", name: "Paper Lantern 60 cm", category: "Light", cents: 2400 },
    Article { id: "LQ-403", name: "Lámpara de lectura con pinza", category: "Light", cents: 3950 },
    Article { id: "LQ-404", name: "Beeswax Candle, pair", category: "Light", cents: 1280 },
    Article { id: "LQ-405", name: "Sturmlaterne, verzinkt", category: "Light", cents: 3290 },
    Article { id: "LQ-406", name: "Ljusstake i mässing", category: "Light", cents: 4600 },
    Article { id: "LQ-501", name: "抹茶碗「朝霧」", category: "Table", cents: 5800 },
    Article { id: "LQ-502", name: "Enamel Mug, cobalt", category: "Table", cents: 1450 },
    Article { id: "LQ-503", name: "Teapot “Quayside”, 0.8 l", category: "Table", cents: 4350 },
    Article { id: "LQ-504", name: "Linen Napkins (4), натуральний льон", category: "Table", cents: 3600 },
    Article { id: "LQ-601", name: "Wax Seal Kit", category: "Gifts", cents: 2650 },
    Article { id: "LQ-602", name: "Chess Notebook & Pen 50% off", category: "Gifts", cents: 1995 },
    Article { id: "LQ-603", name: "Gift Card €25", category: "Gifts", cents: 2500 },
    Article { id: "LQ-604", name: "Puzzle \"Map of the Adriatic\", 1000 pieces", category: "Gifts", cents: 2990 },
];
