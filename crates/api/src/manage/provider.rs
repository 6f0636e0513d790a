//! `/manage/v1/providers`: companies whose products connect.

use axum::Json;
use axum::extract::State;
use model::Provider;
use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use super::input::{Body, Fields, FromBody};
use super::page::{List, Params, paged};
use crate::ApiState;
use crate::caller::{Caller, Operator, User};
use crate::door::{About, Door};

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct NewProvider {
    /// What endpoints state as `providerName`.
    name: String,
}

impl FromBody for NewProvider {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let name = fields.required_text("name")?;
        Some(Self { name })
    }
}

#[derive(Serialize, JsonSchema)]
struct ProviderView {
    id: i64,
    name: String,
}

fn view(provider: Provider) -> ProviderView {
    ProviderView {
        id: provider.id.0,
        name: provider.name,
    }
}

pub(super) fn routes(door: &mut Door) {
    let about = About::new("Let a provider in");
    door.post(
        "/manage/v1/providers",
        create,
        about.body::<NewProvider>().answers::<ProviderView>(),
    );
    let about = paged(About::new("Providers"));
    door.get(
        "/manage/v1/providers",
        list,
        about.answers::<List<ProviderView>>(),
    );
}

async fn create(
    caller: Caller<Operator>,
    State(state): State<ApiState>,
    Body(new): Body<NewProvider>,
) -> Answer<ProviderView> {
    let provider = state
        .hub
        .provider_create(&caller.actor(), &new.name)
        .await?;
    Ok(Json(view(provider)))
}

async fn list(
    _caller: Caller<User>,
    State(state): State<ApiState>,
    mut params: Params,
) -> Answer<List<ProviderView>> {
    let paging = params.paging();
    params.finish()?;
    let providers = state.hub.providers(paging.page()).await?;
    Ok(Json(paging.list(providers, |p| p.id.0, view)))
}
