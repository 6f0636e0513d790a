//! Segments of endpoints, one list for each role; and how asking for lists went.
//!
//! Called by `hub/segment` and `hub/flow/refresh`. Ids are kept as text: what is written alike is the same segment.

use engine::{Row, Tx, Value};
use jiff::Timestamp;
use model::segment::{Segment, SegmentKind, SegmentRole};
use model::{EndpointId, SegmentId};

use crate::{Result, Scope, first, from_json, sequence, to_json, word};

/// Rows that are written with one statement.
const ROWS_AT_ONCE: usize = 100;

/// A segment that the exchange knows of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSegment {
    /// Ours, rising: where a page goes on.
    pub number: i64,
    pub endpoint: EndpointId,
    pub role: SegmentRole,
    pub segment: Segment,
    pub updated_at: Timestamp,
}

/// Which segments. Texts are searched for in any letter case, as parts.
#[derive(Debug, Clone, Default)]
pub struct SegmentFilter {
    pub endpoint: Option<EndpointId>,
    pub role: Option<SegmentRole>,
    pub name: Option<String>,
    pub description: Option<String>,
    /// In the name or in the description.
    pub anywhere: Option<String>,
}

/// Which part of a list: after this number, without the first so many, at most so many.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub after: i64,
    pub skip: i64,
    pub limit: i64,
}

const COLUMNS: &str =
    "number, endpoint_id, role, id, is_text, name, description, kind, attributes, updated_at";

/// Adds segments to a list; those that are there are written anew, and stay where they are in it. No two of one id.
pub async fn put(
    tx: &mut Tx,
    scope: Scope,
    (endpoint, role): (EndpointId, SegmentRole),
    segments: &[Segment],
    now: Timestamp,
) -> Result<()> {
    const WIDTH: usize = 13;
    for some in segments.chunks(ROWS_AT_ONCE) {
        let count = i64::try_from(some.len()).unwrap_or(i64::MAX);
        let number = sequence::take(tx, "segment", count).await?;
        let mut params = Vec::with_capacity(some.len() * WIDTH);
        let mut rows = Vec::with_capacity(some.len());
        for (number, segment) in (number..).zip(some) {
            let places = (1..=WIDTH).map(|place| format!("${}", params.len() + place));
            rows.push(format!("({})", places.collect::<Vec<_>>().join(", ")));
            let description = segment.description.as_deref();
            params.extend([
                Value::from(number),
                Value::from(scope.0.0),
                Value::from(endpoint.0),
                Value::from(role.as_str()),
                Value::from(segment.id.to_string()),
                Value::from(matches!(segment.id, SegmentId::Text(_))),
                Value::from(segment.name.as_str()),
                Value::from(description),
                Value::from(segment.kind.as_str()),
                Value::from(to_json(&segment.attributes)),
                Value::from(segment.name.to_lowercase()),
                Value::from(description.unwrap_or_default().to_lowercase()),
                Value::from(now),
            ]);
        }
        let sql = format!(
            "INSERT INTO segment (number, account_id, endpoint_id, role, id, is_text, name, description, kind, attributes, name_search,
                 description_search, updated_at)
             VALUES {}
             ON CONFLICT (endpoint_id, role, id) DO UPDATE SET is_text = excluded.is_text, name = excluded.name,
                 description = excluded.description, kind = excluded.kind, attributes = excluded.attributes,
                 name_search = excluded.name_search, description_search = excluded.description_search, updated_at = excluded.updated_at",
            rows.join(", ")
        );
        tx.execute(&sql, &params).await?;
    }
    Ok(())
}

pub async fn list(
    tx: &mut Tx,
    scope: Scope,
    filter: &SegmentFilter,
    window: Window,
) -> Result<Vec<KnownSegment>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM segment WHERE account_id = $1 AND ($2 = 0 OR endpoint_id = $2) AND ($3 = '' OR role = $3)
         AND name_search LIKE $4 ESCAPE '!' AND description_search LIKE $5 ESCAPE '!'
         AND (name_search LIKE $6 ESCAPE '!' OR description_search LIKE $6 ESCAPE '!') AND number > $7
         ORDER BY number LIMIT $8 OFFSET $9"
    );
    let params = [
        Value::from(scope.0.0),
        Value::from(filter.endpoint.map_or(0, |e| e.0)),
        Value::from(filter.role.map_or("", SegmentRole::as_str)),
        Value::from(containing(filter.name.as_deref())),
        Value::from(containing(filter.description.as_deref())),
        Value::from(containing(filter.anywhere.as_deref())),
        Value::from(window.after),
        Value::from(window.limit),
        Value::from(window.skip),
    ];
    tx.rows(&sql, &params).await?.iter().map(read).collect()
}

