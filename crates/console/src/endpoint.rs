//! Endpoints: the list, one with what it is and how it stands, registering one, and what can be done with it.

mod detail;

use axum::Router;
use axum::extract::Path;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::Page;
use maud::{Markup, html};
use model::key::KeyLevel;
use model::{AccountId, Endpoint, EndpointId, EndpointStatus, Role};

use crate::ConsoleState;
use crate::home::name;
use crate::list::{self, Asked, Column};
use crate::page::{self, Place, copyable, done, nothing};
use crate::problem;
use crate::visitor::{Admin, In, Member, Viewer};

/// How long an old key works beside a new one.
const OVERLAP: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/endpoints", get(list))
        .route(
            "/console/{accountId}/endpoints/new",
            get(new).post(register),
        )
        .route(
            "/console/{accountId}/endpoints/{endpointId}",
            get(detail::page),
        )
        .route(
            "/console/{accountId}/endpoints/{endpointId}/now",
            get(detail::now),
        )
        .route(
            "/console/{accountId}/endpoints/{endpointId}/enable",
            post(enable),
        )
        .route(
            "/console/{accountId}/endpoints/{endpointId}/disable",
            post(disable),
        )
        .route(
            "/console/{accountId}/endpoints/{endpointId}/retry",
            post(retry),
        )
        .route(
            "/console/{accountId}/endpoints/{endpointId}/delete",
            get(ask_delete).post(delete),
        )
        .route(
            "/console/{accountId}/endpoints/{endpointId}/key",
            post(rotate),
        )
}

/// The account and the endpoint of a path.
pub(crate) type Of = Path<(AccountId, EndpointId)>;

async fn list(of: In<Viewer>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let wanted = asked.text("q").to_lowercase();
    let found = list::by_id(
        &asked,
        |e: &Endpoint| e.id.0,
        |e| is_wanted(e, &wanted),
        |page| of.hub().endpoints(of.scope(), page),
    );
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let columns = columns(&of);
    if asked.is_csv() {
        return list::csv("endpoints", &columns, &found);
    }
    let content = html! {
        div.title {
            h1 { "Endpoints" }
            @if of.may(Role::Member) { a.button.main href=(of.path("/endpoints/new")) { "Register an endpoint" } }
        }
        (asked.search(&[("q", "Name, provider or number")]))
        @if !found.rows.is_empty() {
            (list::table(&asked, "Endpoints", &columns, &found))
        } @else if asked.is_filtered() {
            (nothing("No endpoint is called so.", &html! { a href=(of.path("/endpoints")) { "Show all" } }))
        } @else {
            (nothing("Nothing is connected yet.", &html! { p { "An endpoint is one product, connected to this account: a shop that publishes, a mailer that receives." } }))
        }
    };
    page::inside(&of, Place::Endpoints, "Endpoints", &content).into_response()
}

fn is_wanted(endpoint: &Endpoint, wanted: &str) -> bool {
    let texts = [
        name(endpoint),
        endpoint.definition.provider_name.clone(),
        endpoint.id.to_string(),
    ];
    endpoint.status != EndpointStatus::Deleted
        && texts
            .iter()
            .any(|text| text.to_lowercase().contains(wanted))
}

fn columns<'a>(of: &'a In<Viewer>) -> Vec<Column<'a, Endpoint>> {
    vec![
        list::column(
            "Name",
            |e: &Endpoint| html! { a href=(of.path(&format!("/endpoints/{}", e.id))) { (name(e)) } },
            name,
        ),
        list::in_file("Number", |e: &Endpoint| e.id.to_string()),
        list::column("Status", status, |e| status_word(e).to_owned()),
        list::text("Role", roles),
        list::text("Provider", |e: &Endpoint| {
            e.definition.provider_name.clone()
        }),
        list::number("Waiting", |e: &Endpoint| {
            let standing = of.hub().standing(e.id);
            standing.map_or(0, |s| s.waiting + s.retrying)
        }),
        list::instant("Since", |e: &Endpoint| Some(e.created_at)),
    ]
}

/// By word, and by colour for those who see it.
pub(crate) fn status(endpoint: &Endpoint) -> Markup {
    let word = status_word(endpoint);
    html! { span class={ "status " (word) } { (word) } }
}

fn status_word(endpoint: &Endpoint) -> &'static str {
    match endpoint.status {
        EndpointStatus::Active if !endpoint.enabled => "disabled",
        EndpointStatus::Active => "active",
        EndpointStatus::Pending => "pending",
        EndpointStatus::Failed => "failed",
        EndpointStatus::Deleted => "deleted",
    }
}

/// What it does, in words.
pub(crate) fn roles(endpoint: &Endpoint) -> String {
    let roles = &endpoint.definition.roles;
    let words = [
        (&roles.event_source, "publishes events"),
        (&roles.event_destination, "receives events"),
        (&roles.segment_source, "provides audiences"),
        (&roles.segment_destination, "receives audiences"),
    ];
    let has = words
        .iter()
        .filter(|(role, _)| role.as_ref().is_some_and(|role| role.enabled));
    has.map(|(_, word)| *word).collect::<Vec<_>>().join(", ")
}

