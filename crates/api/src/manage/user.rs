//! `/manage/v1/users`: people, for operators; and `/manage/v1/me`, who one is.

use axum::Json;
use axum::extract::State;
use hub::Via;
use hub::user::{NewUser, UserChange};
use jiff::Timestamp;
use model::{AccountId, Role, Secret, User, UserId};
use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use super::input::{Body, Fields, FromBody, Id};
use super::page::{List, Params, paged};
use crate::ApiState;
use crate::caller::{self, Caller, Operator};
use crate::door::{About, Door};

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "the shape of `NewUser` for the OpenAPI document")]
struct Invitation {
    email: String,
    /// The e-mail, if not given.
    name: Option<String>,
    /// May do everything everywhere.
    operator: Option<bool>,
    /// An account to belong to from the start, with a role.
    account_id: Option<i64>,
    /// `admin`, `member`, `viewer` or `partner`.
    role: Option<String>,
}

impl FromBody for NewUser {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let email = fields.required_text("email");
        let name = fields.text("name");
        let is_operator = fields.flag("operator");
        let role = fields.word("role", Role::WORDS, Role::parse);
        let account = match role {
            Some(_) => fields.required_id("accountId", AccountId),
            None => fields.id("accountId", AccountId),
        };
        if account.is_some() && !fields.is_given("role") {
            fields.refuse(
                "role",
                "required",
                format!("`role` is required: send {}", Role::WORDS),
            );
        }
        Some(Self {
            email: email?,
            name,
            is_operator: is_operator.unwrap_or(false),
            roles: account.zip(role).into_iter().collect(),
        })
    }
}

/// What is not named stays as it is.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "the shape of `UserChange` for the OpenAPI document"
)]
struct Change {
    name: Option<String>,
    operator: Option<bool>,
    /// Out at once, until set to false.
    disabled: Option<bool>,
}

impl FromBody for UserChange {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        Some(Self {
            name: fields.text("name"),
            is_operator: fields.flag("operator"),
            is_disabled: fields.flag("disabled"),
        })
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserView {
    id: i64,
    email: String,
    name: String,
    /// May do everything everywhere.
    operator: bool,
    /// `invited`, `active` or `disabled`.
    status: &'static str,
    #[schemars(with = "String")]
    created_at: Timestamp,
    #[schemars(with = "Option<String>")]
    last_sign_in_at: Option<Timestamp>,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id.0,
            email: user.email.to_string(),
            name: user.name,
            operator: user.is_operator,
            status: user.status.as_str(),
            created_at: user.created_at,
            last_sign_in_at: user.last_sign_in_at,
        }
    }
}

