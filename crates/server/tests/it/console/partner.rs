//! A partner by pages alone: from asking to connect a product to having it in production, and a change that follows.

use axum::http::header;
use model::{AccountPolicy, Environment, Role};
use serde_json::{Value, json};

use super::{Browser, location};
use crate::harness::{TestHub, publisher_definition};
use crate::partner::{Office, series};

const ADA: &str = "ada@northwind.example";

/// The value of a hidden field.
fn hidden(page: &str, name: &str) -> String {
    let field = format!("name=\"{name}\" value=\"");
    let rest = page.split(&field).nth(1).expect("the field");
    let value = rest.split('"').next().expect("its value");
    value.replace("&quot;", "\"").replace("&amp;", "&")
}

/// A page of the pilot account.
fn below(pilot: &str, rest: &str) -> String {
    format!("{pilot}{rest}")
}

fn product() -> Value {
    json!({
        "displayName": "Mailer", "providerName": "Northwind", "description": "Sends mail", "url": "https://in.example.com",
        "endpointTypes": { "event": { "source": { "enabled": true }, "destination": { "enabled": true, "destinationType": "push" } } },
        "marketingDatabasesDefinition": { "marketingDatabases": [{ "name": "contacts", "identifiers": [
            { "name": "email", "type": "email", "isRequired": true },
        ] }] },
    })
}

/// Who is on the way, and how far they are.
struct Way {
    office: Office,
    ada: Browser,
    olga: Browser,
    /// The operator's page of the partner.
    partner: String,
    /// The first page of the pilot account.
    pilot: String,
}

impl Way {
    /// Asked for, taken in, and Ada is in the pilot account.
    async fn begin() -> Self {
        let office = Office::start().await;
        office.hub.person(ADA, &[]).await;
        office.hub.operator("olga@example.com").await;
        // Their invitations.
        assert_eq!(office.mails().await.len(), 2);
        let mut ada = Browser::of(&office.hub, ADA).await;
        let mut olga = Browser::of(&office.hub, "olga@example.com").await;

        let refused = ada
            .post("/console/partner", &[("company", "Northwind")])
            .await;
        assert_eq!(refused.status, 400, "{}", refused.text());
        let text = refused.text();
        assert!(
            text.contains("product:") && text.contains("value=\"Northwind\""),
            "{text}"
        );
        let request = [
            ("company", "Northwind"),
            ("product", "Mailer"),
            ("exchanges", "Sends mails and tells who opened them"),
            ("form", "single"),
        ];
        let asked = ada.submit("/console/partner", &request).await;
        assert!(
            asked.contains("The request is sent") && asked.contains("Mailer of Northwind"),
            "{asked}"
        );

        let overview = olga.page("/console/operator").await;
        assert!(overview.contains("1 request of a company"), "{overview}");
        let partners = olga
            .page("/console/operator/partners?stage=requested")
            .await;
        assert!(partners.contains(ADA), "{partners}");
        let partner = "/console/operator/partners/1".to_owned();
        let taken = olga.submit(&format!("{partner}/nominate"), &[]).await;
        assert!(
            taken.contains("is taken in") && taken.contains("Nobody is in its pilot account"),
            "{taken}"
        );
        series(&office.mails().await);
        let invited = olga.submit(&format!("{partner}/contact"), &[]).await;
        assert!(
            invited.contains("is admin of the pilot account"),
            "{invited}"
        );

        let home = ada.get("/console").await;
        let pilot = location(&home).to_owned();
        let shown = ada.page(&pilot).await;
        assert!(
            shown.contains("data-environment=\"pilot\"")
                && shown.contains("Nothing here reaches production"),
            "{shown}"
        );
        Self {
            office,
            ada,
            olga,
            partner,
            pilot,
        }
    }

