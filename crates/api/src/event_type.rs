//! `/v1/eventtype…`: endpoints register the types of events that they publish or receive, list them, ask who
//! subscribes, replace attributes and remove registrations.
//!
//! Called by integrations with an endpoint key. The published examples spell the path `eventype` in places, so every
//! path is served in both spellings.

mod view;

use axum::Json;
use axum::extract::{MatchedPath, State};
use axum::http::Uri;
use hub::event_type::Which;
use model::RegistrationType;
use serde_json::{Value, json};

use crate::ApiState;
use crate::asked::{Asked, InPath};
use crate::body::Payload;
use crate::caller::{Caller, EndpointKey};
use crate::door::{About, Door};
use crate::problem::{Kind, Problem};
use view::{AttributesBody, ReceivedView};

pub(crate) use view::{EventTypeBody, EventTypeView};

/// The paths of one spelling.
struct Paths {
    all: &'static str,
    subscribed: &'static str,
    producer: &'static str,
    consumer: &'static str,
    publisher_attributes: &'static str,
    subscriber_attributes: &'static str,
    one: &'static str,
}

macro_rules! paths {
    ($base:literal) => {
        Paths {
            all: $base,
            subscribed: concat!($base, "/subscribed"),
            producer: concat!($base, "/subscribed/producer"),
            consumer: concat!($base, "/subscribed/consumer"),
            publisher_attributes: concat!($base, "/attributes/publisher/{id}"),
            subscriber_attributes: concat!($base, "/attributes/subscriber/{id}"),
            one: concat!($base, "/{*code}"),
        }
    };
}

const SPELLINGS: [Paths; 2] = [paths!("/v1/eventtype"), paths!("/v1/eventype")];

pub(crate) fn routes(door: &mut Door) {
    for paths in SPELLINGS {
        registrations(door, &paths);
        attributes(door, &paths);
    }
}

fn registrations(door: &mut Door, paths: &Paths) {
    let about = About::new("Register an event type, or update its registration; answers its id");
    door.post(
        paths.all,
        register,
        about.body::<EventTypeBody>().answers::<i64>(),
    );
    let about = About::new("The event types that the endpoint registered");
    door.get(paths.all, list, about.answers::<Vec<EventTypeView>>());
    let about = About::new("Codes that the endpoint publishes and somebody subscribes to");
    door.get(
        paths.subscribed,
        codes_subscribed,
        about.answers::<Vec<String>>(),
    );
    let about = About::new("Event types that the endpoint publishes and somebody subscribes to");
    door.get(
        paths.producer,
        subscribed,
        about.answers::<Vec<EventTypeView>>(),
    );
    let about =
        About::new("Event types that the endpoint receives, as their publishers registered them")
            .query(
                "extrafields",
                "`provider`, `publisher` or both, with a comma: adds these names",
            );
    door.get(
        paths.consumer,
        received,
        about.answers::<Vec<ReceivedView>>(),
    );
    let about = || {
        About::new("Remove the registrations of a code; false when there are none")
            .answers::<bool>()
    };
    door.delete(paths.one, delete, about());
    // Codes that read like the lists above are codes all the same.
    for path in [paths.subscribed, paths.producer, paths.consumer] {
        door.delete(path, delete_namesake, about());
    }
}

fn attributes(door: &mut Door, paths: &Paths) {
    let about = || {
        About::new("Replace the attributes of an event type; the path has the endpoint's id or the event type's")
            .body::<AttributesBody>()
            .answers::<bool>()
            .query("code", "names the event type, when the endpoint has several")
            .query("namespace", "names the event type, when the code alone does not")
    };
    // The published text says PUT, its example says POST.
    door.put(paths.publisher_attributes, set_published, about());
    door.post(paths.publisher_attributes, set_published, about());
    door.put(paths.subscriber_attributes, set_received, about());
    door.post(paths.subscriber_attributes, set_received, about());
}

async fn register(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
    payload: Payload,
) -> Result<Json<i64>, Problem> {
    let body = payload.json()?;
    let (actor, scope, endpoint) = (caller.actor(), caller.scope(), caller.endpoint());
    let verb = state
        .hub
        .event_type_register(&actor, scope, endpoint, &body);
    Ok(Json(verb.await?.0))
}

async fn list(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
) -> Result<Json<Vec<EventTypeView>>, Problem> {
    let types = state.hub.event_types(caller.scope(), caller.endpoint())?;
    Ok(Json(types.into_iter().map(EventTypeView::from).collect()))
}

async fn codes_subscribed(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
) -> Result<Json<Vec<String>>, Problem> {
    let types = state
        .hub
        .event_types_subscribed(caller.scope(), caller.endpoint())?;
    let mut codes: Vec<String> = Vec::new();
    for event_type in types {
        // One code may be registered in several namespaces.
        if !codes.contains(&event_type.code) {
            codes.push(event_type.code);
        }
    }
    Ok(Json(codes))
}

async fn subscribed(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
) -> Result<Json<Vec<EventTypeView>>, Problem> {
    let types = state
        .hub
        .event_types_subscribed(caller.scope(), caller.endpoint())?;
    Ok(Json(types.into_iter().map(EventTypeView::from).collect()))
}

