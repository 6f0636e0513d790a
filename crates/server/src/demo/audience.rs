//! Audiences in both directions: the shop uploads its readers of letters for the CRM, which is called and gets hashes; the
//! CRM is asked for its regulars, which the shop fetches. Checked person by person at both ends.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use model::hashing::{self, HashAlgorithm};
use serde_json::{Value, json};

use super::lists::REGULARS;
use super::{Stage, stream};
use crate::partner::{Partner, PartnerError, detail};

/// The shop's own id of its list: no double holds it.
const READERS: i64 = 8_000_000_000_000_001_152;
const READERS_NAME: &str = "Readers of letters";
/// Between two looks at a job.
const PAUSE: Duration = Duration::from_millis(50);

/// Adds the roles for audiences to the definition of the shop: it uploads its own, and fetches others'.
pub(super) fn shop(definition: &mut Value) {
    definition["endpointTypes"]["segment"] = json!({
        "source": { "enabled": true, "sourceType": "push" },
        "destination": { "enabled": true, "destinationType": "pull" },
    });
}

/// The same for the CRM: it is asked, and called.
pub(super) fn crm(definition: &mut Value) {
    definition["endpointTypes"]["segment"] = json!({
        "source": { "enabled": true, "sourceType": "pull" },
        "destination": { "enabled": true, "shareActions": { "add": true, "replace": true, "defaultShareAction": "REPLACE" } },
    });
    definition["marketingDatabasesDefinition"]["marketingDatabases"][0]["attributes"] =
        json!([{ "name": "LANGUAGE", "type": "string" }]);
}

/// What one share came to, as its report says.
pub(super) struct Shared {
    pub(super) what: &'static str,
    pub(super) how: &'static str,
    pub(super) job: i64,
    pub(super) records: [u64; 5],
    /// SHA-256 of what was handed over.
    pub(super) digest: String,
    /// Rows that were not handed over: file, row, column and reason.
    pub(super) left_out: Vec<String>,
    /// Exactly the right people are there.
    pub(super) is_right: bool,
}

struct Sharing<'a> {
    stage: &'a Stage,
    until: Instant,
}

/// Shares both ways, and looks at what arrived.
///
/// # Errors
/// What the exchange refused, and [`PartnerError::Odd`] for a job that did not end well or in time.
pub(super) async fn share(stage: &Stage, patience: Duration) -> Result<Vec<Shared>, PartnerError> {
    let sharing = Sharing {
        stage,
        until: Instant::now() + patience,
    };
    Ok(vec![
        sharing.to_the_crm().await?,
        sharing.to_the_shop().await?,
    ])
}