    /// Defines the product with a deployment, an event type and how accounts are taken on.
    async fn define(&mut self) {
        let mut wrong = product();
        wrong["marketingDatabasesDefinition"]["marketingDatabases"][0]["identifiers"][0] =
            json!({ "name": "email" });
        let (new, text) = (below(&self.pilot, "/applications/new"), wrong.to_string());
        let refused = self.ada.post(&new, &[("document", &text)]).await;
        assert_eq!(refused.status, 400);
        let text = refused.text();
        assert!(
            text.contains("<strong>Line ") && text.contains("/identifiers/0/type"),
            "{text}"
        );
        let broken = self
            .ada
            .post(&new, &[("document", "{\"displayName\"")])
            .await;
        assert!(
            broken.text().contains("this is no JSON"),
            "{}",
            broken.text()
        );

        let text = product().to_string();
        // Written as a field, not in the text.
        let fields = [
            ("document", text.as_str()),
            ("was:/description", "Sends mail"),
            ("field:/description", "Sends mail, and more"),
            ("was:/displayName", "Mailer"),
            ("field:/displayName", "Mailer"),
            ("was:/endpointTypes/event/source/enabled", "true"),
            ("field:/endpointTypes/event/source/enabled", "true"),
        ];
        let defined = self.ada.submit(&new, &fields).await;
        assert!(
            defined.contains("Sends mail, and more") && defined.contains("Nothing is offered yet"),
            "{defined}"
        );

        let deployment = json!({ "id": "mails", "displayName": "Mails" }).to_string();
        let fields = [("document", deployment.as_str())];
        let added = self
            .ada
            .submit(
                &below(&self.pilot, "/applications/1/deployments/new"),
                &fields,
            )
            .await;
        assert!(
            added.contains("It has none.") && added.contains("Nothing is said about it"),
            "{added}"
        );

        let deployment = below(&self.pilot, "/applications/1/deployments/mails");
        let types = format!("{deployment}/event-types");
        let event =
            json!({ "code": "emailOpen", "name": "Mail opened", "attributes": [] }).to_string();
        let preview = self.ada.post(&types, &[("document", &event)]).await.text();
        assert!(
            preview.contains("no endpoint would be another"),
            "{preview}"
        );
        let document = hidden(&preview, "document");
        let saved = self
            .ada
            .submit(&format!("{types}/save"), &[("document", &document)])
            .await;
        assert!(saved.contains("emailOpen"), "{saved}");

        let onboarding = json!({ "onboardingType": "INSTRUCTIONSONLY", "instructions": "Paste the key into Settings." });
        let path = format!("{deployment}/onboarding");
        let text = onboarding.to_string();
        let fields = [("document", text.as_str()), ("step", "preview")];
        let preview = self.ada.post(&path, &fields).await.text();
        assert!(
            preview.contains("What users will see") && preview.contains("<p>Paste the key"),
            "{preview}"
        );
        let shown = self.ada.page(&deployment).await;
        assert!(
            shown.contains("Nothing is said about it"),
            "only looked at: {shown}"
        );
        let saved = self.ada.submit(&path, &fields[..1]).await;
        assert!(saved.contains("Paste the key into Settings."), "{saved}");
    }

