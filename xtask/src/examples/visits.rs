//! Visits to the example shop: on the web, each event sent as it happens; in the app, together when it is left.

use super::goods::{ARTICLES, Article, SEARCHES};
use super::payload::{Channel, Document, Event, Form};
use super::people::{Identifier, Person};
use super::{Day, somebody};

const WEB_VISITS: usize = 412;
const APP_VISITS: usize = 222;
const DEVICES: [&str; 4] = ["phone", "phone", "desktop", "tablet"];
const SECOND: u64 = 1000;
const HALF_AN_HOUR: u64 = 30 * 60 * SECOND;

/// One visit to the web shop, while it lasts.
struct Visit {
    who: Vec<Identifier>,
    at: u64,
}

impl Visit {
    fn tell(&mut self, day: &mut Day, event: Event) {
        day.single(
            self.who.clone(),
            Channel::Web,
            Event {
                at: self.at,
                ..event
            },
        );
        self.at += day.dice.between(4 * SECOND, 90 * SECOND);
    }
}

/// People look around, put things into carts, and some of them pay.
pub(super) fn web(day: &mut Day, people: &[Person]) {
    for number in 0..WEB_VISITS {
        let person = somebody(&mut day.dice, people);
        let mut visit = Visit {
            who: person.on_the_web(&mut day.dice),
            at: day.moment(),
        };
        let page = day
            .dice
            .pick(&["home", "new", "light", "ink", "paper", "gifts"]);
        let entry = Event::new("ibmpageView", 0)
            .text("pageName", page)
            .text(
                "pageUrl",
                format!("https://shop.example.com/{}/{page}", person.language),
            )
            .text("deviceType", day.dice.pick(&DEVICES));
        visit.tell(day, entry);
        if day.dice.chance(25) {
            let (term, results) = day.dice.pick(&SEARCHES);
            visit.tell(
                day,
                Event::new("ibmsearchedSite", 0)
                    .text("searchTerm", term)
                    .number("resultCount", results),
            );
        }
        let seen = look_around(day, &mut visit);
        if day.dice.chance(55) {
            let cart = fill_cart(day, &mut visit, number, &seen);
            if day.dice.chance(60) {
                pay(day, &mut visit, person, number, &cart);
            } else {
                leave(day, &visit, number, &cart);
            }
        } else if let Some(last) = seen.last() {
            visit.at += HALF_AN_HOUR;
            let event = Event::new("ibmbrowseAbandonment", 0)
                .number("viewedCount", seen.len() as u64)
                .text("lastCategory", last.category);
            visit.tell(day, event);
        }
    }
}

fn look_around(day: &mut Day, visit: &mut Visit) -> Vec<Article> {
    let count = 1 + day.dice.below(3);
    let seen: Vec<Article> = (0..count).map(|_| day.dice.pick(&ARTICLES)).collect();
    for article in &seen {
        let in_stock = day.dice.chance(92);
        visit.tell(day, viewed(article).flag("inStock", in_stock));
    }
    seen
}

fn viewed(article: &Article) -> Event {
    Event::new("ibmproductView", 0)
        .text("productId", article.id)
        .text("productName", article.name)
        .text("productCategory", article.category)
        .money("unitPrice", article.cents)
}

/// Articles and how many of each.
fn fill_cart(
    day: &mut Day,
    visit: &mut Visit,
    number: usize,
    seen: &[Article],
) -> Vec<(Article, u64)> {
    let mut cart: Vec<(Article, u64)> = Vec::new();
    for article in seen {
        if cart.iter().any(|(other, _)| other.id == article.id)
            || !(cart.is_empty() || day.dice.chance(60))
        {
            continue;
        }
        let quantity = day.dice.pick(&[1, 1, 1, 2, 3]);
        let event = Event::new("cartAdd", 0)
            .text("cartId", cart_id(number))
            .text("productId", article.id)
            .text("productName", article.name)
            .number("quantity", quantity)
            .money("unitPrice", article.cents);
        visit.tell(day, event);
        cart.push((*article, quantity));
    }
    if cart.len() > 1 && day.dice.chance(25) {
        let (article, quantity) = cart.remove(0);
        let event = Event::new("cartRemove", 0).text("cartId", cart_id(number));
        visit.tell(
            day,
            event
                .text("productId", article.id)
                .number("quantity", quantity),
        );
    }
    cart
}

