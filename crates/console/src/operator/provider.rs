//! Providers: companies whose products connect, and the keys that they gave to the operator so that documents need not carry
//! their secrets.

use axum::Router;
use axum::extract::Path;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hub::Page;
use hub::supplier_key::{NewSupplierKey, SupplierKey};
use maud::{Markup, html};
use model::{Provider, ProviderId, SupplierKeyId};

use crate::ConsoleState;
use crate::form::Form;
use crate::list::{self, Asked};
use crate::page::{self, copyable, done, nothing};
use crate::problem;
use crate::time;
use crate::visitor::Operator;

/// Keys of one provider that are shown: it has a few.
const KEYS_MAX: i64 = 500;

pub(super) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route(
            "/console/operator/providers",
            get(providers).post(add_provider),
        )
        .route(
            "/console/operator/providers/{providerId}",
            get(one).post(add_key),
        )
        .route(
            "/console/operator/providers/{providerId}/keys/{supplierKeyId}/delete",
            post(delete_key),
        )
}

async fn providers(of: Operator, uri: Uri) -> Response {
    let asked = Asked::of(&uri);
    let wanted = asked.text("q").to_lowercase();
    let found = list::by_id(
        &asked,
        |provider: &Provider| provider.id.0,
        |provider| provider.name.to_lowercase().contains(&wanted),
        |page| of.hub().providers(page),
    );
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let columns = [
        list::linked(
            "Name",
            |p: &Provider| format!("/console/operator/providers/{}", p.id),
            |p| p.name.clone(),
        ),
        list::text("Number", |p: &Provider| p.id.to_string()),
    ];
    if asked.is_csv() {
        return list::csv("providers", &columns, &found);
    }
    let content = html! {
        h1 { "Providers" }
        p { "Companies whose products connect. What an endpoint states as its provider's name must be one of these." }
        (asked.search(&[("q", "Name")]))
        @if !found.rows.is_empty() {
            (list::table(&asked, "Providers", &columns, &found))
        } @else {
            (nothing("No provider is called so.", &html! { a href="?" { "Show all" } }))
        }
        section.narrow-left {
            h2 { "Make one known" }
            form.stack method="post" {
                label { "Name" input type="text" name="name" required autocomplete="off"; }
                button.main type="submit" { "Add it" }
            }
        }
    };
    page::for_operator(&of, "/providers", "Providers", &content).into_response()
}

async fn add_provider(of: Operator, form: Form) -> Response {
    let result = of
        .hub()
        .provider_create(&of.actor(), form.text("name"))
        .await;
    done(
        of.state(),
        "/console/operator/providers",
        result,
        |provider| format!("{} is known.", provider.name),
    )
}

async fn one(of: Operator, Path(id): Path<ProviderId>) -> Response {
    let page = Page {
        after: 0,
        limit: KEYS_MAX,
    };
    let found = async {
        let before = Page {
            after: id.0 - 1,
            limit: 1,
        };
        let found = of.hub().providers(before).await?;
        let provider = found.into_iter().find(|provider| provider.id == id);
        let provider = provider.ok_or_else(|| hub::Error::not_found("provider", id))?;
        Ok((provider, of.hub().supplier_keys(id, page).await?))
    };
    let (provider, keys) = match found.await {
        Ok(found) => found,
        Err(error) => return problem::of(of.state(), &error),
    };
    let content = html! {
        h1 { (provider.name) }
        h2 { "Supplier keys" }
        p { "A client id and secret that the provider gave you. Its documents name the key (" code { "OAuthRefreshTokenOnly" } ") and need not carry the secret." }
        @if keys.is_empty() { (nothing("It has given none.", &html! {})) } @else { (table(id, &keys)) }
        section.narrow-left {
            h2 { "Add one" }
            form.stack method="post" {
                label { "Token server" input type="url" name="authUrl" required autocomplete="off" placeholder="https://"; small { "the key is for this host alone" } }
                label { "Client id" input type="text" name="clientId" required autocomplete="off"; }
                label { "Client secret" input type="password" name="clientSecret" required autocomplete="off"; }
                button.main type="submit" { "Add it" }
            }
        }
    };
    page::for_operator(&of, "/providers", &provider.name, &content).into_response()
}

fn table(provider: ProviderId, keys: &[SupplierKey]) -> Markup {
    let question = "Forget this key and its secret? What names it cannot sign in any more.";
    html! {
        div.scroll tabindex="0" role="region" aria-label="Supplier keys" { table {
            thead { tr { th scope="col" { "Key" } th scope="col" { "Token server" } th scope="col" { "Client id" } th scope="col" { "Since" } th scope="col" { span.visually-hidden { "Actions" } } } }
            tbody { @for key in keys { tr {
                td { code { (key.name) } }
                td { (key.auth_url) }
                td { (key.client_id) }
                td { (time::at(key.created_at)) }
                td.actions { (page::button(&format!("/console/operator/providers/{provider}/keys/{}/delete", key.id), "Forget", "quiet danger", Some(question))) }
            } } }
        } }
    }
}

async fn add_key(of: Operator, Path(id): Path<ProviderId>, form: Form) -> Response {
    let new = NewSupplierKey {
        auth_url: form.text("authUrl").to_owned(),
        client_id: form.text("clientId").to_owned(),
        client_secret: form.secret("clientSecret"),
    };
    let back = format!("/console/operator/providers/{id}");
    match of.hub().supplier_key_create(&of.actor(), id, new).await {
        Ok(key) => {
            let content = html! {
                h1 { "The key is there" }
                p { "The provider's documents name it so:" }
                (copyable("The supplier key", &key.name))
                p { a.button href=(back) { "To the provider" } }
            };
            page::for_operator(&of, "/providers", "A supplier key", &content).into_response()
        }
        Err(error) => done::<(), String>(of.state(), &back, Err(error), |()| String::new()),
    }
}

async fn delete_key(
    of: Operator,
    Path((provider, id)): Path<(ProviderId, SupplierKeyId)>,
) -> Response {
    let result = of
        .hub()
        .supplier_key_delete(&of.actor(), provider, id)
        .await;
    let back = format!("/console/operator/providers/{provider}");
    done(of.state(), &back, result, |()| {
        "The key is forgotten.".to_owned()
    })
}