    /// Certified, with what is open not asked for.
    async fn certify(&mut self) {
        let asked = self.ada.submit(&below(&self.pilot, "/review"), &[]).await;
        assert!(asked.contains("An operator looks at it now"), "{asked}");
        let shown = self.olga.page(&self.partner).await;
        let open: Vec<&str> = shown
            .split("name=\"waive\" value=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert!(open.contains(&"registered"), "{open:?}");
        let path = format!("{}/certify", self.partner);
        let mut fields = vec![
            ("version", "4.2"),
            ("licence", "Exchange partner agreement"),
            ("licenceVersion", "1"),
        ];
        let refused = self.olga.submit(&path, &fields).await;
        assert!(
            refused.contains("the checklist is not done")
                || refused.contains("The checklist is not done"),
            "{refused}"
        );
        let open: Vec<String> = open.into_iter().map(str::to_owned).collect();
        fields.extend(open.iter().map(|id| ("waive", id.as_str())));
        let certified = self.olga.submit(&path, &fields).await;
        assert!(
            certified.contains("Mailer is certified") && certified.contains("Ready for Rialto"),
            "{certified}"
        );
    }

    /// What would go to production, and its digest.
    async fn difference(&mut self) -> (String, String) {
        let shown = self.olga.page(&format!("{}/promotion", self.partner)).await;
        let digest = if shown.contains("name=\"digest\"") {
            hidden(&shown, "digest")
        } else {
            String::new()
        };
        (shown, digest)
    }

    async fn promote(&mut self, digest: &str) -> String {
        let path = format!("{}/promotion", self.partner);
        self.olga.submit(&path, &[("digest", digest)]).await
    }
}

#[tokio::test]
async fn from_a_request_to_production_and_a_change_that_follows() {
    let mut way = Way::begin().await;
    let review = way.ada.page(&below(&way.pilot, "/review")).await;
    assert!(
        review.contains("Certification of Mailer") && review.contains("0 of 7 done"),
        "{review}"
    );
    way.define().await;
    way.certify().await;

    let (shown, digest) = way.difference().await;
    assert!(
        shown.contains("1 added") && shown.contains("An account in production is opened"),
        "{shown}"
    );
    assert!(
        shown.contains("Paste the key into Settings."),
        "onboarding goes with it: {shown}"
    );
    let done = way.promote(&digest).await;
    assert!(done.contains("It is in production"), "{done}");
    way.office.mails().await;
    let (shown, _) = way.difference().await;
    assert!(shown.contains("production is what pilot is"), "{shown}");

    // A change: looked at, saved, and only that goes to production, as it was looked at.
    let edit = below(&way.pilot, "/applications/1/edit");
    let editor = way.ada.page(&edit).await;
    assert!(editor.contains("Sends mail, and more"), "{editor}");
    let mut document = product();
    document["description"] = json!("Sends mail well");
    let text = document.to_string();
    let preview = way.ada.post(&edit, &[("document", &text)]).await.text();
    assert!(
        preview.contains("<del>Sends mail, and more</del>")
            && preview.contains("<ins>Sends mail well</ins>"),
        "{preview}"
    );
    let before = way.ada.page(&below(&way.pilot, "/applications/1")).await;
    assert!(
        before.contains("Sends mail, and more"),
        "nothing is changed yet"
    );
    let save = below(&way.pilot, "/applications/1/save");
    let saved = way
        .ada
        .submit(&save, &[("document", &hidden(&preview, "document"))])
        .await;
    assert!(saved.contains("It is saved."), "{saved}");

    let stale = way.promote(&digest).await;
    assert!(stale.contains("is not what was reviewed"), "{stale}");
    let (shown, digest) = way.difference().await;
    assert!(
        shown.contains("0 added, 1 changed, 0 removed") && shown.contains("description"),
        "{shown}"
    );
    let done = way.promote(&digest).await;
    assert!(done.contains("1 differences were brought there"), "{done}");

    // What was done and by whom.
    let shown = way.olga.page(&way.partner).await;
    assert!(
        shown.contains("olga@example.com") && shown.contains(ADA),
        "{shown}"
    );
}

#[tokio::test]
async fn who_is_declined_reads_the_reason_and_can_ask_again() {
    let mut way = Way::begin().await;
    let path = format!("{}/decline", way.partner);
    let empty = way.olga.post(&path, &[("reason", " ")]).await;
    assert_eq!(empty.status, 400);
    let declined = way
        .olga
        .submit(&path, &[("reason", "The demonstration did not happen.")])
        .await;
    assert!(
        declined.contains("is told the reason") && declined.contains("Nothing more can be done"),
        "{declined}"
    );
    let mails = way.office.mails().await;
    assert!(mails[0].text().contains("demonstration did not happen"));
    let shown = way.ada.page("/console/partner").await;
    assert!(shown.contains("It was declined"), "{shown}");
    let fields = [
        ("company", "Northwind"),
        ("product", "Mailer"),
        ("exchanges", "mails"),
    ];
    for _ in 0..5 {
        way.ada.submit("/console/partner", &fields).await;
    }
    let loops = way.ada.post("/console/partner", &fields).await;
    assert!(
        loops.text().contains("wait for an answer"),
        "{}",
        loops.text()
    );
}

#[tokio::test]
async fn what_a_change_does_to_endpoints_is_shown_before_it_is_made() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    hub.person("mia@example.com", &[(account.id, Role::Member)])
        .await;
    let mut mia = Browser::of(&hub, "mia@example.com").await;
    let path = |rest: &str| format!("/console/{}{rest}", account.id);
    let mut document = product();
    document["providerName"] = json!("Acme");
    let text = document.to_string();
    mia.submit(&path("/applications/new"), &[("document", &text)])
        .await;
    let deployment = json!({ "id": "mails", "displayName": "Mails" }).to_string();
    mia.submit(
        &path("/applications/1/deployments/new"),
        &[("document", &deployment)],
    )
    .await;
    let own = json!({ "applicationId": 1, "deploymentId": "mails" });
    let endpoint = hub.endpoint(&account, own).await;
    let read = || {
        hub.server
            .hub
            .endpoint(hub::Scope(account.id), endpoint.id)
            .expect("there")
            .definition
    };