fn pay(day: &mut Day, visit: &mut Visit, person: &Person, number: usize, cart: &[(Article, u64)]) {
    if day.dice.chance(8) {
        let (field, message) = day.dice.pick(&[
            ("postcode", "Please check the postcode"),
            ("iban", "Diese IBAN stimmt nicht"),
        ]);
        let event = Event::new("ibmelementFormError", 0).text("formName", "checkout");
        visit.tell(
            day,
            event.text("fieldName", field).text("errorMessage", message),
        );
    }
    let order = format!("LQ26-{}", 48_200 + number);
    let total: u64 = cart
        .iter()
        .map(|(article, quantity)| article.cents * quantity)
        .sum();
    let purchase = Event::new("ibmcartPurchase", visit.at)
        .text("orderId", &order)
        .money("orderTotal", total)
        .number(
            "itemCount",
            cart.iter().map(|(_, quantity)| quantity).sum::<u64>(),
        )
        .text(
            "paymentMethod",
            day.dice.pick(&["card", "card", "invoice", "wallet"]),
        );
    let purchase = if day.dice.chance(20) {
        purchase.text("couponCode", "LICHT10")
    } else {
        purchase.null("couponCode")
    };
    let mut events = vec![purchase.text("shippingCountry", person.country)];
    for &(article, quantity) in cart {
        let item = Event::new("ibmcartPurchaseItem", visit.at)
            .text("orderId", &order)
            .text("productId", article.id);
        events.push(
            item.number("quantity", quantity)
                .money("unitPrice", article.cents),
        );
    }
    // Who pays gives an address, whoever they were until then: this is how a cookie gets a name.
    let mut identifiers = person.by_email();
    identifiers.extend(
        visit
            .who
            .iter()
            .filter(|(name, _)| *name != "email")
            .cloned(),
    );
    day.publish(
        Form::Individual,
        &[Document {
            identifiers,
            channel: Channel::Web,
            events,
        }],
    );
}

fn leave(day: &mut Day, visit: &Visit, number: usize, cart: &[(Article, u64)]) {
    let at = visit.at + HALF_AN_HOUR;
    let total: u64 = cart
        .iter()
        .map(|(article, quantity)| article.cents * quantity)
        .sum();
    let cart_left = Event::new("ibmcartAbandonment", at)
        .text("cartId", cart_id(number))
        .number("itemCount", cart.len() as u64)
        .money("cartTotal", total);
    let mut events = vec![cart_left];
    for &(article, quantity) in cart {
        let item = Event::new("ibmcartAbandonmentItem", at).text("cartId", cart_id(number));
        events.push(
            item.text("productId", article.id)
                .number("quantity", quantity),
        );
    }
    day.publish(
        Form::Individual,
        &[Document {
            identifiers: visit.who.clone(),
            channel: Channel::Web,
            events,
        }],
    );
}

fn cart_id(number: usize) -> String {
    format!("cart-{:05x}", 0x4c51 + number * 7)
}

