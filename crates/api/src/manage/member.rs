//! `/manage/v1/accounts/{accountId}/members`: who has which role in an account.

use axum::Json;
use axum::extract::State;
use hub::Member;
use jiff::Timestamp;
use model::{Role, UserId};
use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use super::input::{Body, Fields, FromBody, Id, Within};
use super::page::{List, Params, paged};
use crate::ApiState;
use crate::caller::{AccountAdmin, AccountViewer, Caller};
use crate::door::{About, Door};

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct NewMember {
    email: String,
    /// Of somebody who is not known yet; the e-mail, if not given.
    name: Option<String>,
    /// `admin`, `member`, `viewer` or `partner`.
    #[schemars(with = "String")]
    role: Role,
}

impl FromBody for NewMember {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let email = fields.required_text("email");
        let name = fields.text("name");
        let role = fields.required_word("role", Role::WORDS, Role::parse);
        Some(Self {
            email: email?,
            name,
            role: role?,
        })
    }
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct MemberChange {
    /// `admin`, `member`, `viewer` or `partner`.
    #[schemars(with = "String")]
    role: Role,
}

impl FromBody for MemberChange {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let role = fields.required_word("role", Role::WORDS, Role::parse)?;
        Some(Self { role })
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct MemberView {
    user_id: i64,
    email: String,
    name: String,
    role: &'static str,
    /// `invited`, `active` or `disabled`.
    status: &'static str,
    #[schemars(with = "String")]
    since: Timestamp,
    /// The ticket that was mailed to somebody new: shown this once, and only to operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    invitation: Option<String>,
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        Self {
            user_id: member.user.id.0,
            email: member.user.email.to_string(),
            name: member.user.name,
            role: member.role.as_str(),
            status: member.user.status.as_str(),
            since: member.since,
            invitation: None,
        }
    }
}

const MEMBERS: &str = "/manage/v1/accounts/{accountId}/members";
const MEMBER: &str = "/manage/v1/accounts/{accountId}/members/{userId}";

pub(super) fn routes(door: &mut Door) {
    let about = About::new("Take somebody into the account; whoever is new is invited by mail");
    door.post(
        MEMBERS,
        add,
        about.body::<NewMember>().answers::<MemberView>(),
    );
    let about = paged(About::new("Members of the account, by user"));
    door.get(MEMBERS, list, about.answers::<List<MemberView>>());
    let about = About::new("Give a member another role");
    door.patch(
        MEMBER,
        change,
        about.body::<MemberChange>().answers::<MemberView>(),
    );
    let about = About::new("Take somebody out of the account");
    door.delete(MEMBER, remove, about.answers::<bool>());
}

async fn add(
    caller: Caller<AccountAdmin>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Body(new): Body<NewMember>,
) -> Answer<MemberView> {
    let who = (new.email.as_str(), new.name.as_deref());
    let added = state
        .hub
        .member_add(&caller.actor(), scope, who, new.role)
        .await?;
    let (member, ticket) = added;
    // Whoever has the ticket becomes that person: an account's admin must not.
    let ticket = ticket.filter(|_| caller.is_operator());
    Ok(Json(MemberView {
        invitation: ticket.map(|ticket| ticket.expose().to_owned()),
        ..member.into()
    }))
}

async fn list(
    _caller: Caller<AccountViewer>,
    State(state): State<ApiState>,
    Within(scope): Within,
    mut params: Params,
) -> Answer<List<MemberView>> {
    let paging = params.paging();
    params.finish()?;
    let members = state.hub.members(scope, paging.page()).await?;
    Ok(Json(paging.list(
        members,
        |m| m.user.id.0,
        MemberView::from,
    )))
}

async fn change(
    caller: Caller<AccountAdmin>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<UserId>,
    Body(change): Body<MemberChange>,
) -> Answer<MemberView> {
    let changed = state
        .hub
        .member_change(&caller.actor(), scope, id, change.role)
        .await?;
    Ok(Json(changed.into()))
}

async fn remove(
    caller: Caller<AccountAdmin>,
    State(state): State<ApiState>,
    Within(scope): Within,
    Id(id): Id<UserId>,
) -> Answer<bool> {
    state.hub.member_remove(&caller.actor(), scope, id).await?;
    Ok(Json(true))
}
