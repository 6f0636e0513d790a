//! People of an account: who is in it with which role; taking somebody in, another role, out.

use axum::Router;
use axum::extract::Path;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::Member;
use maud::{Markup, html};
use model::{AccountId, Role, UserId};

use crate::ConsoleState;
use crate::cookie::Said;
use crate::form::Form;
use crate::invitation::invited;
use crate::list::{self, Asked, Column};
use crate::page::{self, Place, done, nothing};
use crate::problem;
use crate::visitor::{Admin, In, Viewer};

pub(crate) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/console/{accountId}/people", get(list).post(add))
        .route("/console/{accountId}/people/{userId}/role", post(change))
        .route("/console/{accountId}/people/{userId}/remove", post(remove))
}

type Of = Path<(AccountId, UserId)>;

async fn list(of: In<Viewer>, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let found = list::by_id(
        &asked,
        |member: &Member| member.user.id.0,
        |_| true,
        |page| of.hub().members(of.scope(), page),
    );
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let columns = columns(&of);
    if asked.is_csv() {
        return list::csv("people", &columns, &found);
    }
    let content = html! {
        h1 { "People" }
        @if found.rows.is_empty() {
            (nothing("Nobody is in this account yet.", &html! { p { "Operators see it all the same. Take in whoever works with it." } }))
        } @else {
            (list::table(&asked, "People", &columns, &found))
        }
        @if of.may(Role::Admin) { (invite(&of)) }
        h2 { "What the roles may do" }
        dl.properties {
            dt { "viewer" } dd { "sees everything in the account, events among it" }
            dt { "member" } dd { "also changes what flows: endpoints, subscriptions, audiences, sending again" }
            dt { "admin" } dd { "also decides who may: keys, people, the account's policy, privacy requests" }
            dt { "partner" } dd { "builds a product: sees the account's applications, and nothing that customers send" }
        }
    };
    page::inside(&of, Place::People, "People", &content).into_response()
}

fn columns<'a>(of: &'a In<Viewer>) -> Vec<Column<'a, Member>> {
    vec![
        list::text("Name", |m: &Member| m.user.name.clone()),
        list::text("E-mail", |m: &Member| m.user.email.to_string()),
        list::text("State", |m: &Member| m.user.status.as_str().to_owned()),
        list::column(
            "Role",
            |m: &Member| role(of, m),
            |m| m.role.as_str().to_owned(),
        ),
        list::instant("Since", |m: &Member| Some(m.since)),
    ]
}

/// The role, for admins with what changes it.
fn role(of: &In<Viewer>, member: &Member) -> Markup {
    let path = |verb: &str| of.path(&format!("/people/{}/{verb}", member.user.id));
    html! {
        @if of.may(Role::Admin) {
            form.inline.actions method="post" action=(path("role")) {
                label { span.visually-hidden { "Role of " (member.user.name) } (roles(Some(member.role))) }
                button.quiet type="submit" { "Change" }
            }
            (page::button(&path("remove"), "Remove", "quiet danger", Some("Take this person out of the account?")))
        } @else { (member.role.as_str()) }
    }
}

/// A choice of a role.
fn roles(chosen: Option<Role>) -> Markup {
    let all = [Role::Viewer, Role::Member, Role::Admin, Role::Partner];
    html! {
        select name="role" {
            @for role in all { option value=(role.as_str()) selected[chosen == Some(role)] { (role.as_str()) } }
        }
    }
}

fn invite(of: &In<Viewer>) -> Markup {
    html! {
        section.narrow-left {
            h2 { "Take somebody in" }
            form.stack method="post" action=(of.path("/people")) {
                label { "E-mail" input type="email" name="email" required autocomplete="off"; }
                label { "Role" (roles(None)) }
                button.main type="submit" { "Invite" }
            }
        }
    }
}

async fn add(of: In<Admin>, form: Form) -> Response {
    let Some(role) = Role::parse(form.text("role")) else {
        return problem::invalid(of.state(), &format!("The role is one of {}.", Role::WORDS));
    };
    let actor = of.actor();
    let added = of
        .hub()
        .member_add(&actor, of.scope(), (form.text("email"), None), role);
    let to = of.path("/people");
    match added.await {
        Ok((member, Some(ticket))) => {
            let content = invited(
                &of.visitor,
                &member.user.email,
                &ticket,
                (&to, "To the people"),
            );
            page::inside(&of, Place::People, "Invited", &content).into_response()
        }
        other => done(of.state(), &to, other, |(member, _)| {
            format!("{} is in, as {}.", member.user.email, member.role.as_str())
        }),
    }
}

async fn change(of: In<Admin>, Path((_, id)): Of, form: Form) -> Response {
    let Some(role) = Role::parse(form.text("role")) else {
        return problem::invalid(of.state(), &format!("The role is one of {}.", Role::WORDS));
    };
    let before = of.hub().member(of.scope(), id).await;
    let result = of
        .hub()
        .member_change(&of.actor(), of.scope(), id, role)
        .await;
    done(of.state(), &of.path("/people"), result, |member| {
        let (name, role) = (&member.user.name, member.role.as_str());
        let said = Said::good(format!("{name} is {role} from now on."));
        let undo = of.path(&format!("/people/{id}/role"));
        match before {
            Ok(before) => said.undo(&undo, &[("role", before.role.as_str())]),
            Err(_) => said,
        }
    })
}

async fn remove(of: In<Admin>, Path((_, id)): Of) -> Response {
    let result = of.hub().member_remove(&of.actor(), of.scope(), id).await;
    done(of.state(), &of.path("/people"), result, |()| {
        "They are out, with their next click.".to_owned()
    })
}
