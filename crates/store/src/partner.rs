//! Partners, their history, and which application became which. Not of any account: the operator's.

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::partner::{Certificate, Request, Stage};
use model::{AccountId, ApplicationId, PartnerId};

use crate::{Page, Result, Scope, first, from_json, sequence, to_json, word};

/// A partner and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partner {
    pub id: PartnerId,
    pub stage: Stage,
    pub request: Request,
    pub pilot: Option<AccountId>,
    pub production: Option<AccountId>,
    pub certificate: Option<Certificate>,
    /// Of what was promoted last.
    pub digest: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A step that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepTaken {
    pub id: i64,
    /// `request`, `nominate`, …
    pub step: String,
    /// Where it led.
    pub stage: Stage,
    pub actor: String,
    /// JSON, without secrets.
    pub detail: serde_json::Value,
    pub created_at: Timestamp,
}

const COLUMNS: &str = "id, stage, request, pilot_account_id, production_account_id, certificate, digest, created_at, updated_at";

pub async fn insert(tx: &mut Tx, request: &Request, now: Timestamp) -> Result<Partner> {
    let partner = Partner {
        id: PartnerId(sequence::take(tx, "partner", 1).await?),
        stage: Stage::Requested,
        request: request.clone(),
        pilot: None,
        production: None,
        certificate: None,
        digest: None,
        created_at: now,
        updated_at: now,
    };
    let sql = "INSERT INTO partner (id, stage, request, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)";
    let params = [
        Value::from(partner.id.0),
        Value::from(partner.stage.as_str()),
        Value::from(to_json(request)),
        Value::from(now),
    ];
    tx.execute(sql, &params).await?;
    Ok(partner)
}

/// Writes everything but the request, if the partner still stands where it was found; `false` if not.
pub async fn update(tx: &mut Tx, partner: &Partner, found: Stage) -> Result<bool> {
    let sql = "UPDATE partner SET stage = $2, pilot_account_id = $3, production_account_id = $4, certificate = $5, digest = $6,
                                  updated_at = $7 WHERE id = $1 AND stage = $8";
    let params = [
        Value::from(partner.id.0),
        Value::from(partner.stage.as_str()),
        Value::from(partner.pilot.map(|id| id.0)),
        Value::from(partner.production.map(|id| id.0)),
        Value::from(partner.certificate.as_ref().map(to_json)),
        Value::from(partner.digest.clone()),
        Value::from(partner.updated_at),
        Value::from(found.as_str()),
    ];
    Ok(tx.execute(sql, &params).await? > 0)
}

pub async fn get(tx: &mut Tx, id: PartnerId) -> Result<Option<Partner>> {
    let sql = format!("SELECT {COLUMNS} FROM partner WHERE id = $1");
    first(tx, &sql, &[Value::from(id.0)])
        .await?
        .map(|row| read(&row))
        .transpose()
}

/// The partner whose pilot account this is.
pub async fn of_pilot(tx: &mut Tx, scope: Scope) -> Result<Option<Partner>> {
    let sql = format!("SELECT {COLUMNS} FROM partner WHERE pilot_account_id = $1");
    first(tx, &sql, &[Value::from(scope.0.0)])
        .await?
        .map(|row| read(&row))
        .transpose()
}

/// All, or those that stand somewhere.
pub async fn list(tx: &mut Tx, stage: Option<Stage>, page: Page) -> Result<Vec<Partner>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM partner WHERE ($1 = '' OR stage = $1) AND id > $2 ORDER BY id LIMIT $3"
    );
    let params = [
        Value::from(stage.map_or("", Stage::as_str)),
        Value::from(page.after),
        Value::from(page.limit),
    ];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

/// Adds to the history; the step's `id` is made here.
pub async fn add_step(tx: &mut Tx, partner: PartnerId, step: &StepTaken) -> Result<()> {
    let id = sequence::take(tx, "partner_step", 1).await?;
    let sql = "INSERT INTO partner_step (id, partner_id, step, stage, actor, detail, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let params = [
        Value::from(id),
        Value::from(partner.0),
        Value::from(step.step.as_str()),
        Value::from(step.stage.as_str()),
        Value::from(step.actor.as_str()),
        Value::from(step.detail.to_string()),
        Value::from(step.created_at),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

/// All steps in their order: a life has few.
pub async fn history(tx: &mut Tx, partner: PartnerId) -> Result<Vec<StepTaken>> {
    let sql = "SELECT id, step, stage, actor, detail, created_at FROM partner_step WHERE partner_id = $1 ORDER BY id";
    let mut steps = Vec::new();
    for row in tx.rows(sql, &[Value::from(partner.0)]).await? {
        steps.push(StepTaken {
            id: row.get("id")?,
            step: row.get("step")?,
            stage: stage(&row)?,
            actor: row.get("actor")?,
            detail: from_json("partner step", &row.get::<String>("detail")?)?,
            created_at: row.get("created_at")?,
        });
    }
    Ok(steps)
}

/// Which application of production each of pilot became.
pub async fn applications(
    tx: &mut Tx,
    partner: PartnerId,
) -> Result<Vec<(ApplicationId, ApplicationId)>> {
    let sql = "SELECT pilot_application_id, production_application_id FROM partner_application
               WHERE partner_id = $1 ORDER BY pilot_application_id";
    let mut pairs = Vec::new();
    for row in tx.rows(sql, &[Value::from(partner.0)]).await? {
        pairs.push((
            ApplicationId(row.get("pilot_application_id")?),
            ApplicationId(row.get("production_application_id")?),
        ));
    }
    Ok(pairs)
}

pub async fn put_application(
    tx: &mut Tx,
    partner: PartnerId,
    (pilot, production): (ApplicationId, ApplicationId),
) -> Result<()> {
    let sql = "INSERT INTO partner_application (partner_id, pilot_application_id, production_application_id)
               VALUES ($1, $2, $3)";
    let params = [
        Value::from(partner.0),
        Value::from(pilot.0),
        Value::from(production.0),
    ];
    tx.execute(sql, &params).await?;
    Ok(())
}

pub async fn forget_application(
    tx: &mut Tx,
    partner: PartnerId,
    pilot: ApplicationId,
) -> Result<()> {
    let sql = "DELETE FROM partner_application WHERE partner_id = $1 AND pilot_application_id = $2";
    tx.execute(sql, &[Value::from(partner.0), Value::from(pilot.0)])
        .await?;
    Ok(())
}

fn stage(row: &Row) -> Result<Stage> {
    word("partner stage", &row.get::<String>("stage")?, Stage::parse)
}

fn read(row: &Row) -> Result<Partner> {
    let certificate = row.get::<Option<String>>("certificate")?;
    Ok(Partner {
        id: PartnerId(row.get("id")?),
        stage: stage(row)?,
        request: from_json("partner request", &row.get::<String>("request")?)?,
        pilot: row.get::<Option<i64>>("pilot_account_id")?.map(AccountId),
        production: row
            .get::<Option<i64>>("production_account_id")?
            .map(AccountId),
        certificate: certificate
            .map(|text| from_json("certificate", &text))
            .transpose()?,
        digest: row.get("digest")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
