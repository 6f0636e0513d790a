//! People of the exchange: found by e-mail; one with their roles, invited anew, disabled, let be an operator, put out of all
//! sessions, removed.

use axum::Router;
use axum::extract::Path;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::user::{NewUser, UserChange};
use maud::{Markup, html};
use model::{User, UserId, UserStatus};

use crate::ConsoleState;
use crate::form::Form;
use crate::invitation::invited;
use crate::list::{self, Asked};
use crate::page::{self, done, nothing};
use crate::problem;
use crate::time;
use crate::visitor::Operator;

pub(super) fn routes() -> Router<ConsoleState> {
    let one = "/console/operator/people/{userId}";
    Router::new()
        .route("/console/operator/people", get(people).post(invite))
        .route(one, get(show))
        .route(&format!("{one}/change"), post(change))
        .route(&format!("{one}/invite"), post(invite_again))
        .route(&format!("{one}/revoke"), post(revoke))
        .route(&format!("{one}/remove"), post(remove))
}

fn path(id: UserId, rest: &str) -> String {
    format!("/console/operator/people/{id}{rest}")
}

async fn people(of: Operator, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let email = Some(asked.text("email")).filter(|email| !email.is_empty());
    let found = list::by_id(
        &asked,
        |user: &User| user.id.0,
        |_| true,
        |page| of.hub().users(email, page),
    );
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let columns = [
        list::linked("Name", |u: &User| path(u.id, ""), |u| u.name.clone()),
        list::text("E-mail", |u: &User| u.email.to_string()),
        list::text("State", |u: &User| u.status.as_str().to_owned()),
        list::text("Operator", |u: &User| {
            if u.is_operator { "yes" } else { "" }.to_owned()
        }),
        list::instant("Last here", |u: &User| u.last_sign_in_at),
    ];
    if asked.is_csv() {
        return list::csv("people", &columns, &found);
    }
    let content = html! {
        h1 { "People" }
        (asked.search(&[("email", "E-mail")]))
        @if found.rows.is_empty() {
            (nothing("Nobody has this e-mail.", &html! { a href="?" { "Show all" } }))
        } @else {
            (list::table(&asked, "People", &columns, &found))
        }
        section.narrow-left {
            h2 { "Invite an operator" }
            p { "An operator may do everything everywhere. Others are invited by the accounts that they work for." }
            form.stack method="post" {
                label { "E-mail" input type="email" name="email" required autocomplete="off"; }
                button.main type="submit" { "Invite" }
            }
        }
    };
    page::for_operator(&of, "/people", "People", &content).into_response()
}

async fn invite(of: Operator, form: Form) -> Response {
    let new = NewUser {
        email: form.text("email").to_owned(),
        name: None,
        is_operator: true,
        roles: Vec::new(),
    };
    match of.hub().user_invite(&of.actor(), &new).await {
        Ok((user, ticket)) => {
            let back = ("/console/operator/people", "To the people");
            let content = invited(of.visitor(), &user.email, &ticket, back);
            page::for_operator(&of, "/people", "Invited", &content).into_response()
        }
        Err(error) => {
            done::<(), String>(of.state(), "/console/operator/people", Err(error), |()| {
                String::new()
            })
        }
    }
}

async fn show(of: Operator, Path(id): Path<UserId>) -> Response {
    let (user, roles) = match of.hub().user(id).await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let is_oneself = of.visitor().bearer.user.id == id;
    let content = html! {
        div.title { h1 { (user.name) } span class={ "status " (class(user.status)) } { (user.status.as_str()) } @if !is_oneself { (actions(&user)) } }
        dl.properties {
            dt { "E-mail" } dd { (user.email) }
            dt { "Operator" } dd { (if user.is_operator { "yes: may do everything everywhere" } else { "no" }) }
            dt { "Since" } dd { (time::at(user.created_at)) }
            dt { "Last here" } dd { @if let Some(at) = user.last_sign_in_at { (time::at(at)) } @else { "never" } }
        }
        h2 { "Roles" }
        @if roles.is_empty() { p { "None in any account." } } @else {
            ul { @for (account, role) in &roles { li {
                a href={ "/console/" (account) "/people" } { (of.hub().registry().account(*account).map_or_else(|| format!("account {account}"), |a| a.name.clone())) }
                ": " (role.as_str())
            } } }
        }
        p { a href={ "/console/operator/audit?actor=user+" (id) } { "What they changed" } }
    };
    page::for_operator(&of, "/people", &user.name, &content).into_response()
}

fn class(status: UserStatus) -> &'static str {
    match status {
        UserStatus::Active => "active",
        UserStatus::Invited => "pending",
        UserStatus::Disabled => "disabled",
    }
}

fn actions(user: &User) -> Markup {
    let to = |rest: &str| path(user.id, rest);
    let change = |name: &str, value: bool, label: &str, question: Option<&str>| {
        html! {
            form.inline method="post" action=(to("/change")) data-ask=[question] {
                input type="hidden" name=(name) value=(value);
                button type="submit" { (label) }
            }
        }
    };
    html! {
        div.actions {
            @if user.status == UserStatus::Invited { (page::button(&to("/invite"), "Invite anew", "main", None)) }
            @if user.status == UserStatus::Disabled { (change("disabled", false, "Enable", None)) }
            @else { (change("disabled", true, "Disable", Some("Disable this person? Their sessions end at once."))) }
            @if user.is_operator { (change("operator", false, "No operator any more", Some("Take away the right to do everything?"))) }
            @else { (change("operator", true, "Make an operator", Some("An operator may do everything everywhere. Go on?"))) }
            (page::button(&to("/revoke"), "End all sessions and tokens", "", Some("End all their sessions and tokens?")))
            (page::button(&to("/remove"), "Remove", "danger", Some("Remove this person with all roles? What they did stays in the audit trail.")))
        }
    }
}

async fn change(of: Operator, Path(id): Path<UserId>, form: Form) -> Response {
    let flag = |name: &str| form.text(name).parse::<bool>().ok();
    let change = UserChange {
        name: None,
        is_operator: flag("operator"),
        is_disabled: flag("disabled"),
    };
    if of.visitor().bearer.user.id == id {
        let why = "Nobody takes away their own rights: ask another operator.";
        return problem::invalid(of.state(), why);
    }
    let result = of.hub().user_change(&of.actor(), id, &change).await;
    done(of.state(), &path(id, ""), result, |user| {
        format!("{} is changed.", user.name)
    })
}

async fn invite_again(of: Operator, Path(id): Path<UserId>) -> Response {
    match of.hub().user_invite_again(&of.actor(), id).await {
        Ok((user, ticket)) => {
            let to = path(id, "");
            let content = invited(of.visitor(), &user.email, &ticket, (&to, "To the person"));
            page::for_operator(&of, "/people", "Invited", &content).into_response()
        }
        Err(error) => done::<(), String>(of.state(), &path(id, ""), Err(error), |()| String::new()),
    }
}

async fn revoke(of: Operator, Path(id): Path<UserId>) -> Response {
    let result = of.hub().user_revoke(&of.actor(), id).await;
    done(of.state(), &path(id, ""), result, |()| {
        "All their sessions and tokens have ended.".to_owned()
    })
}

async fn remove(of: Operator, Path(id): Path<UserId>) -> Response {
    if of.visitor().bearer.user.id == id {
        let why = "Nobody removes themselves: ask another operator.";
        return problem::invalid(of.state(), why);
    }
    let result = of.hub().user_remove(&of.actor(), id).await;
    done(of.state(), "/console/operator/people", result, |()| {
        "They are removed.".to_owned()
    })
}
