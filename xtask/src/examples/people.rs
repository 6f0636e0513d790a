//! The people of the example shop: names of many languages, and the identifiers that each has.

use super::dice::Dice;

/// Name of an identifier as the shop registered it, and its value.
pub(super) type Identifier = (&'static str, String);

/// Somebody who does not exist.
pub(super) struct Person {
    pub(super) given: &'static str,
    pub(super) family: &'static str,
    pub(super) language: &'static str,
    pub(super) country: &'static str,
    pub(super) email: String,
    pub(super) phone: Option<String>,
    /// The app's id on this person's phone, and the phone's system.
    pub(super) mobile: Option<(String, &'static str)>,
    pub(super) customer: String,
    pub(super) cookie: String,
}

/// A name as it is written, and in the letters that an address can have.
type Name = (&'static str, &'static str);

/// People of one language and country.
struct Folk {
    language: &'static str,
    country: &'static str,
    given: [Name; 8],
    family: [Name; 8],
}

impl Person {
    pub(super) fn by_email(&self) -> Vec<Identifier> {
        vec![("email", self.email.clone())]
    }

    /// As the web shop knows a visitor: logged in, remembered, or only by a cookie.
    pub(super) fn on_the_web(&self, dice: &mut Dice) -> Vec<Identifier> {
        let cookie = ("cookieId", self.cookie.clone());
        match dice.between(0, 100) {
            0..45 => vec![("email", self.email.clone())],
            45..65 => vec![("email", self.email.clone()), cookie],
            65..85 => vec![("customerId", self.customer.clone())],
            _ => vec![cookie],
        }
    }
}

/// `count` people, no two with the same address.
pub(super) fn invent(count: usize, dice: &mut Dice) -> Vec<Person> {
    let mut people: Vec<Person> = Vec::with_capacity(count);
    while people.len() < count {
        let folk = &FOLKS[dice.below(FOLKS.len())];
        let (given, family) = (dice.pick(&folk.given), dice.pick(&folk.family));
        let domain = dice.pick(&["example.com", "example.com", "example.org", "example.net"]);
        let mut email = match dice.between(0, 4) {
            0 => format!("{}{}@{domain}", &given.1[..1], family.1),
            1 => format!("{}_{}@{domain}", given.1, family.1),
            _ => format!("{}.{}@{domain}", given.1, family.1),
        };
        if people.iter().any(|other| other.email == email) {
            let number = people.len();
            email = email.replacen('@', &format!("{number}@"), 1);
        }
        let phone = phone(folk.country, dice).filter(|_| dice.chance(80));
        let mobile = dice
            .chance(45)
            .then(|| (dice.uuid(), dice.pick(&["iOS", "Android"])));
        people.push(Person {
            given: given.0,
            family: family.0,
            language: folk.language,
            country: folk.country,
            email,
            phone,
            mobile,
            customer: format!("C-{}", 100_000 + people.len() * 37),
            cookie: format!("ck.{:010x}", dice.roll() & 0xff_ffff_ffff),
        });
    }
    people
}

/// A number from the range that the country keeps for fiction, as people of that country write it for abroad.
fn phone(country: &str, dice: &mut Dice) -> Option<String> {
    let digits = dice.between(0, 10_000);
    match country {
        "GB" => Some(format!("+44 7700 900{:03}", digits % 1000)),
        "US" => Some(format!(
            "+1 ({}) 555-01{:02}",
            dice.pick(&["202", "303", "415", "617"]),
            digits % 100
        )),
        "DE" => Some(format!("+49 171 39200{:02}", digits % 100)),
        "FR" => Some(format!(
            "+33 6 39 98 {:02} {:02}",
            digits / 100,
            digits % 100
        )),
        "SE" => Some(format!("+46 70-174 06 {:02}", 5 + digits % 95)),
        _ => None,
    }
}

#[rustfmt::skip]
const FOLKS: [Folk; 14] = [
    Folk { language: "en", country: "GB",
        given: [("Alice", "alice"), ("Oliver", "oliver"), ("Imogen", "imogen"), ("Rhys", "rhys"), ("Siobhán", "siobhan"), ("Hamish", "hamish"), ("Priya", "priya"), ("Kwame", "kwame")],
        family: [("Ashworth", "ashworth"), ("O'Malley", "omalley"), ("Pemberton", "pemberton"), ("Llewellyn", "llewellyn"), ("Achebe", "achebe"), ("Sharma", "sharma"), ("MacLeod", "macleod"), ("Whitlock", "whitlock")] },
    Folk { language: "en", country: "US",
        given: [("Harper", "harper"), ("Mason", "mason"), ("Zoe", "zoe"), ("Elijah", "elijah"), ("Amara", "amara"), ("Wyatt", "wyatt"), ("Naomi", "naomi"), ("Caleb", "caleb")],
        family: [("Whitaker", "whitaker"), ("Delgado", "delgado"), ("Nguyen", "nguyen"), ("Freeman", "freeman"), ("Kowalski", "kowalski"), ("St. Clair", "stclair"), ("Begay", "begay"), ("Hollis", "hollis")] },
    Folk { language: "de", country: "DE",
        given: [("Jürgen", "juergen"), ("Käthe", "kaethe"), ("Lukas", "lukas"), ("Annegret", "annegret"), ("Björn", "bjoern"), ("Mia", "mia"), ("Sören", "soeren"), ("Ayşe", "ayse")],
        family: [("Müller-Lüdenscheid", "mueller-luedenscheid"), ("Großmann", "grossmann"), ("Schröder", "schroeder"), ("Weiß", "weiss"), ("Böhm", "boehm"), ("Yılmaz", "yilmaz"), ("Krüger", "krueger"), ("Vogt", "vogt")] },
    Folk { language: "fr", country: "FR",
        given: [("Zoé", "zoe"), ("François", "francois"), ("Maëlle", "maelle"), ("Jean-Noël", "jean-noel"), ("Inès", "ines"), ("Théo", "theo"), ("Océane", "oceane"), ("Rémi", "remi")],
        family: [("Lefèvre", "lefevre"), ("D'Aubigné", "daubigne"), ("Bâtard", "batard"), ("Garçon", "garcon"), ("Noël", "noel"), ("Benoît", "benoit"), ("Diallo", "diallo"), ("Chrétien", "chretien")] },
    Folk { language: "sv", country: "SE",
        given: [("Åsa", "asa"), ("Björn", "bjorn"), ("Märta", "marta"), ("Göran", "goran"), ("Elsa", "elsa"), ("Håkan", "hakan"), ("Linnéa", "linnea"), ("Östen", "osten")],
        family: [("Ångström", "angstrom"), ("Sjögren", "sjogren"), ("Lindqvist", "lindqvist"), ("Öberg", "oberg"), ("Hägg", "hagg"), ("Nyström", "nystrom"), ("Åkesson", "akesson"), ("Björk", "bjork")] },
    Folk { language: "es", country: "ES",
        given: [("José", "jose"), ("Begoña", "begona"), ("Íñigo", "inigo"), ("Lucía", "lucia"), ("Ramón", "ramon"), ("Núria", "nuria"), ("Álvaro", "alvaro"), ("Ximena", "ximena")],
        family: [("Muñoz", "munoz"), ("García Ibáñez", "garcia"), ("Peña", "pena"), ("Núñez", "nunez"), ("Güell", "guell"), ("Ordóñez", "ordonez"), ("Sáez", "saez"), ("Urrutia", "urrutia")] },
    Folk { language: "pl", country: "PL",
        given: [("Łukasz", "lukasz"), ("Małgorzata", "malgorzata"), ("Zbigniew", "zbigniew"), ("Żaneta", "zaneta"), ("Święcisław", "swiecislaw"), ("Kinga", "kinga"), ("Bożena", "bozena"), ("Jędrzej", "jedrzej")],
        family: [("Wiśniewski", "wisniewski"), ("Dąbrowska", "dabrowska"), ("Zieliński", "zielinski"), ("Wójcik", "wojcik"), ("Gołąb", "golab"), ("Źródlak", "zrodlak"), ("Kaczmarek", "kaczmarek"), ("Łęcki", "lecki")] },
    Folk { language: "el", country: "GR",
        given: [("Ελένη", "eleni"), ("Γιώργος", "giorgos"), ("Δήμητρα", "dimitra"), ("Σταύρος", "stavros"), ("Αγγελική", "angeliki"), ("Θανάσης", "thanasis"), ("Χριστίνα", "christina"), ("Οδυσσέας", "odysseas")],
        family: [("Παπαδοπούλου", "papadopoulou"), ("Αλεξίου", "alexiou"), ("Καζαντζής", "kazantzis"), ("Νικολάου", "nikolaou"), ("Βασιλείου", "vasileiou"), ("Ξένος", "xenos"), ("Ψαράς", "psaras"), ("Φωτίου", "fotiou")] },
    Folk { language: "tr", country: "TR",
        given: [("İpek", "ipek"), ("Çağlar", "caglar"), ("Gülşen", "gulsen"), ("Ümit", "umit"), ("Işıl", "isil"), ("Ömer", "omer"), ("Şule", "sule"), ("Barış", "baris")],
        family: [("Öztürk", "ozturk"), ("Çelik", "celik"), ("Şahin", "sahin"), ("Güneş", "gunes"), ("Kılıç", "kilic"), ("Aydın", "aydin"), ("Doğan", "dogan"), ("Işık", "isik")] },
    Folk { language: "uk", country: "UA",
        given: [("Оксана", "oksana"), ("Тарас", "taras"), ("Їлена", "yilena"), ("Богдан", "bohdan"), ("Леся", "lesia"), ("Андрій", "andrii"), ("Соломія", "solomiia"), ("Юрій", "yurii")],
        family: [("Шевчук", "shevchuk"), ("Ковальчук", "kovalchuk"), ("Мельник", "melnyk"), ("Гончар", "honchar"), ("Заєць", "zaiets"), ("Кравець", "kravets"), ("Щербак", "shcherbak"), ("Яременко", "yaremenko")] },
    Folk { language: "ar", country: "AE",
        given: [("فاطمة", "fatima"), ("محمد", "mohammed"), ("ليلى", "layla"), ("يوسف", "yousef"), ("نور", "noor"), ("خالد", "khalid"), ("سلمى", "salma"), ("عمر", "omar")],
        family: [("الهاشمي", "alhashimi"), ("منصور", "mansour"), ("الزهراني", "alzahrani"), ("حداد", "haddad"), ("الفارسي", "alfarsi"), ("سعيد", "saeed"), ("خوري", "khoury"), ("ناصر", "nasser")] },
    Folk { language: "ja", country: "JP",
        given: [("花子", "hanako"), ("蓮", "ren"), ("さくら", "sakura"), ("健太", "kenta"), ("陽菜", "hina"), ("大輔", "daisuke"), ("美咲", "misaki"), ("悠真", "yuma")],
        family: [("山田", "yamada"), ("佐藤", "sato"), ("鈴木", "suzuki"), ("髙橋", "takahashi"), ("渡邉", "watanabe"), ("小林", "kobayashi"), ("加藤", "kato"), ("𠮷田", "yoshida")] },
    Folk { language: "zh", country: "TW",
        given: [("美玲", "meiling"), ("志明", "zhiming"), ("雅婷", "yating"), ("家豪", "jiahao"), ("怡君", "yijun"), ("冠宇", "guanyu"), ("淑芬", "shufen"), ("承恩", "chengen")],
        family: [("陳", "chen"), ("林", "lin"), ("黃", "huang"), ("張", "chang"), ("歐陽", "ouyang"), ("吳", "wu"), ("劉", "liu"), ("蔡", "tsai")] },
    Folk { language: "ko", country: "KR",
        given: [("서연", "seoyeon"), ("민준", "minjun"), ("지우", "jiwoo"), ("하은", "haeun"), ("도윤", "doyun"), ("수아", "sua"), ("예준", "yejun"), ("유나", "yuna")],
        family: [("김", "kim"), ("이", "lee"), ("박", "park"), ("최", "choi"), ("정", "jung"), ("강", "kang"), ("윤", "yoon"), ("한", "han")] },
];
