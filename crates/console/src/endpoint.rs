//! Endpoints: the list, one with what it is and how it stands, registering one, and what can be done with it.

mod detail;
mod listed;

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::publish::Published;
use hub::test_drive::TestEvent;
use maud::{Markup, html};
use model::key::KeyLevel;
use model::{AccountId, Endpoint, EndpointId, EndpointStatus};

use crate::ConsoleState;
use crate::cookie::Said;
use crate::form::Form;
use crate::home::name;
use crate::page::{self, Place, copyable, done};
use crate::problem;
use crate::visitor::{Admin, In, Member};

/// How long an old key works beside a new one.
const OVERLAP: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/endpoints", get(listed::page))
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
            "/console/{accountId}/endpoints/{endpointId}/test",
            post(test),
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

/// By word, and by colour for those who see it.
pub(crate) fn status(endpoint: &Endpoint) -> Markup {
    let word = status_word(endpoint);
    html! { span class={ "status " (word) } { (word) } }
}

pub(crate) fn status_word(endpoint: &Endpoint) -> &'static str {
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

/// A key, this once, with the call that the product makes with it.
pub(crate) fn key_page<R>(of: &In<R>, id: EndpointId, key: &str, title: &str) -> Response {
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
        Said::good("It is enabled: what waited goes on.").undo(&format!("{to}/disable"), &[])
    })
}

async fn disable(of: In<Member>, Path((_, id)): Of) -> Response {
    let result = of
        .hub()
        .endpoint_enable(&of.actor(), of.scope(), id, false)
        .await;
    let to = of.path(&format!("/endpoints/{id}"));
    let said = "It is disabled: nothing is sent to it, and what it publishes is refused. What is published meanwhile is not kept for it.";
    done(of.state(), &to, result, |_| {
        Said::good(said).undo(&format!("{to}/enable"), &[])
    })
}

async fn retry(of: In<Member>, Path((_, id)): Of) -> Response {
    let result = of.hub().retry_now(&of.actor(), of.scope(), id).await;
    let to = of.path(&format!("/deliveries?state=retrying&endpointId={id}"));
    done(of.state(), &to, result, |documents| match documents {
        0 => "Nothing waited to be tried again.".to_owned(),
        _ => format!("{documents} documents are tried again now."),
    })
}

/// A made-up event of the exchange's own publisher, to a destination of a pilot account.
async fn test(of: In<Member>, Path((_, id)): Of, form: Form) -> Response {
    let sent = send_test(&of, id, form.text("code")).await;
    let to = match &sent {
        Ok(published) => of.path(&format!("/events/{}.0", published.publication)),
        Err(_) => of.path(&format!("/endpoints/{id}")),
    };
    done(of.state(), &to, sent, |_| {
        "A test event is on its way: here is its journey.".to_owned()
    })
}

async fn send_test(of: &In<Member>, id: EndpointId, code: &str) -> hub::Result<Published> {
    let (hub, actor, scope) = (of.hub(), of.actor(), of.scope());
    hub.endpoint(scope, id)?;
    hub.test_drive_start(&actor, scope).await?;
    let event = TestEvent {
        code: code.to_owned(),
        mistake: None,
        destination: Some(id),
    };
    let said = hub.test_drive_publish(&actor, scope, event).await?;
    said.answer
}

async fn ask_delete(of: In<Member>, Path((_, id)): Of) -> Response {
    let endpoint = match of.hub().endpoint(of.scope(), id) {
        Ok(endpoint) => endpoint,
        Err(error) => return problem::of(of.state(), &error),
    };
    let registry = of.hub().registry();
    let ended = registry
        .subscriptions_where(|s| !s.deleted && (s.publisher == id || s.destination == id))
        .len();
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