/// The app keeps what happens and sends it as a simple batch when it is left.
pub(super) fn app(day: &mut Day, people: &[Person]) {
    let owners: Vec<&Person> = people
        .iter()
        .filter(|person| person.mobile.is_some())
        .collect();
    for _ in 0..APP_VISITS {
        let person = owners[day.dice.below(owners.len())];
        let (id, platform) = person.mobile.as_ref().expect("an owner has the app");
        let mut identifiers = vec![("mobileUserId", id.clone())];
        if day.dice.chance(30) {
            identifiers.push(("email", person.email.clone()));
        }
        let version = day.dice.pick(&["4.2.0", "4.2.1", "4.3.0"]);
        let (start, from) = (day.moment(), day.dice.pick(&["icon", "push", "link"]));
        let length = day.dice.between(20, 600);
        let mut events = vec![
            Event::new("appSessionOpen", start)
                .text("appVersion", version)
                .text("platform", *platform)
                .text("openedFrom", from),
        ];
        if day.dice.chance(50) {
            let article = day.dice.pick(&ARTICLES);
            events.push(Event {
                at: start + length * SECOND / 2,
                ..viewed(&article)
            });
        }
        let end = start + length * SECOND;
        events.push(if day.dice.chance(6) {
            Event::new("appCrashed", end)
                .text("appVersion", version)
                .text("platform", *platform)
                .text("errorName", "IndexOutOfRange")
                .text(
                    "errorMessage",
                    "index 8 out of range 0..<8 in C:\\lamps\\list \"all\"",
                )
        } else {
            Event::new("appSessionClose", end)
                .number("durationSeconds", length)
                .number("screenCount", 1 + length / 45)
        });
        day.publish(
            Form::SimpleBatch,
            &[Document {
                identifiers,
                channel: Channel::Mobile,
                events,
            }],
        );
    }
}

/// What comes now and then: registrations, reviews, apps that come and go, parcels that arrive.
pub(super) fn afterwards(day: &mut Day, people: &[Person]) {
    for person in people {
        if day.dice.chance(9) {
            let event = Event::new("ibmregistration", day.moment())
                .text("firstName", person.given)
                .text("lastName", person.family)
                .text("country", person.country)
                .text("language", person.language)
                .flag("newsletter", day.dice.chance(70));
            let identifiers = vec![
                ("email", person.email.clone()),
                ("customerId", person.customer.clone()),
            ];
            day.single(identifiers, Channel::Web, event);
        }
        if day.dice.chance(12) {
            let (rating, text) = day.dice.pick(&REVIEWS);
            let event = Event::new("wroteReview", day.moment())
                .text("productId", day.dice.pick(&ARTICLES).id);
            let event = event
                .number("rating", rating)
                .text("reviewText", text)
                .text("language", person.language);
            day.single(person.by_email(), Channel::Web, event);
        }
        if day.dice.chance(12) {
            let order = format!("LQ26-{}", 47_000 + day.dice.between(0, 1000));
            let event = Event::new("parcelDelivered", day.moment()).text("orderId", order);
            let event = event
                .text("carrier", day.dice.pick(&["Postiljon", "Kurier Blitz"]))
                .text("deliveredOn", "2026-10-16");
            day.single(
                vec![("customerId", person.customer.clone())],
                Channel::Email,
                event,
            );
        }
        if let Some((id, platform)) = person.mobile.as_ref().filter(|_| day.dice.chance(14)) {
            let event = Event::new("appInstalled", day.moment());
            let event = if day.dice.chance(60) {
                let locale = format!("{}-{}", person.language, person.country);
                event
                    .text("appName", "Lantern & Quill")
                    .text("appVersion", "4.3.0")
                    .text("platform", *platform)
                    .text("locale", locale)
            } else {
                let days = day.dice.between(1, 400);
                let event = Event {
                    code: "appUninstalled",
                    ..event
                };
                event
                    .text("appName", "Lantern & Quill")
                    .text("platform", *platform)
                    .number("daysInstalled", days)
            };
            day.single(vec![("mobileUserId", id.clone())], Channel::Mobile, event);
        }
    }
}

const REVIEWS: [(u64, &str); 7] = [
    (5, "Writes like a dream. Would buy again & again."),
    (4, "Schön verarbeitet, nur die Kappe klemmt etwas."),
    (5, "インクの色がとても綺麗です。"),
    (2, "Arrivé ébréché… dommage."),
    (3, "Está bien, pero \"grande\" no es."),
    (1, "Lampan blinkar 😡"),
    (5, "جميل جدا"),
];
