//! Subscriptions: which events of whom go where; many at once by one form.

mod new;

use std::collections::HashSet;

use axum::Router;
use axum::extract::Path;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use model::{AccountId, EndpointId, Role, Subscription, SubscriptionId};

use crate::ConsoleState;
use crate::cookie::Said;
use crate::event::{called, endpoint, named};
use crate::form::Form;
use crate::home;
use crate::list::{self, Asked, Column, Rows};
use crate::page::{self, Place, done, go, nothing};
use crate::problem;
use crate::visitor::{In, Member, Viewer};

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/subscriptions", get(list))
        .route(
            "/console/{accountId}/subscriptions/new",
            get(new::page).post(new::create),
        )
        .route("/console/{accountId}/subscriptions/change", post(change))
        .route(
            "/console/{accountId}/subscriptions/{subscriptionId}/enable",
            post(enable),
        )
        .route(
            "/console/{accountId}/subscriptions/{subscriptionId}/disable",
            post(disable),
        )
        .route(
            "/console/{accountId}/subscriptions/{subscriptionId}/delete",
            post(delete),
        )
}

type Of = Path<(AccountId, SubscriptionId)>;

async fn list(of: In<Viewer>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let content = match asked.text("view") {
        "paths" if !asked.is_csv() => paths(&of, &asked).await,
        _ => {
            let found = match find(&of, &asked).await {
                Ok(found) => found,
                Err(error) => return problem::of(of.state(), &error),
            };
            let columns = columns(&of);
            if asked.is_csv() {
                return list::csv("subscriptions", &columns, &found);
            }
            Ok((!found.rows.is_empty()).then(|| {
                html! {
                    @if of.may(Role::Member) { (selection(&of)) }
                    (list::table(&asked, "Subscriptions", &columns, &found))
                }
            }))
        }
    };
    match content {
        Ok(content) => shown(&of, &asked, content),
        Err(error) => problem::of(of.state(), &error),
    }
}

/// `None` if there is nothing to draw.
async fn paths(of: &In<Viewer>, asked: &Asked) -> hub::Result<Option<Markup>> {
    let wanted = Wanted::of(of, asked);
    home::paths(of, |s| wanted.keeps(s)).await
}

/// `found` is `None` if there is none.
fn shown(of: &In<Viewer>, asked: &Asked, found: Option<Markup>) -> Response {
    let is_drawn = asked.text("view") == "paths";
    let content = html! {
        div.title {
            h1 { "Subscriptions" }
            @if of.may(Role::Member) { a.button.main href=(of.path("/subscriptions/new")) { "Subscribe" } }
        }
        nav.tabs aria-label="View" {
            a href=(asked.with("view", "")) aria-current=[(!is_drawn).then_some("page")] { "Table" }
            a href=(asked.with("view", "paths")) aria-current=[is_drawn.then_some("page")] { "Paths" }
        }
        (asked.search(&[("code", "Event code"), ("from", "Publisher"), ("to", "Destination")]))
        @if let Some(found) = found {
            (found)
        } @else if asked.is_filtered() {
            (nothing("No subscription fits.", &html! { a href=(of.path("/subscriptions")) { "Show all" } }))
        } @else {
            (nothing("No destination is subscribed to anything.", &html! { p { "A subscription sends one kind of event of one publisher to one destination, from the moment it is made." } }))
        }
    };
    page::inside(of, Place::Subscriptions, "Subscriptions", &content).into_response()
}

/// All from the store; those that are searched for from memory, which knows them all and has no index of their words.
async fn find(of: &In<Viewer>, asked: &Asked) -> hub::Result<Rows<Subscription>> {
    if !asked.is_filtered() {
        let id = |s: &Subscription| s.id.0;
        let page = |page| of.hub().subscriptions(of.scope(), page);
        return list::by_id(asked, id, |s| !s.deleted, page).await;
    }
    let (account, wanted) = (of.account.id, Wanted::of(of, asked));
    let is_found = |s: &Subscription| s.account == account && !s.deleted && wanted.keeps(s);
    let mut all = of.hub().registry().subscriptions_where(is_found);
    all.sort_by_key(|s| s.id);
    let found = list::pages(asked, all);
    let rows = found.rows.iter().map(|s| Subscription::clone(s));
    Ok(Rows {
        rows: rows.collect(),
        next: found.next,
    })
}

/// What is searched for. What is not said may be any.
struct Wanted {
    /// A part of it, in lower case.
    code: String,
    from: Option<HashSet<EndpointId>>,
    to: Option<HashSet<EndpointId>>,
}

impl Wanted {
    fn of(of: &In<Viewer>, asked: &Asked) -> Self {
        // An endpoint is told by its number or by a part of its name.
        let told = |name: &str| match (asked.text(name), asked.text(name).parse()) {
            ("", _) => None,
            (_, Ok(id)) => Some(HashSet::from([id])),
            (text, Err(_)) => Some(called(of, text)),
        };
        Self {
            code: asked.text("code").to_lowercase(),
            from: told("from"),
            to: told("to"),
        }
    }

    fn keeps(&self, one: &Subscription) -> bool {
        let is = |wanted: &Option<HashSet<EndpointId>>, id: EndpointId| {
            wanted.as_ref().is_none_or(|wanted| wanted.contains(&id))
        };
        is(&self.from, one.publisher)
            && is(&self.to, one.destination)
            && one.code.to_lowercase().contains(&self.code)
    }
}

