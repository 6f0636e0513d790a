//! Partners: requests, and each on its way to production: taken in, reviewed, certified or declined with a reason. Bringing it to
//! production is [`super::promotion`].

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::partner::{MARK, NewCertificate, Partner, StepTaken};
use hub::{Page, Scope};
use maud::{Markup, html};
use model::partner::Stage;
use model::partner::checklist::{Item, State};
use model::{PartnerId, Role};

use crate::ConsoleState;
use crate::document;
use crate::form::Form;
use crate::list::{self, Asked, Column};
use crate::live;
use crate::page::{self, done, nothing};
use crate::partner::{fields, read};
use crate::problem;
use crate::review;
use crate::time;
use crate::visitor::Operator;

const ALL: &str = "/console/operator/partners";

pub(super) fn routes() -> Router<ConsoleState> {
    let one = format!("{ALL}/{{partnerId}}");
    Router::new()
        .route(ALL, get(partners))
        .route(&format!("{ALL}/new"), get(new).post(request))
        .route(&one, get(show))
        .route(&format!("{one}/checklist"), get(follow))
        .route(&format!("{one}/nominate"), post(nominate))
        .route(&format!("{one}/contact"), post(invite_contact))
        .route(&format!("{one}/review"), post(begin_review))
        .route(&format!("{one}/certify"), post(certify))
        .route(&format!("{one}/decline"), post(decline))
}

/// A partner's page, or one below it.
pub(super) fn path(id: PartnerId, rest: &str) -> String {
    format!("{ALL}/{id}{rest}")
}

fn word(stage: Stage) -> (&'static str, &'static str) {
    match stage {
        Stage::Requested => ("requested", "retrying"),
        Stage::Nominated => ("taken in", "pending"),
        Stage::InReview => ("in review", "retrying"),
        Stage::Certified => ("certified", "active"),
        Stage::Promoted => ("in production", "active"),
        Stage::Declined => ("declined", "disabled"),
    }
}

fn status(stage: Stage) -> Markup {
    let (word, class) = word(stage);
    html! { span class={ "status " (class) } { (word) } }
}

async fn partners(of: Operator, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let stage = Stage::parse(asked.text("stage"));
    let wanted = asked.text("q").to_lowercase();
    let found = list::by_id(
        &asked,
        |partner: &Partner| partner.id.0,
        |partner| {
            let request = &partner.request;
            let texts = [&request.company, &request.product, &request.contact];
            texts
                .iter()
                .any(|text| text.to_lowercase().contains(&wanted))
        },
        |page| of.hub().partners(stage, page),
    );
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let columns = columns();
    if asked.is_csv() {
        return list::csv("partners", &columns, &found);
    }
    let stages = Stage::ALL.map(|stage| (word(stage).0, stage.as_str()));
    let stages: Vec<_> = [("all", "")].into_iter().chain(stages).collect();
    let new = html! { a.button.main href={ (ALL) "/new" } { "Write down a request" } };
    let content = html! {
        div.title { h1 { "Partners" } @if !found.rows.is_empty() || asked.is_filtered() { (new) } }
        (asked.tabs("Stage", "stage", &stages))
        (asked.search(&[("q", "Company, product or e-mail")]))
        @if !found.rows.is_empty() {
            (list::table(&asked, "Partners", &columns, &found))
        } @else if asked.is_filtered() {
            (nothing("There is no such partner.", &html! { a href=(ALL) { "Show all" } }))
        } @else {
            (nothing("No company has asked to connect a product.", &html! { p { "Whoever is signed in can ask. You can also write down what a company asked by other ways." } (new) }))
        }
    };
    page::for_operator(&of, "/partners", "Partners", &content).into_response()
}

fn columns() -> Vec<Column<'static, Partner>> {
    vec![
        list::linked(
            "Product",
            |p: &Partner| path(p.id, ""),
            |p| p.request.product.clone(),
        ),
        list::text("Company", |p: &Partner| p.request.company.clone()),
        list::text("Contact", |p: &Partner| p.request.contact.clone()),
        list::column(
            "Stage",
            |p: &Partner| status(p.stage),
            |p| p.stage.as_str().to_owned(),
        ),
        list::instant("Asked", |p: &Partner| Some(p.created_at)),
        list::instant("Changed", |p: &Partner| Some(p.updated_at)),
    ]
}

async fn new(of: Operator) -> Response {
    requesting(&of, None, None).into_response()
}

fn requesting(of: &Operator, sent: Option<&Form>, wrong: Option<&str>) -> page::Page {
    let contact = sent.map_or("", |form| form.text("contact"));
    let content = html! {
        section.narrow-left {
            h1 { "Write down a request" }
            @if let Some(wrong) = wrong { p.said.bad role="alert" { (wrong) } }
            form.stack method="post" action={ (ALL) "/new" } {
                (fields(sent))
                label { "Contact" input type="email" name="contact" value=(contact) required autocomplete="off"; small { "everything is written to this address, keys among it" } }
                div.actions { button.main type="submit" { "Write it down" } a.button href=(ALL) { "Back" } }
            }
        }
    };
    page::for_operator(of, "/partners", "A request", &content)
}

