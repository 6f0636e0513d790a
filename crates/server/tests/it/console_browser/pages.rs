//! Every page with something on it: no barrier that axe-core knows of, in light and dark, wide and narrow; nothing beyond the
//! edge; nothing that the browser complains of.

use std::collections::BTreeMap;

use serde_json::json;

use super::scene::{ADA, Scene};
use super::{is_wanted, is_whole, signed_in};
use crate::harness::browser::Browser;

/// Width, height, and whether it is dark.
const VIEWS: [(u32, u32, bool); 4] = [
    (1280, 800, false),
    (2560, 1440, true),
    (360, 740, false),
    (360, 740, true),
];

/// What is wrong with the page that is shown, as lines.
async fn wrong(browser: &Browser) -> Vec<String> {
    let mut wrong = browser.axe().await;
    let over = "const wide = document.documentElement;
        return wide.scrollWidth > wide.clientWidth ? `${wide.scrollWidth} px wide: ` + [...document.querySelectorAll('body *')]
            .filter((one) => one.getBoundingClientRect().right > wide.clientWidth && !one.closest('.scroll, .picture, pre, .places, .visually-hidden'))
            .slice(0, 3).map((one) => one.outerHTML.slice(0, 120)).join(' | ') : ''";
    let over = browser.script(over, json!([])).await;
    let over = over.as_str().unwrap_or_default();
    if !over.is_empty() {
        wrong.push(format!("overflows: {over}"));
    }
    wrong
}

#[tokio::test]
async fn no_page_has_a_barrier_in_any_colour_or_width() {
    if !is_wanted() {
        return;
    }
    let scene = Scene::start(str::to_owned).await;
    let browser = signed_in(&scene.hub, ADA).await;
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut count = 0;
    for (_, path) in &scene.pages {
        browser.goto(path).await;
        if !is_whole(&browser).await {
            continue;
        }
        count += 1;
        let whole = browser.script("return Boolean(document.querySelector('main h1') && document.title && document.documentElement.lang)", json!([])).await;
        assert_eq!(
            whole,
            json!(true),
            "{path} has a title, a heading and a language"
        );
        for (width, height, is_dark) in VIEWS {
            browser.view(width, height, is_dark).await;
            for line in wrong(&browser).await {
                found
                    .entry(line)
                    .or_insert_with(|| format!("{path} at {width} px, dark: {is_dark}"));
            }
        }
    }
    assert!(count > 20, "{count} pages");
    let lines: Vec<String> = found
        .iter()
        .map(|(line, first)| format!("{first}: {line}"))
        .collect();
    assert!(
        lines.is_empty(),
        "{} to mend:\n{}",
        lines.len(),
        lines.join("\n")
    );
    let complaints = browser.complaints().await;
    let other: Vec<&String> = complaints
        .iter()
        .filter(|line| !line.contains("404 (Not Found)"))
        .collect();
    assert!(other.is_empty(), "{other:?}");
}

#[tokio::test]
async fn pages_for_nobody_yet_have_no_barrier() {
    if !is_wanted() {
        return;
    }
    let hub = crate::harness::TestHub::start().await;
    let browser = Browser::start(&hub).await;
    let mut all = Vec::new();
    for round in 0..2 {
        if round == 1 {
            hub.operator(ADA).await;
        }
        for path in [
            "/console/set-up",
            "/console/sign-in",
            "/console/welcome/ri_none",
        ] {
            browser.goto(path).await;
            for (width, height, is_dark) in VIEWS {
                browser.view(width, height, is_dark).await;
                all.extend(
                    wrong(&browser)
                        .await
                        .into_iter()
                        .map(|line| format!("{path} {width} {is_dark}: {line}")),
                );
            }
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}