fn columns<'a>(of: &'a In<Viewer>) -> Vec<Column<'a, Subscription>> {
    let may = of.may(Role::Member);
    let state = |s: &Subscription| if s.enabled { "active" } else { "paused" };
    vec![
        list::column(
            "Events",
            move |s: &Subscription| {
                html! {
                @if may { input.tick type="checkbox" form="selected" name="subscription" value=(s.id) aria-label={ "Select " (s.code) " to " (named(of, s.destination)) }; }
                code { (s.code) } @if let Some(space) = &s.namespace { " in " code { (space) } } }
            },
            |s| s.code.clone(),
        ),
        list::in_file("Namespace", |s: &Subscription| {
            s.namespace.clone().unwrap_or_default()
        }),
        list::column(
            "From",
            |s: &Subscription| endpoint(of, s.publisher),
            |s| named(of, s.publisher),
        ),
        list::column(
            "To",
            |s: &Subscription| endpoint(of, s.destination),
            |s| named(of, s.destination),
        ),
        list::column(
            "State",
            move |s: &Subscription| html! { span class={ "status " (if s.enabled { "active" } else { "disabled" }) } { (state(s)) } },
            move |s| state(s).to_owned(),
        ),
        list::actions(|s| may_do(of, s)),
    ]
}

/// What is done with those that are ticked.
fn selection(of: &In<Viewer>) -> Markup {
    html! {
        form #selected.actions.selection method="post" action=(of.path("/subscriptions/change")) {
            label.choice hidden { input type="checkbox" data-all="selected"; span { "Select all shown" } }
            span.role { "Selected ones:" }
            button type="submit" name="verb" value="enable" { "Resume" }
            button type="submit" name="verb" value="disable" { "Pause" }
            button.danger type="submit" name="verb" value="delete" data-ask="End the selected subscriptions? What waits for their destinations is still delivered; nothing new is." { "End" }
        }
    }
}

fn may_do(of: &In<Viewer>, one: &Subscription) -> Markup {
    let path = |verb: &str| of.path(&format!("/subscriptions/{}/{verb}", one.id));
    html! {
        @if of.may(Role::Member) {
            @if one.enabled { (page::button(&path("disable"), "Pause", "quiet", None)) }
            @else { (page::button(&path("enable"), "Resume", "quiet", None)) }
            (page::button(&path("delete"), "End", "quiet danger", Some("End this subscription? What waits for the destination is still delivered; nothing new is.")))
        }
    }
}

/// One verb for all that were selected.
async fn change(of: In<Member>, form: Form) -> Response {
    let ids = form.all("subscription");
    let ids: Vec<SubscriptionId> = ids.filter_map(|text| text.parse().ok()).collect();
    let (hub, scope, actor) = (of.hub(), of.scope(), of.actor());
    let to = of.path("/subscriptions");
    if ids.is_empty() {
        return go(of.state(), &to, &Said::bad("Select subscriptions first."));
    }
    let verb = form.text("verb");
    for (at, &id) in ids.iter().enumerate() {
        let changed = match verb {
            "enable" => hub
                .subscription_enable(&actor, scope, id, true)
                .await
                .map(drop),
            "disable" => hub
                .subscription_enable(&actor, scope, id, false)
                .await
                .map(drop),
            "delete" => hub.subscription_delete(&actor, scope, id).await,
            _ => return problem::invalid(of.state(), "The form names no verb."),
        };
        if let Err(error) = changed {
            let why = format!("{} Changed before that: {at}.", problem::sentence(&error));
            return go(of.state(), &to, &Said::bad(why));
        }
    }
    let count = ids.len();
    let said = match verb {
        "enable" => format!("{count} subscriptions are active, for what is published from now on."),
        "disable" => {
            format!(
                "{count} subscriptions are paused: what is published meanwhile is not delivered."
            )
        }
        _ => format!("{count} subscriptions have ended."),
    };
    go(of.state(), &to, &Said::good(said))
}

async fn enable(of: In<Member>, Path((_, id)): Of) -> Response {
    let result = of
        .hub()
        .subscription_enable(&of.actor(), of.scope(), id, true)
        .await;
    let undo = of.path(&format!("/subscriptions/{id}/disable"));
    done(of.state(), &of.path("/subscriptions"), result, |_| {
        let said = "It is active again, for what is published from now on.";
        Said::good(said).undo(&undo, &[])
    })
}

async fn disable(of: In<Member>, Path((_, id)): Of) -> Response {
    let result = of
        .hub()
        .subscription_enable(&of.actor(), of.scope(), id, false)
        .await;
    let undo = of.path(&format!("/subscriptions/{id}/enable"));
    done(of.state(), &of.path("/subscriptions"), result, |_| {
        let said = "It is paused: what is published meanwhile is not delivered.";
        Said::good(said).undo(&undo, &[])
    })
}

async fn delete(of: In<Member>, Path((_, id)): Of) -> Response {
    let result = of
        .hub()
        .subscription_delete(&of.actor(), of.scope(), id)
        .await;
    done(of.state(), &of.path("/subscriptions"), result, |()| {
        "The subscription has ended.".to_owned()
    })
}