async fn new(of: In<Member>) -> Response {
    let content = html! {
        h1 { "Register an endpoint" }
        p { "This makes a key for one product. Give it to the product: with its first call it says what it is, and the endpoint becomes active." }
        form method="post" { button.main type="submit" { "Make a key" } }
    };
    page::inside(&of, Place::Endpoints, "Register an endpoint", &content).into_response()
}

async fn register(of: In<Member>) -> Response {
    match of.hub().endpoint_register(&of.actor(), of.scope()).await {
        Ok((endpoint, key)) => {
            key_page(&of, endpoint.id, key.expose(), "The endpoint is registered")
        }
        Err(error) => problem::of(of.state(), &error),
    }
}

/// A key, this once, with the call that the product makes with it.
fn key_page<R>(of: &In<R>, id: EndpointId, key: &str, title: &str) -> Response {
    let base = of.hub().base_url(of.account.environment);
    let curl = format!(
        "curl -X PUT {base}/v1/endpoint \\\n  -H 'Authorization: Bearer {key}' \\\n  -H 'Content-Type: application/json' \\\n  -d '{{\"name\": \"My product\", \"providerName\": \"…\", \"endpointTypes\": {{\"event\": {{\"source\": {{\"enabled\": true}}}}}}}}'"
    );
    let content = html! {
        h1 { (title) }
        p.warning role="alert" { "This key is shown this once. Copy it now: nobody can show it again, only replace it." }
        (copyable("The key of this endpoint", key))
        h2 { "The next step" }
        p { "The product calls this, with what it is:" }
        (copyable("The call", &curl))
        p { a.button href=(of.path(&format!("/endpoints/{id}"))) { "To the endpoint" } }
    };
    page::inside(of, Place::Endpoints, title, &content).into_response()
}

async fn enable(of: In<Member>, Path((_, id)): Of) -> Response {
    let result = of
        .hub()
        .endpoint_enable(&of.actor(), of.scope(), id, true)
        .await;
    let to = of.path(&format!("/endpoints/{id}"));
    done(of.state(), &to, result, |_| {
        "It is enabled: what waited goes on.".to_owned()
    })
}

async fn disable(of: In<Member>, Path((_, id)): Of) -> Response {
    let result = of
        .hub()
        .endpoint_enable(&of.actor(), of.scope(), id, false)
        .await;
    let to = of.path(&format!("/endpoints/{id}"));
    let said = "It is disabled: nothing is sent to it, and what it publishes is refused. What is published meanwhile is not kept for it.";
    done(of.state(), &to, result, |_| said.to_owned())
}

async fn retry(of: In<Member>, Path((_, id)): Of) -> Response {
    let result = of.hub().retry_now(&of.actor(), of.scope(), id).await;
    let to = of.path(&format!("/deliveries?state=retrying&endpointId={id}"));
    done(of.state(), &to, result, |documents| match documents {
        0 => "Nothing waited to be tried again.".to_owned(),
        _ => format!("{documents} documents are tried again now."),
    })
}

async fn ask_delete(of: In<Member>, Path((_, id)): Of) -> Response {
    let endpoint = match of.hub().endpoint(of.scope(), id) {
        Ok(endpoint) => endpoint,
        Err(error) => return problem::of(of.state(), &error),
    };
    let everything = Page {
        after: 0,
        limit: 10_000,
    };
    let subscriptions = match of.hub().subscriptions(of.scope(), everything).await {
        Ok(all) => all,
        Err(error) => return problem::of(of.state(), &error),
    };
    let ended = subscriptions
        .iter()
        .filter(|s| !s.deleted && (s.publisher == id || s.destination == id))
        .count();
    let waiting = of.hub().standing(id).map_or(0, |s| s.waiting + s.retrying);
    let content = html! {
        h1 { "Delete " (name(&endpoint)) "?" }
        ul {
            li { (ended) " subscriptions end." }
            li { (waiting) " documents that wait for it are dropped." }
            li { "Its key opens nothing any more." }
        }
        p { "This cannot be undone. To stop it for a while, disable it." }
        div.actions {
            (page::button(&of.path(&format!("/endpoints/{id}/delete")), "Delete it", "danger", None))
            a.button href=(of.path(&format!("/endpoints/{id}"))) { "Keep it" }
        }
    };
    page::inside(&of, Place::Endpoints, "Delete an endpoint", &content).into_response()
}

async fn delete(of: In<Member>, Path((_, id)): Of) -> Response {
    let result = of.hub().endpoint_delete(&of.actor(), of.scope(), id).await;
    done(of.state(), &of.path("/endpoints"), result, |()| {
        format!("Endpoint {id} is deleted.")
    })
}

async fn rotate(of: In<Admin>, Path((_, id)): Of) -> Response {
    let actor = of.actor();
    let rotated = of
        .hub()
        .key_rotate(&actor, of.scope(), Some(id), KeyLevel::Endpoint, OVERLAP);
    match rotated.await {
        Ok((_, key)) => key_page(
            &of,
            id,
            key.expose(),
            "A new key: the old one works for another day",
        ),
        Err(error) => problem::of(of.state(), &error),
    }
}
