//! A picture of every page, for the manual: `cargo xtask screenshots` runs this with `RIALTO_SCREENSHOTS`, the folder to draw
//! into; without it only the first pages are drawn, to see that it can be done.
//!
//! What differs from run to run is evened out: the browser's zone and language, free ports, times that were measured.

use std::path::PathBuf;

use serde_json::json;

use super::scene::{ADA, Scene};
use super::{is_wanted, is_whole, sign_in};
use crate::harness::browser::Browser;

/// What the picture is called behind the page's name; width, height, and whether it is dark.
const VIEWS: [(&str, u32, u32, bool); 3] = [
    ("light", 1280, 800, false),
    ("dark", 1280, 800, true),
    ("narrow", 360, 740, false),
];

/// The view that shows more of a page than one sees at once, and how much.
const TALL: (&str, u32) = ("light", 1100);

/// Puts names in the place of what is another one each time.
const EVEN_OUT: &str = r"
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const node = walk.currentNode;
        node.data = node.data.replace(/http:\/\/127\.0\.0\.1:\d+/g, 'https://harbour.example').replace(/127\.0\.0\.1/g, '192.0.2.7').replace(/\b\d+ ms\b/g, '12 ms');
    }
    document.activeElement?.blur();
    return document.fonts.ready.then(() => true);";

#[tokio::test]
async fn every_page_can_be_drawn() {
    if !is_wanted() {
        return;
    }
    let scene = Scene::start(str::to_owned).await;
    let browser = Browser::start(&scene.hub).await;
    browser
        .tools(
            "Emulation.setTimezoneOverride",
            json!({ "timezoneId": "Europe/Berlin" }),
        )
        .await;
    browser
        .tools("Emulation.setLocaleOverride", json!({ "locale": "en-GB" }))
        .await;
    let temporary = tempfile::tempdir().expect("a directory");
    let wanted = std::env::var_os("RIALTO_SCREENSHOTS").map(PathBuf::from);
    let pages = if wanted.is_some() {
        scene.pages.len()
    } else {
        2
    };
    let folder = wanted.unwrap_or_else(|| temporary.path().to_owned());
    draw(&browser, "sign-in", "/console/sign-in", &folder).await;
    sign_in(&browser, ADA).await;
    for (name, path) in &scene.pages[..pages] {
        browser.goto(path).await;
        if !is_whole(&browser).await {
            continue;
        }
        draw(&browser, name, path, &folder).await;
    }
}

async fn draw(browser: &Browser, name: &str, path: &str, folder: &std::path::Path) {
    for (view, width, height, is_dark) in VIEWS {
        browser.view(width, height, is_dark).await;
        browser.goto(path).await;
        browser.script(EVEN_OUT, json!([])).await;
        if view == TALL.0 {
            let all = browser.script("return document.documentElement.scrollHeight", json!([]));
            let all = all.await.as_u64().and_then(|all| u32::try_from(all).ok());
            let tall = all.unwrap_or(height).clamp(height, TALL.1);
            browser.view(width, tall, is_dark).await;
        }
        let picture = browser.screenshot().await;
        assert!(
            picture.starts_with(b"\x89PNG") && picture.len() > 2_000,
            "{name} {view}: {} bytes",
            picture.len()
        );
        std::fs::write(folder.join(format!("{name}.{view}.png")), picture).expect("written");
    }
}
