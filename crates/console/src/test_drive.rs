//! The test drive of a pilot account: a publisher and a receiver that are built in, what the one says and is answered, and
//! what the other gets, word for word.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::Page;
use hub::test_drive::{Said as Told, TestDrive, TestEvent, TestPush};
use maud::{Markup, html};
use model::test_drive::{Mistake, ReceiverAnswer};
use model::{Endpoint, EndpointStatus, Environment, catalog};

use crate::ConsoleState;
use crate::document;
use crate::form::Form;
use crate::home::name;
use crate::live;
use crate::page::{self, Place, done, nothing};
use crate::problem;
use crate::time;
use crate::visitor::{In, Partner};

/// Pushes shown, the latest first.
const PUSHES_MAX: usize = 30;
/// Endpoints that are offered as destinations.
const OFFERED_MAX: i64 = 500;
/// What a receiver may answer, and what comes of it.
const ANSWERS: [(&str, &str); 9] = [
    ("200", "200: taken"),
    ("400", "400: never wanted, a dead letter"),
    ("401", "401: not signed in"),
    ("404", "404: not there"),
    ("408", "408: tried again"),
    ("410", "410: gone for ever"),
    ("429", "429: slower, please"),
    ("500", "500: tried again"),
    ("timeout", "no answer in time"),
];

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/test-drive", get(page).post(start))
        .route("/console/{accountId}/test-drive/answer", post(answer))
        .route("/console/{accountId}/test-drive/publish", post(publish))
        .route("/console/{accountId}/test-drive/pushes", get(follow))
}

/// What the page is made of.
struct Seen {
    drive: TestDrive,
    /// Active endpoints that take events, the account's own before the built-in one.
    destinations: Vec<Endpoint>,
    pushes: Vec<TestPush>,
}