async fn received(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
    asked: Asked,
) -> Result<Json<Vec<ReceivedView>>, Problem> {
    let extra = asked.text("extrafields").unwrap_or_default();
    let wants = |field: &str| {
        extra
            .split(',')
            .any(|word| word.trim().eq_ignore_ascii_case(field))
    };
    let (provider, publisher) = (wants("provider"), wants("publisher"));
    let types = state
        .hub
        .event_types_received(caller.scope(), caller.endpoint())?;
    let views = types
        .into_iter()
        .map(|one| ReceivedView::of(one, provider, publisher));
    Ok(Json(views.collect()))
}

async fn set_published(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
    path: InPath,
    uri: Uri,
    payload: Payload,
) -> Result<Json<bool>, Problem> {
    set_attributes(
        &caller,
        &state,
        (RegistrationType::Publish, path),
        &uri,
        &payload,
    )
    .await
}

async fn set_received(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
    path: InPath,
    uri: Uri,
    payload: Payload,
) -> Result<Json<bool>, Problem> {
    set_attributes(
        &caller,
        &state,
        (RegistrationType::Subscribe, path),
        &uri,
        &payload,
    )
    .await
}

async fn set_attributes(
    caller: &Caller<EndpointKey>,
    state: &ApiState,
    (registration, InPath(id)): (RegistrationType, InPath),
    uri: &Uri,
    payload: &Payload,
) -> Result<Json<bool>, Problem> {
    let asked = Asked::of(uri)?;
    let which = Which {
        code: asked.text("code").map(str::to_owned),
        namespace: asked.text("namespace").map(str::to_owned),
    };
    let id: i64 = id.trim().parse().map_err(|_| {
        let message = format!(
            "there is no endpoint or event type {}",
            model::invalid::shown(&id)
        );
        Problem::new(Kind::NotFound, message)
    })?;
    let body = listed(payload.json()?);
    let (actor, scope, endpoint) = (caller.actor(), caller.scope(), caller.endpoint());
    let verb = state.hub.event_type_set_attributes(
        &actor,
        scope,
        endpoint,
        (registration, id),
        (which, &body),
    );
    verb.await?;
    Ok(Json(true))
}

/// The published example sends one attribute, bare: `{"code", "name", "type"}`. It is a list of one.
fn listed(mut body: Value) -> Value {
    let Some(members) = body.as_object_mut() else {
        return body;
    };
    if members.contains_key("attributes") || !members.contains_key("name") {
        return body;
    }
    let attribute = json!({ "name": members.remove("name"), "type": members.remove("type") });
    members.insert("attributes".to_owned(), json!([attribute]));
    body
}

async fn delete(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
    InPath(code): InPath,
) -> Result<Json<bool>, Problem> {
    remove(&caller, &state, &code).await
}

/// Removes the code whose name is the path of a list, such as `subscribed`.
async fn delete_namesake(
    caller: Caller<EndpointKey>,
    State(state): State<ApiState>,
    path: MatchedPath,
) -> Result<Json<bool>, Problem> {
    let code = path.as_str().splitn(4, '/').nth(3).unwrap_or_default();
    remove(&caller, &state, code).await
}

async fn remove(
    caller: &Caller<EndpointKey>,
    state: &ApiState,
    code: &str,
) -> Result<Json<bool>, Problem> {
    let (actor, scope, endpoint) = (caller.actor(), caller.scope(), caller.endpoint());
    let verb = state.hub.event_type_delete(&actor, scope, endpoint, code);
    Ok(Json(verb.await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_served_alike() {
        let mut door = Door::default();
        routes(&mut door);
        let with = |spelling: &str| -> Vec<(String, String)> {
            let of_spelling = door
                .routes
                .iter()
                .filter(|route| route.path.split('/').nth(2) == Some(spelling));
            of_spelling
                .map(|route| {
                    let rest = route.path.replacen(spelling, "", 1);
                    (route.method.to_string(), rest)
                })
                .collect()
        };
        assert_eq!(with("eventtype").len(), 13);
        assert_eq!(with("eventtype"), with("eventype"));
        // Panics when two paths stand in each other's way.
        drop(door.into_router(std::time::Duration::from_secs(1)));
    }

    #[test]
    fn one_bare_attribute_is_a_list_of_one() {
        let cases = [
            (
                json!({ "code": "cartAdd", "name": "total", "type": "number" }),
                json!({ "code": "cartAdd", "attributes": [{ "name": "total", "type": "number" }] }),
            ),
            (
                json!({ "name": "total" }),
                json!({ "attributes": [{ "name": "total", "type": null }] }),
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(listed(body), expected);
        }
        for as_it_is in [
            json!([{ "name": "total" }]),
            json!({ "code": "cartAdd", "name": "Cart", "attributes": [] }),
            json!({ "code": "cartAdd" }),
            json!("total"),
        ] {
            assert_eq!(listed(as_it_is.clone()), as_it_is);
        }
    }
}
