//! People in the console: looked up without their values getting into an address, drawn, undone and joined again; rules
//! tried before they are put in place; the switch.

use model::Role;
use serde_json::json;

use super::{Browser, location};
use crate::harness::scene::Scene;
use crate::identity::seen;

async fn signed_in(scene: &Scene, email: &str, role: Role) -> Browser {
    scene.hub.person(email, &[(scene.account.id, role)]).await;
    Browser::of(&scene.hub, email).await
}

/// The first address of this beginning that a page has a form for.
fn form(page: &str, part: &str) -> String {
    let mut actions = page.split("action=\"").skip(1);
    let found = actions.find_map(|rest| rest.split('"').next().filter(|path| path.contains(part)));
    found
        .unwrap_or_else(|| panic!("no form to {part}: {page}"))
        .to_owned()
}

#[tokio::test]
async fn a_person_is_looked_up_and_what_joined_them_is_undone_and_redone() {
    let scene = Scene::start().await;
    for step in [
        &[("cookie", "c-1")][..],
        &[("email", "Ada@<b>.example")],
        &[("cookie", "c-1"), ("email", "ada@<b>.example")],
    ] {
        scene.hub.published(&scene.shop, seen(step)).await;
    }
    scene.settle().await;
    let path = |rest: &str| format!("/console/{}/identities{rest}", scene.account.id);
    let mut mia = signed_in(&scene, "mia@example.com", Role::Member).await;
    let nobody = [("type", "email"), ("value", "grace@example.com")];
    let nobody = mia.post(&path("/look-up"), &nobody).await;
    assert_eq!(location(&nobody), path(""));
    let said = mia.get(&path("")).await.text();
    assert!(
        said.contains("Nobody is known by that") && !said.contains("grace@"),
        "{said}"
    );

    let ada = [("type", "EMAIL"), ("value", " ADA@<b>.example ")];
    let found = mia.post(&path("/look-up"), &ada).await;
    let person = location(&found).to_owned();
    assert!(
        person.contains("/identities/people/") && !person.contains("ada"),
        "{person}"
    );
    let page = mia.get(&person).await.text();
    for expected in [
        "<svg",
        "ada@&lt;b&gt;.example",
        "c-1",
        "made 2 people one",
        "in an event",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    let shop = format!("/endpoints/{}", scene.shop.id);
    assert!(page.contains(&shop), "who told it: {page}");
    assert!(
        !page.contains("operation=remove"),
        "a member makes no privacy requests"
    );
    let x1_id = person.rsplit('/').next().expect("an id").to_owned();
    let again = mia.post(&path("/look-up"), &[("x1Id", &x1_id)]).await;
    assert_eq!(location(&again), person);

    let undone = mia.post(&form(&page, "/undo"), &[("person", &x1_id)]).await;
    assert_eq!(location(&undone), person);
    let page = mia.get(&person).await.text();
    assert!(page.contains("what was 1 person is now 2 people"), "{page}");
    assert!(page.contains(">Undo<"), "it can be taken back: {page}");
    assert!(!page.contains("made 2 people one"), "{page}");
    let list = mia.get(&path("/undone")).await.text();
    assert!(
        list.contains("ada@&lt;b&gt;.example") && list.contains("Join again"),
        "{list}"
    );
    mia.post(&form(&list, "/redo"), &[("person", &x1_id)]).await;
    let page = mia.get(&person).await.text();
    assert!(page.contains("what was 2 people is now 1 person"), "{page}");

    let mut ada = signed_in(&scene, "ada@example.com", Role::Admin).await;
    let page = ada.get(&person).await.text();
    assert!(
        page.contains(&format!("/privacy/new?x1Id={x1_id}&amp;operation=remove")),
        "{page}"
    );
}

#[tokio::test]
async fn other_rules_are_tried_before_they_are_put_in_place() {
    let scene = Scene::start().await;
    for number in 0..4 {
        let cookie = format!("c-{number}");
        let event = seen(&[("email", "till@example.com"), ("cookie", &cookie)]);
        scene.hub.published(&scene.shop, event).await;
    }
    scene.settle().await;
    let path = |rest: &str| format!("/console/{}/identities{rest}", scene.account.id);
    let mut ada = signed_in(&scene, "ada@example.com", Role::Admin).await;
    let rules = [("limit", "100"), ("limits", "cookie = 3"), ("junk", "")];
    let tried = ada.post(&path("/rules/trial"), &rules).await.text();
    assert!(
        tried.contains("people would be") && tried.contains("seen with too many"),
        "{tried}"
    );
    let page = ada.get(&path("/kept-apart")).await.text();
    assert!(
        page.contains("No identifier was seen with too many"),
        "{page}"
    );
    let wrong = [("limit", "100"), ("limits", "cookie 3<"), ("junk", "")];
    let wrong = ada.post(&path("/rules"), &wrong).await.text();
    assert!(
        wrong.contains("such as cookie = 300") && wrong.contains("cookie 3&lt;"),
        "{wrong}"
    );

    let put = ada.post(&path("/rules"), &rules).await;
    let page = ada.get(location(&put)).await.text();
    assert!(
        page.contains("The rules are in place") && page.contains("cookie = 3"),
        "{page}"
    );
    let page = ada.get(&path("/kept-apart")).await.text();
    assert!(page.contains("till@example.com"), "{page}");
    let file = ada.get(&path("/kept-apart?format=csv")).await.text();
    assert!(file.contains("email,till@example.com,"), "{file}");
}

#[tokio::test]
async fn identities_are_switched_off_and_on_and_an_identifier_is_filtered() {
    let scene = Scene::start().await;
    let path = |rest: &str| format!("/console/{}/identities{rest}", scene.account.id);
    let mut ada = signed_in(&scene, "ada@example.com", Role::Admin).await;
    let off = ada.post(&path("/switch"), &[("identity", "off")]).await;
    let page = ada.get(location(&off)).await.text();
    assert!(
        page.contains("This account keeps no identities") && page.contains(">Undo<"),
        "{page}"
    );
    let account = format!("/accounts/{}", scene.account.id);
    let account = scene.hub.manage("GET", &account, json!(null)).await;
    assert_eq!(account.json()["policy"]["identity"], "off");
    ada.post(&path("/switch"), &[("identity", "on")]).await;
    let page = ada.get(&path("")).await.text();
    assert!(page.contains("Switch off"), "{page}");

    let named = format!("{} email", scene.shop.id);
    let filter = [("of", named.as_str()), ("publish", "yes")];
    ada.post(&path("/filters"), &filter).await;
    let page = ada.get(&path("/filters")).await.text();
    assert!(
        page.contains("kept out") && page.contains(">Undo<"),
        "{page}"
    );
    let unknown = format!("{} shoe-size", scene.shop.id);
    ada.post(&path("/filters"), &[("of", unknown.as_str())])
        .await;
    let page = ada.get(&path("/filters")).await.text();
    assert!(page.contains("no identifier of this name"), "{page}");
    ada.post(&form(&page, "/delete"), &[]).await;
    let page = ada.get(&path("/filters")).await.text();
    assert!(page.contains("No identifier is filtered"), "{page}");
}