impl Sharing<'_> {
    fn exchange(&self) -> &Partner {
        &self.stage.exchange
    }

    async fn to_the_crm(&self) -> Result<Shared, PartnerError> {
        let registered = &self.stage.registered;
        let (shop, key) = (registered.shop.id, registered.shop.key.as_str());
        let announced = json!([{ "id": READERS, "name": READERS_NAME,
                                 "segment_attributes": [{ "name": "language", "type": "string" }] }]);
        let path = format!("/v1/endpoint/{shop}/segments");
        self.exchange()
            .ask(Method::POST, &path, key, &announced.to_string())
            .await?;
        let body = json!({ "sourceEndpointId": shop, "segmentId": READERS, "destinationEndpointId": registered.crm.id,
                           "attributes": { "language": "LANGUAGE" } });
        let job = self.make(&body).await?;
        let query = format!("endpointId={shop}&status=WAITING_TO_RECIEVE_DATA");
        let path = format!("/v1/jobs/SEGMENT_EXPORT?{query}");
        let waiting = self.exchange().ask(Method::GET, &path, key, "").await?;
        let people = stream::people("email");
        // One without an address and one that is hashed already: every list has such rows.
        let mut rows = "email;language\r\n".to_owned();
        for (at, email) in people.iter().enumerate() {
            let language = if at % 3 == 0 { "it" } else { "en" };
            rows.push_str(&format!("{email};{language}\r\n"));
        }
        rows.push_str(" ;en\r\n");
        let hashed = hashing::hash(HashAlgorithm::EmailSha256, "shylock@example.com", None);
        rows.push_str(&format!("{};it\r\n", hashed.unwrap_or_default()));
        for job in waiting.as_array().into_iter().flatten() {
            let path = format!("/v1/jobs/{}/data", job["jobId"]);
            self.upload(&path, key, rows.clone()).await?;
        }
        let done = self.wait(job, "COMPLETED").await?;
        let got = self.stage.crm.lists.rows(READERS_NAME).unwrap_or_default();
        let got = column(&got);
        let wanted = people.iter().map(|email| {
            let hashed = hashing::hash(HashAlgorithm::EmailSha256, email, None);
            hashed.unwrap_or_default()
        });
        let is_right = got == wanted.collect::<BTreeSet<String>>();
        let how = "uploaded by the shop, replaced at the CRM";
        self.shared(READERS_NAME, how, (job, &done), is_right).await
    }

    async fn to_the_shop(&self) -> Result<Shared, PartnerError> {
        let registered = &self.stage.registered;
        let (shop, key) = (registered.shop.id, registered.shop.key.as_str());
        let path = format!("/accounts/{}/segments/refresh", registered.account);
        let refresh = self.manage(Method::POST, &path, "{}").await?;
        self.wait(refresh["jobId"].as_i64().unwrap_or_default(), "COMPLETED")
            .await?;
        let body = json!({ "sourceEndpointId": registered.crm.id, "segmentId": REGULARS, "destinationEndpointId": shop,
                           "identifier": { "source": "ACCOUNT_NO", "destination": "customerId" }, "attributes": {} });
        let job = self.make(&body).await?;
        self.wait(job, "READY_FOR_DOWNLOAD").await?;
        let path = format!("/v1/jobs/SEGMENT_EXPORT/{job}");
        let ready = self.exchange().ask(Method::GET, &path, key, "").await?;
        let mut got = BTreeSet::new();
        for file in ready["segmentDataFiles"].as_array().into_iter().flatten() {
            let name = file.as_str().unwrap_or_default();
            let path = format!("/v1/jobs/{job}/segmentDataFiles/{name}");
            got.extend(column(&self.fetch(&path, key).await?));
        }
        let path = format!("/v1/jobs/{job}/complete");
        self.exchange().ask(Method::PUT, &path, key, "").await?;
        let done = self.wait(job, "COMPLETED").await?;
        let is_right = got == stream::people("customerId");
        let how = "asked of the CRM, fetched by the shop";
        self.shared("Regulars", how, (job, &done), is_right).await
    }

    async fn manage(&self, method: Method, path: &str, body: &str) -> Result<Value, PartnerError> {
        let path = format!("/manage/v1{path}");
        self.exchange()
            .ask(method, &path, &self.stage.token, body)
            .await
    }

    /// The job of the first run.
    async fn make(&self, body: &Value) -> Result<i64, PartnerError> {
        let path = format!("/accounts/{}/shares", self.stage.registered.account);
        let made = self.manage(Method::POST, &path, &body.to_string()).await?;
        Ok(made["jobId"].as_i64().unwrap_or_default())
    }

    async fn upload(&self, path: &str, key: &str, rows: String) -> Result<(), PartnerError> {
        let csv = HeaderValue::from_static("text/csv");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, csv)]);
        let body = Bytes::from(rows);
        let answer = self
            .exchange()
            .call(Method::POST, path, key, headers, body)
            .await?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(PartnerError::Refused {
            method: Method::POST,
            path: path.to_owned(),
            status: answer.status.as_u16(),
            detail: detail(&answer),
        })
    }

    /// A file's text.
    async fn fetch(&self, path: &str, key: &str) -> Result<String, PartnerError> {
        let answer = self
            .exchange()
            .call(Method::GET, path, key, HeaderMap::new(), Bytes::new())
            .await?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// The job, once it stands there.
    async fn wait(&self, job: i64, status: &str) -> Result<Value, PartnerError> {
        let path = format!("/accounts/{}/jobs/{job}", self.stage.registered.account);
        loop {
            let shown = self.manage(Method::GET, &path, "").await?;
            if shown["status"] == status {
                return Ok(shown);
            }
            let has_failed = shown["status"] == "FAILED" || shown["status"] == "CANCELED";
            if has_failed || Instant::now() > self.until {
                return Err(PartnerError::Odd {
                    method: Method::GET,
                    path,
                    detail: format!(
                        "it is {}, not {status}: {}",
                        shown["status"], shown["error"]
                    ),
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn shared(
        &self,
        what: &'static str,
        how: &'static str,
        (job, done): (i64, &Value),
        is_right: bool,
    ) -> Result<Shared, PartnerError> {
        let names = ["read", "matched", "unmatched", "rejected", "sent"];
        let records = names.map(|name| done["records"][name].as_u64().unwrap_or_default());
        let digests = done["report"]["digests"].as_object();
        let digest = digests.and_then(|digests| digests.values().next());
        let digest = digest.and_then(|digest| digest["sha256"].as_str());
        let mut left_out = Vec::new();
        for report in ["unmatched", "rejected"] {
            let account = self.stage.registered.account;
            let path = format!("/manage/v1/accounts/{account}/jobs/{job}/files/{report}.csv");
            let rows = self.fetch(&path, &self.stage.token).await?;
            let rows = rows.lines().skip(1).take(3);
            left_out.extend(rows.map(|row| format!("{report}: {row}")));
        }
        Ok(Shared {
            what,
            how,
            job,
            records,
            digest: digest.unwrap_or_default().to_owned(),
            left_out,
            is_right,
        })
    }
}

/// The first column, without its heading.
fn column(rows: &str) -> BTreeSet<String> {
    let firsts = rows.lines().skip(1).map(|row| row.split(',').next());
    firsts
        .map(|first| first.unwrap_or_default().to_owned())
        .collect()
}
