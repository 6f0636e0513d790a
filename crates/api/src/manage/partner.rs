//! `/manage/v1/partners`: companies on their way from a request to production.

use axum::Json;
use axum::extract::State;
use hub::partner::{NewCertificate, Partner, StepTaken};
use jiff::Timestamp;
use model::PartnerId;
use model::difference::{Change, Difference};
use model::partner::checklist::Item;
use model::partner::{Certificate, Form, Request, Stage};
use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use super::input::{Body, Fields, FromBody, Id, Within};
use super::page::{List, Params, paged};
use crate::ApiState;
use crate::caller::{AccountPartner, Caller, Operator};
use crate::door::{About, Door};

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct NewPartner {
    /// Becomes the provider's name.
    company: String,
    /// The mail address that everything is written to.
    contact: String,
    product: String,
    /// What it exchanges, in a sentence.
    exchanges: String,
    /// In which forms it will publish: `single`, `batch`, `compound`; none if it only receives.
    #[schemars(with = "Vec<String>")]
    forms: Vec<Form>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "camelCase")]
struct Certification {
    /// `Ready for Rialto` if not given.
    mark: Option<String>,
    /// Of the product that was reviewed.
    version: String,
    /// The licence agreement that was signed.
    licence: String,
    licence_version: String,
    /// Open items of the checklist that are not asked for.
    waive: Vec<String>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Promotion {
    /// Of the difference that was reviewed.
    digest: String,
}

impl FromBody for Promotion {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let digest = fields.required_text("digest")?;
        Some(Self { digest })
    }
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Refusal {
    /// The company is told.
    reason: String,
}

impl FromBody for NewPartner {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let company = fields.required_text("company");
        let contact = fields.required_text("contact");
        let product = fields.required_text("product");
        let exchanges = fields.required_text("exchanges");
        let mut forms = fields.texts("forms", "`single`, `batch` or `compound`", Form::parse);
        forms.sort();
        forms.dedup();
        Some(Self {
            company: company?.trim().to_owned(),
            contact: contact?,
            product: product?,
            exchanges: exchanges?,
            forms,
        })
    }
}

impl FromBody for Certification {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let mark = fields.text("mark");
        let version = fields.required_text("version");
        let licence = fields.required_text("licence");
        let licence_version = fields.required_text("licenceVersion");
        let id = |text: &str| Some(text.to_owned());
        let waive = fields.texts("waive", "an item of the checklist", id);
        Some(Self {
            mark,
            version: version?,
            licence: licence?,
            licence_version: licence_version?,
            waive,
        })
    }
}

