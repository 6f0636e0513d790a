//! The frame of every page: head, the bar with account and environment, the list of places, and what the last action came
//! to.
//!
//! A page can be read from top to bottom, with the keyboard, and in any width; the first thing that the tab key reaches
//! jumps to its content. Called by every handler that answers HTML.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};
use model::{Account, AccountId, Environment, Role};

use crate::ConsoleState;
use crate::assets;
use crate::cookie::{self, Said};
use crate::visitor::{In, Operator, Visitor};

/// Accounts that the switch in the bar offers; the page behind it has all.
const SWITCHED_MAX: usize = 12;

/// A finished page.
pub(crate) struct Page {
    status: StatusCode,
    markup: Markup,
    /// That what the last action came to was shown, and where this browser is.
    cookies: Vec<HeaderValue>,
}

impl Page {
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = (self.status, Html(self.markup.into_string())).into_response();
        for cookie in self.cookies {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }
}

/// A place of the console, as the list of places names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Home,
    Events,
    EventTypes,
    Endpoints,
    Subscriptions,
    Deliveries,
    Audiences,
    Identities,
    Privacy,
    Jobs,
    Quarantine,
    Applications,
    Review,
    TestDrive,
    People,
    Settings,
    Audit,
}

impl Place {
    const ALL: [Self; 17] = [
        Self::Home,
        Self::Subscriptions,
        Self::Endpoints,
        Self::Events,
        Self::EventTypes,
        Self::Deliveries,
        Self::Audiences,
        Self::Identities,
        Self::Privacy,
        Self::Jobs,
        Self::Quarantine,
        Self::Applications,
        Self::Review,
        Self::TestDrive,
        Self::People,
        Self::Settings,
        Self::Audit,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Home => "Home",
            Self::Events => "Events",
            Self::EventTypes => "Event types",
            Self::Endpoints => "Endpoints",
            Self::Subscriptions => "Subscriptions",
            Self::Deliveries => "Deliveries",
            Self::Audiences => "Audiences",
            Self::Identities => "Identities",
            Self::Privacy => "Privacy",
            Self::Jobs => "Jobs",
            Self::Quarantine => "Quarantine",
            Self::Applications => "Applications",
            Self::Review => "Certification",
            Self::TestDrive => "Test drive",
            Self::People => "People",
            Self::Settings => "Settings",
            Self::Audit => "Audit trail",
        }
    }

    /// Who sees it in the list.
    fn least(self) -> Role {
        match self {
            Self::Audit => Role::Admin,
            Self::Applications | Self::Review | Self::TestDrive => Role::Partner,
            _ => Role::Viewer,
        }
    }

    /// Products are tried and certified in pilot.
    fn is_in(self, environment: Environment) -> bool {
        let is_of_pilot = matches!(self, Self::Review | Self::TestDrive);
        !is_of_pilot || environment == Environment::Pilot
    }

    fn path(self) -> &'static str {
        match self {
            Self::Home => "",
            Self::Events => "/events",
            Self::EventTypes => "/event-types",
            Self::Endpoints => "/endpoints",
            Self::Subscriptions => "/subscriptions",
            Self::Deliveries => "/deliveries",
            Self::Audiences => "/shares",
            Self::Identities => "/identities",
            Self::Privacy => "/privacy",
            Self::Jobs => "/jobs",
            Self::Quarantine => "/quarantine",
            Self::Applications => "/applications",
            Self::Review => "/review",
            Self::TestDrive => "/test-drive",
            Self::People => "/people",
            Self::Settings => "/settings",
            Self::Audit => "/audit",
        }
    }
}

/// The operator's places: path and name.
const OPERATOR: [(&str, &str); 10] = [
    ("", "The exchange"),
    ("/accounts", "Accounts"),
    ("/partners", "Partners"),
    ("/providers", "Providers"),
    ("/people", "People"),
    ("/jobs", "Jobs"),
    ("/outbox", "Outbox"),
    ("/tasks", "Tasks"),
    ("/storage", "Storage"),
    ("/audit", "Audit trail"),
];