async fn look(of: &In<Partner>) -> hub::Result<Option<Seen>> {
    let (hub, scope) = (of.hub(), of.scope());
    let drive = match hub.test_drive(scope).await {
        Ok(drive) => drive,
        Err(hub::Error::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let page = Page {
        after: 0,
        limit: OFFERED_MAX,
    };
    let takes = |e: &Endpoint| {
        e.status == EndpointStatus::Active && e.definition.event_destination().is_some()
    };
    let mut destinations = hub.endpoints(scope, page).await?;
    destinations.retain(takes);
    destinations.sort_by_key(|e| e.id != drive.receiver);
    Ok(Some(Seen {
        drive,
        destinations,
        pushes: pushes(of).await?,
    }))
}

async fn pushes(of: &In<Partner>) -> hub::Result<Vec<TestPush>> {
    let page = Page {
        after: 0,
        limit: OFFERED_MAX,
    };
    let mut pushes = of.hub().test_pushes(of.scope(), None, page).await?;
    pushes.reverse();
    pushes.truncate(PUSHES_MAX);
    Ok(pushes)
}

async fn page(of: In<Partner>) -> Response {
    match look(&of).await {
        Ok(seen) => shown(&of, seen.as_ref(), None),
        Err(error) => problem::of(of.state(), &error),
    }
}

fn shown(of: &In<Partner>, seen: Option<&Seen>, told: Option<&Told>) -> Response {
    let is_pilot = of.account.environment == Environment::Pilot;
    let content = html! {
        h1 { "Test drive" }
        p { "A publisher and a receiver that are built in. They show what goes over the wire before anything of yours is there; the events take the real way." }
        @match seen {
            None if !is_pilot => (nothing("Test drives are for pilot accounts.", &html! { p { "Nothing of a test may reach production." } })),
            None => (nothing("It has not begun.", &html! { (page::button(&of.path("/test-drive"), "Begin the test drive", "main", None)) })),
            Some(seen) => {
                @if let Some(told) = told { (answered(told)) }
                div.columns { (publisher(of, seen)) (receiver(of, seen)) }
                h2 { "What was pushed" }
                div data-live=(of.path("/test-drive/pushes")) { (list(&seen.pushes)) }
            }
        }
    };
    page::inside(of, Place::TestDrive, "Test drive", &content).into_response()
}

fn publisher(of: &In<Partner>, seen: &Seen) -> Markup {
    html! {
        form.panel.stack method="post" action=(of.path("/test-drive/publish")) {
            h2 { "The publisher" }
            label { "Event" select name="code" {
                @for event in catalog::all() { option value=(event.code) selected[event.code == "cartAdd"] { (event.name) " (" (event.code) ")" } }
            } }
            label { "Made how" select name="mistake" {
                option value="" { "as it should be" }
                @for mistake in Mistake::ALL { option value=(mistake.as_str()) { "with a mistake: " (words(mistake)) } }
            } }
            label { "Sent to" select name="destination" {
                @for endpoint in &seen.destinations { option value=(endpoint.id) { (name(endpoint)) " (" (endpoint.id) ")" } }
                option value="" { "whoever is subscribed already" }
            } small { "is subscribed to the event, if it is not" } }
            button.main type="submit" { "Publish" }
        }
    }
}

fn words(mistake: Mistake) -> &'static str {
    match mistake {
        Mistake::NotJson => "no JSON",
        Mistake::NoChannel => "no channel",
        Mistake::ChannelTwice => "the channel twice",
        Mistake::IdentifiersTwice => "identifiers twice",
        Mistake::NoIdentifiers => "no identifiers",
        Mistake::UnknownIdentifier => "an identifier that was not registered",
        Mistake::NoCode => "no code",
        Mistake::UnknownCode => "a code that was not registered",
        Mistake::NoTimestamp => "no timestamp",
        Mistake::BadTimestamp => "a timestamp that is none",
    }
}

fn receiver(of: &In<Partner>, seen: &Seen) -> Markup {
    let now = seen.drive.answer.to_string();
    let is_known = ANSWERS.iter().any(|(word, _)| *word == now);
    html! {
        form.panel.stack method="post" action=(of.path("/test-drive/answer")) {
            h2 { "The receiver" }
            p { "It answers every push with " strong { (now) } "." }
            label { "Answer from now on" select name="answer" {
                @if !is_known { option value=(now) selected { (now) } }
                @for (word, meaning) in ANSWERS { option value=(word) selected[word == now] { (meaning) } }
            } }
            button type="submit" { "Tell it" }
        }
    }
}

/// What was published, and what any publisher would have been answered.
fn answered(told: &Told) -> Markup {
    let sent = serde_json::from_str(&told.body);
    let sent = sent.map_or_else(|_| told.body.clone(), |value| document::pretty(&value));
    html! {
        section.panel role="status" {
            @match &told.answer {
                Ok(published) => h2 { span.status.active { "200" } " taken: " (published.accepted) " event" },
                Err(hub::Error::Invalid(invalid)) => {
                    h2 { span.status.failed { "400" } " refused, as any publisher would be:" }
                    ul { @for one in &invalid.violations { li { code { (one.pointer) } " " (one.message) } } }
                }
                Err(error) => h2 { span.status.failed { "refused" } " " (problem::sentence(error)) },
            }
            details { summary { "What was said" } pre.code tabindex="0" { (sent) } }
        }
    }
}

fn list(pushes: &[TestPush]) -> Markup {
    html! {
        @if pushes.is_empty() { (nothing("Nothing was pushed yet.", &html! { p { "Let the publisher say something; what is pushed appears here by itself." } })) }
        @for push in pushes {
            details.trouble {
                summary { (outcome(push)) " to endpoint " (push.endpoint) ", " (time::at(push.sent_at)) }
                p { code { "POST " (push.url) } }
                h3 { "Headers" }
                pre.code tabindex="0" { @for (name, value) in &push.headers { (name) ": " (value) "\n" } }
                h3 { "Body" }
                pre.code tabindex="0" { (body(push)) }
                h3 { "Answer" }
                pre.code tabindex="0" { (document::pretty(&push.answer)) }
            }
        }
    }
}

fn body(push: &TestPush) -> String {
    let value = serde_json::from_str(&push.body);
    value.map_or_else(|_| push.body.clone(), |value| document::pretty(&value))
}

fn outcome(push: &TestPush) -> Markup {
    let status = push.answer["status"].as_u64();
    let is_good = status.is_some_and(|status| (200..300).contains(&status));
    let failure = push.answer["failure"].as_str().unwrap_or("no answer");
    let word = status.map_or_else(|| failure.to_owned(), |status| status.to_string());
    html! { span.status.active[is_good].failed[!is_good] { (word) } }
}

/// The pushes alone, for who looks on.
async fn follow(of: In<Partner>) -> Response {
    match pushes(&of).await {
        Ok(pushes) => live::part(list(&pushes)),
        Err(error) => problem::of(of.state(), &error),
    }
}

async fn start(of: In<Partner>) -> Response {
    let begun = of.hub().test_drive_start(&of.actor(), of.scope()).await;
    done(of.state(), &of.path("/test-drive"), begun, |_| {
        "It has begun: a publisher and a receiver are there.".to_owned()
    })
}

async fn answer(of: In<Partner>, form: Form) -> Response {
    let Some(answer) = ReceiverAnswer::parse(form.text("answer")) else {
        let why = format!("The receiver answers {}.", ReceiverAnswer::EXPECTED);
        return problem::invalid(of.state(), &why);
    };
    let told = of
        .hub()
        .test_drive_answer(&of.actor(), of.scope(), answer)
        .await;
    done(of.state(), &of.path("/test-drive"), told, |drive| {
        format!("The receiver answers {} from now on.", drive.answer)
    })
}

/// Not a redirect: what was said and answered is shown this once.
async fn publish(of: In<Partner>, form: Form) -> Response {
    let event = TestEvent {
        code: form.text("code").to_owned(),
        mistake: Mistake::parse(form.text("mistake")),
        destination: form.number("destination").map(model::EndpointId),
    };
    let told = of
        .hub()
        .test_drive_publish(&of.actor(), of.scope(), event)
        .await;
    let told = match told {
        Ok(told) => told,
        Err(error) => {
            let to = of.path("/test-drive");
            return done::<(), String>(of.state(), &to, Err(error), |()| String::new());
        }
    };
    match look(&of).await {
        Ok(seen) => shown(&of, seen.as_ref(), Some(&told)),
        Err(error) => problem::of(of.state(), &error),
    }
}