impl FromBody for Refusal {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let reason = fields.required_text("reason")?;
        Some(Self { reason })
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PartnerView {
    id: i64,
    /// `requested`, `nominated`, `in-review`, `certified`, `promoted` or `declined`.
    stage: &'static str,
    /// The steps that are possible now.
    possible: Vec<&'static str>,
    company: String,
    contact: String,
    product: String,
    exchanges: String,
    forms: Vec<&'static str>,
    pilot_account_id: Option<i64>,
    pilot_url: Option<String>,
    production_account_id: Option<i64>,
    production_url: Option<String>,
    certificate: Option<CertificateView>,
    #[schemars(with = "String")]
    requested_at: Timestamp,
    #[schemars(with = "String")]
    updated_at: Timestamp,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct CertificateView {
    mark: String,
    version: String,
    licence: String,
    licence_version: String,
    #[schemars(with = "String")]
    date: Timestamp,
    waived: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct StepView {
    /// `request`, `nominate`, `review`, `certify`, `promote` or `decline`.
    step: String,
    /// Where it led.
    stage: &'static str,
    actor: String,
    detail: serde_json::Value,
    #[schemars(with = "String")]
    at: Timestamp,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ChecklistView {
    /// Nothing is open.
    is_done: bool,
    items: Vec<ItemView>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ItemView {
    id: String,
    title: String,
    /// `done`, `open` or `not-applicable`.
    state: &'static str,
    /// When it was first seen.
    #[schemars(with = "Option<String>")]
    since: Option<Timestamp>,
    /// How often it was seen.
    count: u64,
}

fn view(state: &ApiState, partner: Partner) -> PartnerView {
    use model::Environment::{Pilot, Production};
    let url = |account: Option<model::AccountId>, environment| {
        account.map(|_| state.hub.base_url(environment).to_owned())
    };
    PartnerView {
        id: partner.id.0,
        stage: partner.stage.as_str(),
        possible: partner.stage.steps().iter().map(|s| s.as_str()).collect(),
        company: partner.request.company,
        contact: partner.request.contact,
        product: partner.request.product,
        exchanges: partner.request.exchanges,
        forms: partner.request.forms.iter().map(|f| f.as_str()).collect(),
        pilot_account_id: partner.pilot.map(|id| id.0),
        pilot_url: url(partner.pilot, Pilot),
        production_account_id: partner.production.map(|id| id.0),
        production_url: url(partner.production, Production),
        certificate: partner.certificate.map(certificate),
        requested_at: partner.created_at,
        updated_at: partner.updated_at,
    }
}

fn certificate(given: Certificate) -> CertificateView {
    CertificateView {
        mark: given.mark,
        version: given.version,
        licence: given.licence,
        licence_version: given.licence_version,
        date: given.date,
        waived: given.waived,
    }
}

#[derive(Serialize, JsonSchema)]
struct ReviewView {
    /// Says what was looked at: goes into `promote`.
    digest: String,
    differences: Vec<DifferenceView>,
}

#[derive(Serialize, JsonSchema)]
struct PromotedView {
    partner: PartnerView,
    /// What was done in production.
    differences: Vec<DifferenceView>,
}

#[derive(Serialize, JsonSchema)]
struct DifferenceView {
    /// Into `{"applications": {"<number in pilot>": …}}`.
    pointer: String,
    /// `added`, `removed` or `changed`.
    change: &'static str,
    /// As it is in production.
    before: Option<serde_json::Value>,
    /// As it is in pilot.
    after: Option<serde_json::Value>,
}

fn differences(found: Vec<Difference>) -> Vec<DifferenceView> {
    let views = found.into_iter().map(|difference| {
        let change = difference.change.as_str();
        let (before, after) = match difference.change {
            Change::Added(after) => (None, Some(after)),
            Change::Removed(before) => (Some(before), None),
            Change::Changed { before, after } => (Some(before), Some(after)),
        };
        DifferenceView {
            pointer: difference.pointer,
            change,
            before,
            after,
        }
    });
    views.collect()
}

fn step(taken: StepTaken) -> StepView {
    StepView {
        step: taken.step,
        stage: taken.stage.as_str(),
        actor: taken.actor,
        detail: taken.detail,
        at: taken.created_at,
    }
}

fn checklist(items: Vec<Item>) -> Json<ChecklistView> {
    use model::partner::checklist::State;
    Json(ChecklistView {
        is_done: items.iter().all(|item| item.state != State::Open),
        items: items
            .into_iter()
            .map(|item| ItemView {
                id: item.id,
                title: item.title,
                state: item.state.as_str(),
                since: item.since,
                count: item.count,
            })
            .collect(),
    })
}

pub(super) fn routes(door: &mut Door) {
    let about = About::new("A company asks to connect a product");
    door.post(
        "/manage/v1/partners",
        request,
        about.body::<NewPartner>().answers::<PartnerView>(),
    );
    let about = paged(About::new("Partners")).query("stage", "only those at this stage");
    door.get(
        "/manage/v1/partners",
        list,
        about.answers::<List<PartnerView>>(),
    );
    let about = About::new("A partner and where it stands");
    door.get(
        "/manage/v1/partners/{partnerId}",
        get,
        about.answers::<PartnerView>(),
    );
    let about = About::new("Who did what with a partner, and when; oldest first");
    door.get(
        "/manage/v1/partners/{partnerId}/history",
        history,
        about.answers::<List<StepView>>(),
    );
    let about =
        About::new("The checklist of the review, as the partner's endpoints have filled it");
    door.get(
        "/manage/v1/partners/{partnerId}/checklist",
        list_of_partner,
        about.answers::<ChecklistView>(),
    );
    let about = About::new("The same for the partner itself, in its pilot account");
    door.get(
        "/manage/v1/accounts/{accountId}/checklist",
        list_of_account,
        about.answers::<ChecklistView>(),
    );
    steps(door);
}

fn steps(door: &mut Door) {
    let about =
        About::new("Take a partner in: its provider, its pilot account, and the mails about both");
    door.post(
        "/manage/v1/partners/{partnerId}/nominate",
        nominate,
        about.answers::<PartnerView>(),
    );
    let about = About::new("Begin the review of a partner");
    door.post(
        "/manage/v1/partners/{partnerId}/review",
        review,
        about.answers::<PartnerView>(),
    );
    let about = About::new("End the review well; what is open on the checklist is waived by name");
    door.post(
        "/manage/v1/partners/{partnerId}/certify",
        certify,
        about.body::<Certification>().answers::<PartnerView>(),
    );
    let about = About::new("What a promotion would change in production, by JSON pointer");
    door.get(
        "/manage/v1/partners/{partnerId}/difference",
        difference,
        about.answers::<ReviewView>(),
    );
    let about = About::new(
        "Bring production to what was reviewed in pilot; the first time with an account and its mails",
    );
    door.post(
        "/manage/v1/partners/{partnerId}/promote",
        promote,
        about.body::<Promotion>().answers::<PromotedView>(),
    );
    let about = About::new("Decline a partner, for a reason that it is told");
    door.post(
        "/manage/v1/partners/{partnerId}/decline",
        decline,
        about.body::<Refusal>().answers::<PartnerView>(),
    );
}

async fn request(
    caller: Caller<Operator>,
    State(state): State<ApiState>,
    Body(new): Body<NewPartner>,
) -> Answer<PartnerView> {
    let request = Request {
        company: new.company,
        contact: new.contact,
        product: new.product,
        exchanges: new.exchanges,
        forms: new.forms,
    };
    let partner = state.hub.partner_request(&caller.actor(), request).await?;
    Ok(Json(view(&state, partner)))
}

async fn list(
    _caller: Caller<Operator>,
    State(state): State<ApiState>,
    mut params: Params,
) -> Answer<List<PartnerView>> {
    let stage = params.word("stage", "a stage, such as `in-review`", Stage::parse);
    let paging = params.paging();
    params.finish()?;
    let partners = state.hub.partners(stage, paging.page()).await?;
    Ok(Json(paging.list(
        partners,
        |partner| partner.id.0,
        |partner| view(&state, partner),
    )))
}

async fn get(
    _caller: Caller<Operator>,
    State(state): State<ApiState>,
    Id(id): Id<PartnerId>,
) -> Answer<PartnerView> {
    Ok(Json(view(&state, state.hub.partner(id).await?)))
}

async fn history(
    _caller: Caller<Operator>,
    State(state): State<ApiState>,
    Id(id): Id<PartnerId>,
) -> Answer<List<StepView>> {
    let steps = state.hub.partner_history(id).await?;
    Ok(Json(List {
        items: steps.into_iter().map(step).collect(),
        next: None,
    }))
}

async fn list_of_partner(
    _caller: Caller<Operator>,
    State(state): State<ApiState>,
    Id(id): Id<PartnerId>,
) -> Answer<ChecklistView> {
    Ok(checklist(state.hub.partner_checklist(id).await?))
}

async fn list_of_account(
    _caller: Caller<AccountPartner>,
    State(state): State<ApiState>,
    Within(scope): Within,
) -> Answer<ChecklistView> {
    Ok(checklist(state.hub.checklist(scope).await?))
}

async fn nominate(
    caller: Caller<Operator>,
    State(state): State<ApiState>,
    Id(id): Id<PartnerId>,
) -> Answer<PartnerView> {
    let partner = state.hub.partner_nominate(&caller.actor(), id).await?;
    Ok(Json(view(&state, partner)))
}

async fn review(
    caller: Caller<Operator>,
    State(state): State<ApiState>,
    Id(id): Id<PartnerId>,
) -> Answer<PartnerView> {
    let partner = state.hub.partner_review(&caller.actor(), id).await?;
    Ok(Json(view(&state, partner)))
}

async fn certify(
    caller: Caller<Operator>,
    State(state): State<ApiState>,
    Id(id): Id<PartnerId>,
    Body(new): Body<Certification>,
) -> Answer<PartnerView> {
    let certificate = NewCertificate {
        mark: new.mark,
        version: new.version,
        licence: new.licence,
        licence_version: new.licence_version,
        waive: new.waive,
    };
    let certified = state
        .hub
        .partner_certify(&caller.actor(), id, certificate)
        .await?;
    Ok(Json(view(&state, certified)))
}

async fn decline(
    caller: Caller<Operator>,
    State(state): State<ApiState>,
    Id(id): Id<PartnerId>,
    Body(refusal): Body<Refusal>,
) -> Answer<PartnerView> {
    let declined = state
        .hub
        .partner_decline(&caller.actor(), id, &refusal.reason)
        .await?;
    Ok(Json(view(&state, declined)))
}

async fn difference(
    _caller: Caller<Operator>,
    State(state): State<ApiState>,
    Id(id): Id<PartnerId>,
) -> Answer<ReviewView> {
    let review = state.hub.partner_difference(id).await?;
    Ok(Json(ReviewView {
        digest: review.digest,
        differences: differences(review.differences),
    }))
}

async fn promote(
    caller: Caller<Operator>,
    State(state): State<ApiState>,
    Id(id): Id<PartnerId>,
    Body(promotion): Body<Promotion>,
) -> Answer<PromotedView> {
    let (partner, done) = state
        .hub
        .partner_promote(&caller.actor(), id, &promotion.digest)
        .await?;
    Ok(Json(PromotedView {
        partner: view(&state, partner),
        differences: differences(done),
    }))
}
