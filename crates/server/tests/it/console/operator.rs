//! The operator's pages: accounts with their limits, people, providers, jobs, what goes out, tasks and storage.

use std::time::Duration;

use model::Role;
use serde_json::json;

use super::Browser;
use crate::harness::{TestHub, event, wait};

async fn olga(hub: &TestHub) -> Browser {
    hub.operator("olga@example.com").await;
    Browser::of(hub, "olga@example.com").await
}

#[tokio::test]
async fn limits_are_for_operators_and_the_rest_for_the_accounts_admin() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let shop = hub.publisher(&account, &["cartAdd"]).await;
    let mut olga = olga(&hub).await;
    hub.person("ada@example.com", &[(account.id, Role::Admin)])
        .await;
    hub.person("vera@example.com", &[(account.id, Role::Viewer)])
        .await;
    let (mut ada, mut vera) = (Browser::new(&hub), Browser::new(&hub));
    ada.sign_in("ada@example.com").await;
    vera.sign_in("vera@example.com").await;
    let path = |rest: &str| format!("/console/{}/settings{rest}", account.id);

    let limits = [("second", ""), ("day", "100")];
    assert_eq!(ada.post(&path("/limits"), &limits).await.status, 403);
    assert!(!ada.page(&path("")).await.contains("for operators to set"));
    let set = olga.submit(&path("/limits"), &limits).await;
    assert!(
        set.contains("The limits are set") && set.contains("of the 100 events of today"),
        "{set}"
    );
    let wrong = olga.post(&path("/limits"), &[("day", "many")]).await;
    assert_eq!(wrong.status, 400);
    hub.published(&shop, event("cartAdd", "ada@example.com", 5))
        .await;
    let used = vera.page(&path("")).await;
    assert!(!used.contains("0 of the 100 events"), "{used}");

    let policy = [
        ("strictness", "strict"),
        ("identity", "on"),
        ("defaultRegion", "de"),
    ];
    let saved = ada.submit(&path("/policy"), &policy).await;
    assert!(saved.contains("The policy is saved"), "{saved}");
    let now = hub
        .server
        .hub
        .account(hub::Scope(account.id))
        .expect("there")
        .policy;
    assert_eq!(now.strictness, model::Strictness::Strict);
    assert_eq!(now.default_region.as_deref(), Some("DE"));
    assert_eq!(now.max_events_per_day, Some(100), "what was not said stays");
    let nowhere = ada
        .submit(&path("/policy"), &[("defaultRegion", "XQ")])
        .await;
    assert!(nowhere.contains("defaultRegion:"), "{nowhere}");
    let renamed = ada.submit(&path("/name"), &[("name", "Northwind")]).await;
    assert!(renamed.contains("It is called Northwind"), "{renamed}");
    assert!(
        vera.page(&path("")).await.contains("are refused"),
        "a viewer reads the policy"
    );
    assert_eq!(vera.post(&path("/policy"), &policy).await.status, 403);

    let made = ada.post(&path("/keys"), &[]).await.text();
    let key = made
        .split("ra_")
        .nth(1)
        .and_then(|rest| rest.split('<').next());
    let key = format!("ra_{}", key.expect("a key"));
    assert_eq!(hub.http.get("/v1/application", &key).await.status, 200);
    let list = ada.page(&path("/keys")).await;
    assert!(!list.contains(&key), "{list}");
    let revoke = list
        .split("action=\"")
        .find(|rest| rest.contains("/revoke\""));
    let revoke = revoke
        .and_then(|rest| rest.split('"').next())
        .expect("a form")
        .to_owned();
    ada.submit(&revoke, &[]).await;
    assert_eq!(hub.http.get("/v1/application", &key).await.status, 403);

    let found = olga
        .page("/console/operator/accounts?q=northw&environment=production")
        .await;
    assert!(found.contains(">Northwind<"), "{found}");
    let none = olga
        .page("/console/operator/accounts?q=northw&environment=pilot")
        .await;
    assert!(none.contains("No account is called so"), "{none}");
}

#[tokio::test]
async fn an_operator_disables_others_and_never_themselves() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    let mut olga = olga(&hub).await;
    let vera = hub
        .person("vera@example.com", &[(account.id, Role::Viewer)])
        .await;
    let mut other = Browser::of(&hub, "vera@example.com").await;
    let path = |rest: &str| format!("/console/operator/people/{}{rest}", vera.id);
    let shown = olga.page(&path("")).await;
    assert!(
        shown.contains("viewer") && shown.contains("What they changed"),
        "{shown}"
    );
    let disabled = olga.submit(&path("/change"), &[("disabled", "true")]).await;
    assert!(disabled.contains("status disabled"), "{disabled}");
    assert_eq!(other.get("/console/accounts").await.status, 303, "out");
    let enabled = olga
        .submit(&path("/change"), &[("disabled", "false")])
        .await;
    assert!(enabled.contains("status active"), "{enabled}");
    let operator = olga.submit(&path("/change"), &[("operator", "true")]).await;
    assert!(
        operator.contains("may do everything everywhere"),
        "{operator}"
    );
    other.sign_in("vera@example.com").await;
    olga.submit(&path("/revoke"), &[]).await;
    assert_eq!(
        other.get("/console/accounts").await.status,
        303,
        "out again"
    );

    for (rest, fields) in [
        ("/change", vec![("operator", "false")]),
        ("/remove", vec![]),
    ] {
        let own = format!("/console/operator/people/1{rest}");
        assert_eq!(olga.post(&own, &fields).await.status, 400, "{rest}");
    }
    let gone = olga.submit(&path("/remove"), &[]).await;
    assert!(
        gone.contains("They are removed") && !gone.contains("vera@example.com</td>"),
        "{gone}"
    );
}