#[derive(Serialize, JsonSchema)]
struct Invited {
    #[serde(flatten)]
    user: UserView,
    /// The ticket that was mailed, shown this once.
    invitation: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoleView {
    account_id: i64,
    /// `admin`, `member`, `viewer` or `partner`.
    role: &'static str,
}

fn roles(roles: Vec<(AccountId, Role)>) -> Vec<RoleView> {
    let view = |(id, role): (AccountId, Role)| RoleView {
        account_id: id.0,
        role: role.as_str(),
    };
    roles.into_iter().map(view).collect()
}

#[derive(Serialize, JsonSchema)]
struct WithRoles {
    #[serde(flatten)]
    user: UserView,
    accounts: Vec<RoleView>,
}

#[derive(Serialize, JsonSchema)]
struct Me {
    /// Null for the operator token, which is no person.
    user: Option<UserView>,
    /// `operator token`, `session` or `token`.
    via: &'static str,
    /// What a token is limited to.
    scopes: Option<Vec<String>>,
    /// Where one may do what; null: everything everywhere.
    accounts: Option<Vec<RoleView>>,
}

const USER: &str = "/manage/v1/users/{userId}";

pub(super) fn routes(door: &mut Door) {
    let about = About::new("Who one is, and what one may do");
    door.get("/manage/v1/me", me, about.answers::<Me>());
    let about = About::new("Invite somebody, by mail; the ticket is answered this once");
    door.post(
        "/manage/v1/users",
        invite,
        about.body::<Invitation>().answers::<Invited>(),
    );
    let about = paged(About::new("Users")).query("email", "only the one with this address");
    door.get("/manage/v1/users", list, about.answers::<List<UserView>>());
    let about = About::new("A user and their roles");
    door.get(USER, get, about.answers::<WithRoles>());
    let about = About::new("Rename, make an operator, disable or enable; what is not named stays");
    door.patch(USER, change, about.body::<Change>().answers::<UserView>());
    let about = About::new("Remove a user, with roles, sessions and tokens");
    door.delete(USER, remove, about.answers::<bool>());
    let about = About::new("Invite somebody again who has not accepted; the ticket before ends");
    door.post(
        "/manage/v1/users/{userId}/invitation",
        invite_again,
        about.answers::<Invited>(),
    );
    let about = About::new("End all sessions and tokens of a user");
    door.post(
        "/manage/v1/users/{userId}/revoke",
        revoke,
        about.answers::<bool>(),
    );
}

fn invited((user, ticket): (User, Secret)) -> Json<Invited> {
    Json(Invited {
        user: user.into(),
        invitation: ticket.expose().to_owned(),
    })
}

async fn me(caller: Caller<caller::User>) -> Answer<Me> {
    let Some(bearer) = caller.user() else {
        return Ok(Json(Me {
            user: None,
            via: "operator token",
            scopes: None,
            accounts: None,
        }));
    };
    Ok(Json(Me {
        user: Some(bearer.user.clone().into()),
        via: match bearer.via {
            Via::Session(_) => "session",
            Via::Token { .. } => "token",
        },
        scopes: bearer.scopes().map(model::access_token::Scopes::words),
        accounts: bearer.accounts().map(roles),
    }))
}

async fn invite(
    caller: Caller<Operator>,
    State(state): State<ApiState>,
    Body(new): Body<NewUser>,
) -> Answer<Invited> {
    Ok(invited(state.hub.user_invite(&caller.actor(), &new).await?))
}

async fn invite_again(
    caller: Caller<Operator>,
    State(state): State<ApiState>,
    Id(id): Id<UserId>,
) -> Answer<Invited> {
    let again = state.hub.user_invite_again(&caller.actor(), id).await?;
    Ok(invited(again))
}

async fn list(
    _caller: Caller<Operator>,
    State(state): State<ApiState>,
    mut params: Params,
) -> Answer<List<UserView>> {
    let email = params.text("email");
    let paging = params.paging();
    params.finish()?;
    let users = state.hub.users(email.as_deref(), paging.page()).await?;
    Ok(Json(paging.list(users, |user| user.id.0, UserView::from)))
}

async fn get(
    _caller: Caller<Operator>,
    State(state): State<ApiState>,
    Id(id): Id<UserId>,
) -> Answer<WithRoles> {
    let (user, accounts) = state.hub.user(id).await?;
    Ok(Json(WithRoles {
        user: user.into(),
        accounts: roles(accounts),
    }))
}

async fn change(
    caller: Caller<Operator>,
    State(state): State<ApiState>,
    Id(id): Id<UserId>,
    Body(change): Body<UserChange>,
) -> Answer<UserView> {
    let user = state.hub.user_change(&caller.actor(), id, &change).await?;
    Ok(Json(user.into()))
}

async fn remove(
    caller: Caller<Operator>,
    State(state): State<ApiState>,
    Id(id): Id<UserId>,
) -> Answer<bool> {
    state.hub.user_remove(&caller.actor(), id).await?;
    Ok(Json(true))
}

async fn revoke(
    caller: Caller<Operator>,
    State(state): State<ApiState>,
    Id(id): Id<UserId>,
) -> Answer<bool> {
    state.hub.user_revoke(&caller.actor(), id).await?;
    Ok(Json(true))
}