/// A page of the operator's; `place` is its path among [`OPERATOR`].
pub(crate) fn for_operator(of: &Operator, place: &str, title: &str, content: &Markup) -> Page {
    let side = html! {
        nav.places aria-label="Places" {
            @for (path, name) in OPERATOR {
                a href={ "/console/operator" (path) } aria-current=[(path == place).then_some("page")] { (name) }
            }
        }
    };
    let visitor = of.visitor();
    let bar = bar(Some(visitor), None);
    frame(
        &visitor.state,
        title,
        &bar,
        Some(&side),
        visitor.said.as_ref(),
        content,
    )
}

/// A page inside an account.
pub(crate) fn inside<R>(of: &In<R>, place: Place, title: &str, content: &Markup) -> Page {
    let visitor = &of.visitor;
    let side = html! {
        nav.places aria-label="Places" {
            @for one in Place::ALL.into_iter().filter(|one| of.may(one.least()) && one.is_in(of.account.environment)) {
                a href=(of.path(one.path())) aria-current=[(one == place).then_some("page")] { (one.name()) }
            }
        }
    };
    let title = format!("{title} · {}", of.account.name);
    let bar = bar(Some(visitor), Some((&of.account, of.role)));
    let mut page = frame(
        &visitor.state,
        &title,
        &bar,
        Some(&side),
        visitor.said.as_ref(),
        content,
    );
    if visitor.last != Some(of.account.id) {
        let here = cookie::set_last(&visitor.state, of.account.id);
        page.cookies.push(here);
    }
    page
}

/// A page for somebody who is signed in, in no account.
pub(crate) fn outside(visitor: &Visitor, title: &str, content: &Markup) -> Page {
    let bar = bar(Some(visitor), None);
    frame(
        &visitor.state,
        title,
        &bar,
        None,
        visitor.said.as_ref(),
        content,
    )
}

/// A page for anybody.
pub(crate) fn for_anybody(
    state: &ConsoleState,
    title: &str,
    said: Option<&Said>,
    content: &Markup,
) -> Page {
    frame(state, title, &bar(None, None), None, said, content)
}

fn bar(visitor: Option<&Visitor>, account: Option<(&Account, Role)>) -> Markup {
    let environment_class = account.map(|(account, _)| account.environment.as_str());
    html! {
        header data-environment=[environment_class] {
            div.bar {
                a.logo href="/console" { img src=(assets::icon()) alt="" width="24" height="24"; "Rialto" }
                @if let (Some(visitor), Some((account, role))) = (visitor, account) {
                    (switch(visitor, account))
                    span.role { (role.as_str()) }
                }
                @if let Some(visitor) = visitor {
                    div.who {
                        @if visitor.bearer.is_operator() { a href="/console/operator" { "Operator" } }
                        a href="/console/me" title=(visitor.bearer.user.email) { (visitor.bearer.user.name) }
                        form method="post" action="/console/sign-out" { button.quiet type="submit" { "Sign out" } }
                    }
                }
            }
            @if environment_class == Some(Environment::Pilot.as_str()) {
                p.pilot-strip { "Pilot: a place to try things out. Nothing here reaches production." }
            }
        }
    }
}

/// Where somebody is, and the way to their other accounts, each with its environment.
fn switch(visitor: &Visitor, account: &Account) -> Markup {
    let roles = visitor.bearer.accounts().unwrap_or_default();
    let others = roles.iter().filter(|(id, _)| *id != account.id);
    let others = others.filter_map(|(id, _)| visitor.state.hub.registry().account(*id));
    let mut others: Vec<_> = others.take(SWITCHED_MAX).collect();
    // Production and pilot apart from each other.
    others.sort_by_key(|other| other.environment != account.environment);
    html! {
        details.switch {
            summary { span.visually-hidden { "Account: " } span.account-name { (account.name) } (environment(account.environment)) }
            ul {
                @for other in &others {
                    li { a href=(door(visitor, other.id)) { span { (other.name) } (environment(other.environment)) } }
                }
                li { a href="/console/accounts" { "All accounts" } }
            }
        }
    }
}