async fn request(of: Operator, form: Form) -> Response {
    let request = read(&form, form.text("contact"));
    match of.hub().partner_request(&of.actor(), request).await {
        Ok(partner) => {
            let to = path(partner.id, "");
            done(of.state(), &to, Ok(()), |()| {
                "It is written down.".to_owned()
            })
        }
        Err(error @ hub::Error::Invalid(_)) => {
            let wrong = problem::sentence(&error);
            let page = requesting(&of, Some(&form), Some(&wrong));
            page.with_status(StatusCode::BAD_REQUEST).into_response()
        }
        Err(error) => problem::of(of.state(), &error),
    }
}

/// What the page of one is made of.
struct Seen {
    partner: Partner,
    /// None before there is a pilot account.
    items: Option<Vec<Item>>,
    history: Vec<StepTaken>,
    /// Somebody is in the pilot account.
    has_people: bool,
}

async fn look(of: &Operator, id: PartnerId) -> hub::Result<Seen> {
    let hub = of.hub();
    let partner = hub.partner(id).await?;
    let items = match partner.pilot {
        Some(_) => Some(hub.partner_checklist(id).await?),
        None => None,
    };
    let one = Page { after: 0, limit: 1 };
    let has_people = match partner.pilot {
        Some(pilot) => !hub.members(Scope(pilot), one).await?.is_empty(),
        None => false,
    };
    Ok(Seen {
        items,
        history: hub.partner_history(id).await?,
        partner,
        has_people,
    })
}

async fn show(of: Operator, Path(id): Path<PartnerId>) -> Response {
    let seen = match look(&of, id).await {
        Ok(seen) => seen,
        Err(error) => return problem::of(of.state(), &error),
    };
    let partner = &seen.partner;
    let request = &partner.request;
    let forms: Vec<&str> = request.forms.iter().map(|form| form.as_str()).collect();
    let content = html! {
        div.title { h1 { (request.product) " of " (request.company) } (status(partner.stage)) }
        (review::stages(partner))
        (next(&seen))
        dl.properties {
            dt { "Exchanges" } dd { (request.exchanges) }
            dt { "Publishes" } dd { (if forms.is_empty() { "nothing, it only receives".to_owned() } else { forms.join(", ") }) }
            dt { "Contact" } dd { (request.contact) }
            dt { "Asked" } dd { (time::at(partner.created_at)) }
            @if let Some(pilot) = partner.pilot { dt { "Pilot" } dd { a href={ "/console/" (pilot) } { "account " (pilot) } } }
            @if let Some(production) = partner.production { dt { "Production" } dd { a href={ "/console/" (production) } { "account " (production) } } }
        }
        @if let Some(certificate) = &partner.certificate { (review::certificate(certificate)) }
        @if let Some(items) = &seen.items {
            h2 { "Checklist" }
            div data-live=(path(id, "/checklist")) { (review::checklist(items)) }
        }
        (history(&seen.history))
        @if partner.stage != Stage::Promoted && partner.stage != Stage::Declined { (declining(id)) }
    };
    page::for_operator(&of, "/partners", &request.product, &content).into_response()
}

/// What an operator may do now.
fn next(seen: &Seen) -> Markup {
    let partner = &seen.partner;
    let to = |rest: &str| path(partner.id, rest);
    let promotion =
        html! { a.button.main href=(to("/promotion")) { "See what goes to production" } };
    html! {
        section.panel aria-label="What is next" {
            @match partner.stage {
                Stage::Requested => {
                    p { "Taking it in makes the company a provider, opens a pilot account, and writes two mails to the contact." }
                    (page::button(&to("/nominate"), "Take it in", "main", None))
                }
                Stage::Nominated => {
                    p { "The company does in pilot what the checklist asks for, and asks for the review. You can begin it for them." }
                    (page::button(&to("/review"), "Begin the review", "", None))
                }
                Stage::InReview => (certifying(seen)),
                Stage::Certified => { p { "It can go to production, as it was certified. You see what that means before it is done." } (promotion) }
                Stage::Promoted => { p { "What the company changes in pilot goes to production when you have looked at the difference." } (promotion) }
                Stage::Declined => p { "Nothing more can be done. A new request begins anew." },
            }
            @if partner.pilot.is_some() && !seen.has_people && partner.stage != Stage::Declined {
                p { "Nobody is in its pilot account yet, so nobody there can use these pages." }
                (page::button(&to("/contact"), &format!("Invite {} as its admin", partner.request.contact), "", None))
            }
        }
    }
}