    document["displayName"] = json!("Mailer 2");
    let text = document.to_string();
    let preview = mia
        .post(&path("/applications/1/edit"), &[("document", &text)])
        .await
        .text();
    assert!(
        preview.contains(&format!("Endpoint {}", endpoint.id))
            && preview.contains("<ins>Mailer 2</ins>"),
        "{preview}"
    );
    assert_eq!(read().name, "Mailer");
    let again = [("document", text.as_str()), ("step", "again")];
    let editor = mia.post(&path("/applications/1/edit"), &again).await.text();
    assert!(
        editor.contains("Mailer 2") && editor.contains("See what changes"),
        "{editor}"
    );
    let saved = mia
        .submit(&path("/applications/1/save"), &[("document", &text)])
        .await;
    assert!(saved.contains("1 endpoints follow"), "{saved}");
    assert_eq!(read().name, "Mailer 2");

    let types = path("/applications/1/deployments/mails/event-types");
    let event = json!({ "code": "emailOpen", "name": "Mail opened", "attributes": [] }).to_string();
    let preview = mia.post(&types, &[("document", &event)]).await.text();
    assert!(
        preview.contains("added") && preview.contains("emailOpen"),
        "{preview}"
    );
    mia.submit(&format!("{types}/save"), &[("document", &event)])
        .await;
    let ask = mia.page(&format!("{types}/remove?code=emailOpen")).await;
    assert!(ask.contains("removed"), "{ask}");
    let removed = mia
        .submit(&format!("{types}/remove"), &[("code", "emailOpen")])
        .await;
    assert!(removed.contains("1 endpoints follow"), "{removed}");