/// The first page of an account for somebody: a partner is let into applications, and into nothing that customers send.
pub(crate) fn door(visitor: &Visitor, account: AccountId) -> String {
    let rest = match visitor.bearer.role_in(account) {
        Some(Role::Partner) => Place::Applications.path(),
        _ => "",
    };
    format!("/console/{account}{rest}")
}

/// Production and pilot cannot be mistaken for each other: by word, colour and shape.
pub(crate) fn environment(environment: Environment) -> Markup {
    html! { span class={ "environment " (environment.as_str()) } { (environment.as_str()) } }
}

fn frame(
    state: &ConsoleState,
    title: &str,
    bar: &Markup,
    side: Option<&Markup>,
    said: Option<&Said>,
    content: &Markup,
) -> Page {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Rialto" }
                link rel="icon" href=(assets::icon()) type="image/svg+xml";
                link rel="stylesheet" href=(assets::style());
                script src=(assets::script()) defer {}
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                (bar)
                div.below {
                    @if let Some(side) = side { (side) }
                    main #content tabindex="-1" {
                        @if let Some(said) = said {
                            (what_was_said(said))
                        }
                        (content)
                    }
                }
            }
        }
    };
    Page {
        status: StatusCode::OK,
        markup,
        cookies: said
            .map(|_| cookie::forget_said(state))
            .into_iter()
            .collect(),
    }
}

fn what_was_said(said: &Said) -> Markup {
    html! {
        div.said.bad[!said.is_good] role=(if said.is_good { "status" } else { "alert" }) {
            (said.text)
            @if let Some(undo) = &said.undo {
                " "
                form.inline method="post" action=(undo.action) {
                    @for (name, value) in &undo.fields { input type="hidden" name=(name) value=(value); }
                    button.undo type="submit" { "Undo" }
                }
            }
        }
    }
}

/// On to another page, which says what happened.
pub(crate) fn go(state: &ConsoleState, to: &str, said: &Said) -> Response {
    let cookie = cookie::set_said(state, said);
    let to = HeaderValue::try_from(to).unwrap_or(HeaderValue::from_static("/console"));
    let headers = [(header::LOCATION, to), (header::SET_COOKIE, cookie)];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// Does a verb's outcome: on to `to`, which says `good` (a text, or a [`Said`] that offers to undo it), or what was wrong.
pub(crate) fn done<T, S: Into<Said>>(
    state: &ConsoleState,
    to: &str,
    result: hub::Result<T>,
    good: impl FnOnce(T) -> S,
) -> Response {
    match result {
        Ok(value) => go(state, to, &good(value).into()),
        Err(error) => go(state, to, &Said::bad(crate::problem::sentence(&error))),
    }
}

/// A page that says what is wrong with what was sent.
pub(crate) fn refused(page: Page) -> Response {
    page.with_status(StatusCode::BAD_REQUEST).into_response()
}

/// What a list says when there is nothing in it: what it is for, and what to do.
pub(crate) fn nothing(what: &str, do_this: &Markup) -> Markup {
    html! { div.nothing { p { (what) } (do_this) } }
}

/// Text to be copied by a button, or by hand.
pub(crate) fn copyable(label: &str, text: &str) -> Markup {
    html! {
        div.copyable {
            pre tabindex="0" aria-label=(label) { (text) }
            button type="button" data-copy hidden { "Copy" }
        }
    }
}

/// A button that sends a form of its own; `question` is asked first, where something is lost.
pub(crate) fn button(action: &str, label: &str, class: &str, question: Option<&str>) -> Markup {
    html! {
        form.inline method="post" action=(action) data-ask=[question] {
            button class=(class) type="submit" { (label) }
        }
    }
}