/// The form with which a review ends well.
fn certifying(seen: &Seen) -> Markup {
    let items = seen.items.iter().flatten();
    let open: Vec<&Item> = items.filter(|item| item.state == State::Open).collect();
    html! {
        form.stack method="post" action=(path(seen.partner.id, "/certify")) {
            h2 { "Certify it" }
            @if !open.is_empty() {
                fieldset.choices { legend { "Open on the checklist: not asked for" }
                    @for item in &open {
                        label.choice { input type="checkbox" name="waive" value=(item.id); span { (item.title) } }
                    }
                }
            }
            label { "Mark" input type="text" name="mark" value=(MARK) maxlength="256" autocomplete="off"; }
            label { "Version of the product" input type="text" name="version" required maxlength="256" autocomplete="off"; }
            label { "Licence agreement that was signed" input type="text" name="licence" required maxlength="256" autocomplete="off"; }
            label { "Its version" input type="text" name="licenceVersion" required maxlength="256" autocomplete="off"; }
            button.main type="submit" { "Certify it" }
        }
    }
}

fn history(history: &[StepTaken]) -> Markup {
    html! {
        h2 { "What was done" }
        div.scroll tabindex="0" role="region" aria-label="What was done" { table {
            thead { tr { th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "Step" } th scope="col" { "In full" } } }
            tbody { @for step in history.iter().rev() { tr {
                td { (time::at(step.created_at)) }
                td { (step.actor) }
                td { (step.step) }
                td { @if step.detail.as_object().is_some_and(|detail| !detail.is_empty()) { details { summary { "Show" } pre { (document::pretty(&step.detail)) } } } }
            } } }
        } }
    }
}

fn declining(id: PartnerId) -> Markup {
    let question =
        "Decline it? The keys of its pilot account end, and the company is told the reason.";
    html! {
        section.narrow-left {
            h2 { "Decline it" }
            form.stack method="post" action=(path(id, "/decline")) data-ask=(question) {
                label { "Reason" textarea name="reason" rows="3" required maxlength="4000" {} small { "the company is told" } }
                button.danger type="submit" { "Decline it" }
            }
        }
    }
}

/// The checklist alone, for who looks on.
async fn follow(of: Operator, Path(id): Path<PartnerId>) -> Response {
    match of.hub().partner_checklist(id).await {
        Ok(items) => live::part(review::checklist(&items)),
        Err(error) => problem::of(of.state(), &error),
    }
}

async fn nominate(of: Operator, Path(id): Path<PartnerId>) -> Response {
    let result = of.hub().partner_nominate(&of.actor(), id).await;
    done(of.state(), &path(id, ""), result, |partner| {
        format!(
            "{} is taken in; two mails are on their way to {}.",
            partner.request.company, partner.request.contact
        )
    })
}

/// So that the company can use the pages of its pilot account.
async fn invite_contact(of: Operator, Path(id): Path<PartnerId>) -> Response {
    let invited = async {
        let partner = of.hub().partner(id).await?;
        let pilot = partner.pilot.ok_or_else(|| {
            hub::Error::Conflict(format!("partner {id} has no pilot account yet"))
        })?;
        let (actor, contact) = (of.actor(), partner.request.contact.as_str());
        let added = of
            .hub()
            .member_add(&actor, Scope(pilot), (contact, None), Role::Admin);
        added.await
    };
    match invited.await {
        Ok((member, Some(ticket))) => {
            let to = path(id, "");
            let content = crate::invitation::invited(
                of.visitor(),
                &member.user.email,
                &ticket,
                (&to, "To the partner"),
            );
            page::for_operator(&of, "/partners", "Invited", &content).into_response()
        }
        other => done(of.state(), &path(id, ""), other, |(member, _)| {
            format!("{} is admin of the pilot account.", member.user.email)
        }),
    }
}

async fn begin_review(of: Operator, Path(id): Path<PartnerId>) -> Response {
    let result = of.hub().partner_review(&of.actor(), id).await;
    done(of.state(), &path(id, ""), result, |_| {
        "The review has begun.".to_owned()
    })
}

async fn certify(of: Operator, Path(id): Path<PartnerId>, form: Form) -> Response {
    let text = |name: &str| form.text(name).to_owned();
    let new = NewCertificate {
        mark: Some(text("mark")).filter(|mark| !mark.is_empty()),
        version: text("version"),
        licence: text("licence"),
        licence_version: text("licenceVersion"),
        waive: form.all("waive").map(str::to_owned).collect(),
    };
    let stated = [&new.version, &new.licence, &new.licence_version];
    if stated.iter().any(|text| text.is_empty()) {
        let why = "A certificate says the version of the product, the licence and its version.";
        return done::<(), String>(
            of.state(),
            &path(id, ""),
            Err(hub::Error::Conflict(why.to_owned())),
            |()| String::new(),
        );
    }
    let result = of.hub().partner_certify(&of.actor(), id, new).await;
    done(of.state(), &path(id, ""), result, |partner| {
        format!("{} is certified.", partner.request.product)
    })
}

async fn decline(of: Operator, Path(id): Path<PartnerId>, form: Form) -> Response {
    let reason = form.text("reason");
    if reason.is_empty() {
        return problem::invalid(of.state(), "The company is told a reason: write one.");
    }
    let result = of.hub().partner_decline(&of.actor(), id, reason).await;
    done(of.state(), &path(id, ""), result, |partner| {
        format!("{} is told the reason.", partner.request.contact)
    })
}