    // What endpoints are made from cannot be deleted, and says so.
    let kept = mia.submit(&path("/applications/1/delete"), &[]).await;
    assert!(kept.contains("is what endpoints"), "{kept}");
    let shown = mia
        .submit(
            &path("/applications/1/visibility"),
            &[("visibility", "PUBLIC")],
        )
        .await;
    assert!(
        shown.contains("All accounts of this environment see it"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_test_drive_shows_what_is_sent_and_answered() {
    let hub = TestHub::start().await;
    let account = hub
        .account_in(Environment::Pilot, AccountPolicy::default())
        .await;
    hub.person("pat@example.com", &[(account.id, Role::Partner)])
        .await;
    let mut pat = Browser::of(&hub, "pat@example.com").await;
    // A partner is let into applications, and into nothing that customers send.
    let home = pat.get("/console").await;
    assert_eq!(
        location(&home),
        format!("/console/{}/applications", account.id)
    );
    assert_eq!(
        pat.get(&format!("/console/{}", account.id)).await.status,
        403
    );

    let path = format!("/console/{}/test-drive", account.id);
    let begun = pat.submit(&path, &[]).await;
    assert!(
        begun.contains("It answers every push with <strong>200</strong>"),
        "{begun}"
    );
    let mistaken = [
        ("code", "cartAdd"),
        ("mistake", "no-channel"),
        ("destination", ""),
    ];
    let refused = pat.post(&format!("{path}/publish"), &mistaken).await.text();
    assert!(
        refused.contains("refused") && refused.contains("channel"),
        "{refused}"
    );
    let receiver = begun
        .split("<select name=\"destination\">")
        .nth(1)
        .and_then(|rest| rest.split("value=\"").nth(1));
    let receiver = receiver
        .and_then(|rest| rest.split('"').next())
        .expect("a destination")
        .to_owned();
    pat.submit(&format!("{path}/answer"), &[("answer", "400")])
        .await;
    let right = [
        ("code", "cartAdd"),
        ("mistake", ""),
        ("destination", receiver.as_str()),
    ];
    let taken = pat.post(&format!("{path}/publish"), &right).await.text();
    assert!(taken.contains("taken: 1 event"), "{taken}");
    hub.settle().await;
    let pushes = pat.page(&format!("{path}/pushes")).await;
    assert!(
        pushes.contains(">400<")
            && pushes.contains("webhook-signature")
            && pushes.contains("cartAdd"),
        "{pushes}"
    );
}

#[tokio::test]
async fn what_partners_and_people_write_is_only_text() {
    const EVIL: &str = "<img src=x onerror=alert(1)>\"'><script>alert(1)</script>";
    let hub = TestHub::start().await;
    let account = hub
        .account_in(Environment::Pilot, AccountPolicy::default())
        .await;
    let _ = hub
        .server
        .hub
        .provider_create(&hub::Actor::OPERATOR, EVIL)
        .await;
    hub.operator("olga@example.com").await;
    let mut olga = Browser::of(&hub, "olga@example.com").await;
    let path = |rest: &str| format!("/console/{}{rest}", account.id);
    let asked = [("company", EVIL), ("product", EVIL), ("exchanges", EVIL)];
    olga.submit("/console/partner", &asked).await;
    olga.submit("/console/operator/partners/1/decline", &[("reason", EVIL)])
        .await;
    olga.submit("/console/me/name", &[("name", EVIL)]).await;
    olga.submit(&path("/settings/name"), &[("name", EVIL)])
        .await;
    let mut document = product();
    for member in ["displayName", "description"] {
        document[member] = json!(EVIL);
    }
    document["providerName"] = json!("Acme");
    let text = document.to_string();
    olga.submit(&path("/applications/new"), &[("document", &text)])
        .await;
    let deployment = json!({ "id": "mails", "displayName": EVIL, "description": EVIL }).to_string();
    olga.submit(
        &path("/applications/1/deployments/new"),
        &[("document", &deployment)],
    )
    .await;
    let event =
        json!({ "code": EVIL, "name": EVIL, "attributes": [{ "name": EVIL, "type": "string" }] })
            .to_string();
    let types = path("/applications/1/deployments/mails/event-types");
    olga.submit(&format!("{types}/save"), &[("document", &event)])
        .await;
    let onboarding =
        json!({ "onboardingType": "INSTRUCTIONSONLY", "instructions": EVIL }).to_string();
    let boarding = path("/applications/1/deployments/mails/onboarding");
    olga.submit(&boarding, &[("document", &onboarding)]).await;
    let mut definition = publisher_definition();
    definition["name"] = EVIL.into();
    hub.endpoint(&account, definition).await;

    let token = [("name", EVIL), ("scope", "read")];
    assert_eq!(olga.post("/console/me/tokens", &token).await.status, 200);
    let mut seen = 0;
    for path in [
        "/console/partner".to_owned(),
        "/console/accounts".to_owned(),
        "/console/me".to_owned(),
        "/console/me/tokens".to_owned(),
        "/console/operator/partners".to_owned(),
        "/console/operator/partners/1".to_owned(),
        "/console/operator/providers".to_owned(),
        "/console/operator/people".to_owned(),
        "/console/operator/accounts".to_owned(),
        "/console/operator/outbox".to_owned(),
        path("/settings"),
        path("/applications"),
        path("/applications/1"),
        path("/applications/1/edit"),
        path("/applications/1/deployments/mails"),
        path("/applications/1/deployments/mails/edit"),
        boarding,
    ] {
        let text = olga.page(&path).await;
        assert!(
            !text.contains("<img src=x") && !text.contains("<script>"),
            "{path}: {text}"
        );
        seen += usize::from(text.contains("&lt;img src=x onerror=alert(1)&gt;"));
    }
    assert!(seen >= 14, "the texts are shown: on {seen} pages");
    let file = olga.get("/console/operator/partners?format=csv").await;
    assert_eq!(
        file.headers[header::CONTENT_TYPE],
        "text/csv; charset=utf-8"
    );
}