/// A pattern for what has this text in it; anything, when there is none.
fn containing(text: Option<&str>) -> String {
    let mut pattern = "%".to_owned();
    for c in text.unwrap_or_default().to_lowercase().chars() {
        if matches!(c, '!' | '%' | '_') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

pub async fn get(
    tx: &mut Tx,
    scope: Scope,
    (endpoint, role): (EndpointId, SegmentRole),
    id: &SegmentId,
) -> Result<Option<KnownSegment>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM segment WHERE account_id = $1 AND endpoint_id = $2 AND role = $3 AND id = $4"
    );
    let params = [
        Value::from(scope.0.0),
        Value::from(endpoint.0),
        Value::from(role.as_str()),
        Value::from(id.to_string()),
    ];
    let row = first(tx, &sql, &params).await?;
    row.map(|row| read(&row)).transpose()
}

/// How many there are in a list.
pub async fn count(
    tx: &mut Tx,
    scope: Scope,
    (endpoint, role): (EndpointId, SegmentRole),
) -> Result<u64> {
    let sql = "SELECT COUNT(*) AS segments FROM segment WHERE account_id = $1 AND endpoint_id = $2 AND role = $3";
    let params = [
        Value::from(scope.0.0),
        Value::from(endpoint.0),
        Value::from(role.as_str()),
    ];
    let row = first(tx, sql, &params).await?;
    Ok(crate::position(
        row.map_or(Ok(0), |row| row.get("segments"))?,
    ))
}

/// Takes one from a list; `false` when it is not there.
pub async fn delete(
    tx: &mut Tx,
    scope: Scope,
    (endpoint, role): (EndpointId, SegmentRole),
    id: &SegmentId,
) -> Result<bool> {
    let sql =
        "DELETE FROM segment WHERE account_id = $1 AND endpoint_id = $2 AND role = $3 AND id = $4";
    let params = [
        Value::from(scope.0.0),
        Value::from(endpoint.0),
        Value::from(role.as_str()),
        Value::from(id.to_string()),
    ];
    Ok(tx.execute(sql, &params).await? > 0)
}

/// Empties a list, or both of an endpoint; answers how many there were.
pub async fn clear(
    tx: &mut Tx,
    scope: Scope,
    endpoint: EndpointId,
    role: Option<SegmentRole>,
) -> Result<u64> {
    let sql =
        "DELETE FROM segment WHERE account_id = $1 AND endpoint_id = $2 AND ($3 = '' OR role = $3)";
    let params = [
        Value::from(scope.0.0),
        Value::from(endpoint.0),
        Value::from(role.map_or("", SegmentRole::as_str)),
    ];
    Ok(tx.execute(sql, &params).await?)
}

/// How asking an endpoint for a list went; answers whether there was trouble the time before, too.
pub async fn put_answer(
    tx: &mut Tx,
    scope: Scope,
    (endpoint, role): (EndpointId, SegmentRole),
    trouble: Option<&str>,
    now: Timestamp,
) -> Result<bool> {
    let before =
        "SELECT trouble FROM segment_list WHERE endpoint_id = $1 AND role = $2 AND account_id = $3";
    let key = [
        Value::from(endpoint.0),
        Value::from(role.as_str()),
        Value::from(scope.0.0),
    ];
    let row = first(tx, before, &key).await?;
    let before: Option<String> = row.map_or(Ok(None), |row| row.get("trouble"))?;
    let sql = "INSERT INTO segment_list (endpoint_id, role, account_id, answered_at, trouble) VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (endpoint_id, role) DO UPDATE SET trouble = excluded.trouble,
               answered_at = COALESCE(excluded.answered_at, segment_list.answered_at)";
    let mut params = key.to_vec();
    params.push(Value::from(trouble.is_none().then_some(now)));
    params.push(Value::from(trouble));
    tx.execute(sql, &params).await?;
    Ok(before.is_some())
}

/// Notes that a night's refresh of an account has been begun: whoever gets `true` is to make the job. An account that was
/// never looked at begins with the night after.
pub async fn begin_night(tx: &mut Tx, scope: Scope, night: Timestamp) -> Result<bool> {
    let insert = "INSERT INTO segment_night (account_id, night) VALUES ($1, $2) ON CONFLICT (account_id) DO NOTHING";
    let params = [Value::from(scope.0.0), Value::from(night)];
    if tx.execute(insert, &params).await? > 0 {
        return Ok(false);
    }
    let sql = "UPDATE segment_night SET night = $2 WHERE account_id = $1 AND night < $2";
    Ok(tx.execute(sql, &params).await? > 0)
}

fn read(row: &Row) -> Result<KnownSegment> {
    let id: String = row.get("id")?;
    let id = match id.parse::<i64>() {
        Ok(number) if !row.get::<bool>("is_text")? => SegmentId::Number(number),
        _ => SegmentId::Text(id),
    };
    Ok(KnownSegment {
        number: row.get("number")?,
        endpoint: EndpointId(row.get("endpoint_id")?),
        role: word(
            "segment role",
            &row.get::<String>("role")?,
            SegmentRole::parse,
        )?,
        segment: Segment {
            id,
            name: row.get("name")?,
            description: row.get("description")?,
            kind: word(
                "segment kind",
                &row.get::<String>("kind")?,
                SegmentKind::parse,
            )?,
            attributes: from_json("segment attributes", &row.get::<String>("attributes")?)?,
        },
        updated_at: row.get("updated_at")?,
    })
}