#[tokio::test]
async fn an_invitation_is_shown_to_operators_and_mailed_for_others() {
    let hub = TestHub::start().await;
    let account = hub.account().await;
    hub.person("ada@example.com", &[(account.id, Role::Admin)])
        .await;
    let mut ada = Browser::of(&hub, "ada@example.com").await;
    let fields = [("email", "new@example.com"), ("role", "viewer")];
    let invited = ada
        .post(&format!("/console/{}/people", account.id), &fields)
        .await;
    let text = invited.text();
    assert!(
        text.contains("new@example.com is invited") && !text.contains("/console/welcome/"),
        "{text}"
    );
    // It waits for a mail server, and an operator can give them another.
    let mut olga = olga(&hub).await;
    hub.settle().await;
    let outbox = olga.page("/console/operator/outbox?kind=mail").await;
    assert!(
        outbox.contains("waiting") && outbox.contains("no mail server"),
        "{outbox}"
    );
    assert!(!outbox.contains("ri_"), "no secret is shown: {outbox}");
    let found = olga
        .page("/console/operator/people?email=new%40example.com")
        .await;
    let link = found
        .split("href=\"")
        .find(|rest| rest.starts_with("/console/operator/people/"));
    let link = link
        .and_then(|rest| rest.split('"').next())
        .expect("a person")
        .to_owned();
    let again = olga.post(&format!("{link}/invite"), &[]).await.text();
    assert!(again.contains("/console/welcome/ri_"), "{again}");
}

#[tokio::test]
async fn a_supplier_key_is_named_and_its_secret_never_shown() {
    let hub = TestHub::start().await;
    hub.account().await;
    let mut olga = olga(&hub).await;
    let path = "/console/operator/providers/1";
    let fields = [
        ("authUrl", "https://tokens.example.com/token"),
        ("clientId", "rialto"),
        ("clientSecret", "s3cret of the client"),
    ];
    let made = olga.post(path, &fields).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let list = olga.page(path).await;
    assert!(
        list.contains("tokens.example.com") && !list.contains("s3cret"),
        "{list}"
    );
    let gone = olga.submit(&format!("{path}/keys/1/delete"), &[]).await;
    assert!(
        gone.contains("The key is forgotten") && !gone.contains("tokens.example.com"),
        "{gone}"
    );
    assert_eq!(olga.get("/console/operator/providers/99").await.status, 404);
}

#[tokio::test]
async fn jobs_of_all_accounts_storage_and_tasks_are_there_to_see() {
    // With the work running by itself.
    let hub = TestHub::run_with(|_| {}).await;
    let account = hub.account().await;
    let crm = json!({ "name": "CRM", "providerName": "Acme",
        "endpointTypes": { "segment": { "source": { "enabled": true, "producerType": "push" } } },
        "marketingDatabasesDefinition": { "marketingDatabases": [{ "name": "db", "identifiers": [{ "name": "email", "type": "email" }] }] } });
    hub.endpoint(&account, crm).await;
    hub.publisher(&account, &["cartAdd"]).await;
    let actor = hub::Actor::OPERATOR;
    let refreshed = hub
        .server
        .hub
        .segments_refresh(&actor, hub::Scope(account.id), None);
    refreshed.await.expect("a job");
    let mut olga = olga(&hub).await;
    let jobs = olga.page("/console/operator/jobs").await;
    assert!(
        jobs.contains("Audience lists asked for") && jobs.contains(">Shop<"),
        "{jobs}"
    );
    let failed = olga
        .page("/console/operator/jobs?category=gdprRequest")
        .await;
    assert!(failed.contains("There is no such job"), "{failed}");
    let storage = olga.page("/console/operator/storage").await;
    assert!(
        storage.contains("of the 64.0 GiB") && storage.contains("iB</strong><span>accounts"),
        "{storage}"
    );
    let mut tasks = String::new();
    for _ in 0..600 {
        tasks = olga.page("/console/operator/tasks/live").await;
        if ["retire", "jobs", "pack", "notify"]
            .iter()
            .all(|task| tasks.contains(&format!(">{task}<")))
        {
            break;
        }
        wait(Duration::from_millis(100)).await;
    }
    assert!(
        tasks.contains(">retire<") && tasks.contains("status active"),
        "{tasks}"
    );
    assert!(!tasks.contains("failing"), "{tasks}");
}
