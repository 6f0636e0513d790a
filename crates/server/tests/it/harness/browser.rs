//! A real browser: Chromium without a window, driven through its chromedriver (W3C WebDriver, which is plain JSON).
//!
//! Called by `console_browser`. A [`Browser`] is a fresh one each time, with a directory of its own. All tests of this
//! process share one chromedriver, which ends with the last browser that is open, by its own process group, and also when
//! this process is killed. So many browsers at once, and no more, are open: [`AT_ONCE_MAX`]. Every wait has an end.

mod driver;

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{Http, TestHub, wait};
use driver::Driver;

/// A browser is several processes and 200 MB.
const AT_ONCE_MAX: usize = 2;
static PLACES: Semaphore = Semaphore::const_new(AT_ONCE_MAX);

/// For a page to be as it should be; generous, since build machines are busy.
const PATIENCE: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What a test browser must not do by itself: call home, update, ask, draw on a graphics card.
const ARGUMENTS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-component-update",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--hide-scrollbars",
];

/// Where the protocol names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys that are no text, as the protocol spells them.
pub(crate) mod key {
    pub(crate) const TAB: &str = "\u{e004}";
    pub(crate) const ENTER: &str = "\u{e007}";
    pub(crate) const SPACE: &str = " ";
    pub(crate) const ESCAPE: &str = "\u{e00c}";
    pub(crate) const DOWN: &str = "\u{e015}";
}

/// A window, with its page.
pub(crate) struct Browser {
    http: Http,
    /// `/session/…`
    session: String,
    /// What paths are under.
    base: String,
    driver: Arc<Driver>,
    _profile: tempfile::TempDir,
    _place: SemaphorePermit<'static>,
}

impl Browser {
    /// On the hub's address of production, where the console is; 1280 × 800, light.
    pub(crate) async fn start(hub: &TestHub) -> Self {
        Self::at(&hub.http.url("")).await
    }

    /// The same with paths under another address.
    pub(crate) async fn at(base: &str) -> Self {
        let place = PLACES.acquire().await.expect("it is never closed");
        let driver = Driver::get();
        let http = Http::new(driver.address);
        let profile = tempfile::tempdir().expect("a directory");
        let directory = format!("--user-data-dir={}", profile.path().display());
        let arguments: Vec<&str> = ARGUMENTS.into_iter().chain([directory.as_str()]).collect();
        let capabilities = json!({ "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "implicit": 0, "pageLoad": 60_000, "script": 60_000 },
        } });
        let made = http
            .json(
                "POST",
                "/session",
                None,
                Some(json!({ "capabilities": capabilities })),
            )
            .await;
        assert_eq!(made.status, 200, "no browser: {}", made.text());
        let id = made.json()["value"]["sessionId"].clone();
        let browser = Self {
            http,
            session: format!("/session/{}", id.as_str().expect("an id")),
            base: base.trim_end_matches('/').to_owned(),
            driver,
            _profile: profile,
            _place: place,
        };
        browser.view(1280, 800, false).await;
        browser
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> Result<Value, String> {
        let body = (method == "POST").then_some(body);
        let path = format!("{}{path}", self.session);
        let answer = self.http.json(method, &path, None, body).await;
        let value = answer.json()["value"].clone();
        if answer.status == 200 {
            Ok(value)
        } else {
            Err(value["message"].to_string())
        }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        match self.call("POST", path, body).await {
            Ok(value) => value,
            Err(why) => panic!("{path}: {why}\n{}", self.described().await),
        }
    }

    /// Where it is and what it shows, for whoever reads why a test failed.
    async fn described(&self) -> String {
        let script = json!({ "script": "return document.title + '\\n' + document.body.innerText", "args": [] });
        let text = self.call("POST", "/execute/sync", script).await;
        let text = text
            .as_ref()
            .ok()
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        format!("at {}:\n{text}", self.address().await)
    }

    /// Goes to a path of the hub, or to a whole address.
    pub(crate) async fn goto(&self, path: &str) {
        let url = if path.starts_with('/') {
            format!("{}{path}", self.base)
        } else {
            path.to_owned()
        };
        self.post("/url", json!({ "url": url })).await;
    }

    /// Where it is; only the path with its query where that is the hub.
    pub(crate) async fn address(&self) -> String {
        let url = self.call("GET", "/url", Value::Null).await;
        let url = url
            .as_ref()
            .ok()
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        url.strip_prefix(&self.base).unwrap_or(&url).to_owned()
    }

    /// How large the page is, and whether its visitor likes it dark.
    pub(crate) async fn view(&self, width: u32, height: u32, is_dark: bool) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.tools("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = if is_dark { "dark" } else { "light" };
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.tools(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        )
        .await;
    }

    /// A call of the developer tools' protocol.
    pub(crate) async fn tools(&self, command: &str, parameters: Value) -> Value {
        self.post(
            "/goog/cdp/execute",
            json!({ "cmd": command, "params": parameters }),
        )
        .await
    }

    /// Runs the body of a function in the page; its answer.
    pub(crate) async fn script(&self, body: &str, arguments: Value) -> Value {
        self.post(
            "/execute/sync",
            json!({ "script": body, "args": arguments }),
        )
        .await
    }

    /// The same for one that answers by calling its last argument.
    pub(crate) async fn script_async(&self, body: &str, arguments: Value) -> Value {
        self.post(
            "/execute/async",
            json!({ "script": body, "args": arguments }),
        )
        .await
    }

    /// Runs the body of a function in the page's frame of this number, from 0.
    pub(crate) async fn in_frame(&self, number: u32, body: &str) -> Value {
        self.post("/frame", json!({ "id": number })).await;
        let answer = self.script(body, json!([])).await;
        self.post("/frame/parent", json!({})).await;
        answer
    }

    /// Looks until the expression is true in the page.
    pub(crate) async fn until(&self, expression: &str) {
        let until = Instant::now() + PATIENCE;
        let script = json!({ "script": format!("return Boolean({expression})"), "args": [] });
        // Between two pages there is none to ask: the next look finds it.
        while self.call("POST", "/execute/sync", script.clone()).await != Ok(Value::Bool(true)) {
            if Instant::now() > until {
                panic!("never: {expression}\n{}", self.described().await);
            }
            wait(LOOK_EVERY).await;
        }
    }

    /// Waits until the text can be read on the page.
    pub(crate) async fn shows(&self, text: &str) {
        let text = json!(text);
        self.until(&format!("document.body.innerText.includes({text})"))
            .await;
    }

    /// The element that an XPath or a selector of CSS finds first; waits for it.
    async fn find(&self, selector: &str) -> String {
        let using = if selector.starts_with('/') || selector.starts_with('(') {
            "xpath"
        } else {
            "css selector"
        };
        let query = json!({ "using": using, "value": selector });
        let until = Instant::now() + PATIENCE;
        loop {
            if let Ok(found) = self.call("POST", "/element", query.clone()).await {
                return format!("/element/{}", found[ELEMENT].as_str().expect("an id"));
            }
            if Instant::now() > until {
                panic!("there is no {selector}\n{}", self.described().await);
            }
            wait(LOOK_EVERY).await;
        }
    }

    /// A call to the element that is found. A page that follows the exchange may put another one in its place just
    /// then: nothing was done with the one that was found, and the other is found.
    async fn with(&self, selector: &str, (method, what): (&str, &str), body: &Value) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let element = self.find(selector).await;
            let path = format!("{element}{what}");
            match self.call(method, &path, body.clone()).await {
                Ok(value) => return value,
                Err(why) if why.contains("stale element") && Instant::now() < until => {}
                Err(why) => panic!("{what} of {selector}: {why}\n{}", self.described().await),
            }
        }
    }

    /// The text of an element, as somebody reads it.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let text = self.with(selector, ("GET", "/text"), &Value::Null).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    pub(crate) async fn click(&self, selector: &str) {
        self.with(selector, ("POST", "/click"), &json!({})).await;
    }

    /// Drags one element to another with the mouse, as a hand does it: a little first, so that it is a drag.
    pub(crate) async fn drag(&self, what: &str, to: &str) {
        let (what, to) = (self.find(what).await, self.find(to).await);
        let element = |path: &str| json!({ ELEMENT: path.trim_start_matches("/element/") });
        let scroll = "arguments[0].scrollIntoView({ block: 'center' })";
        self.script(scroll, json!([element(&to)])).await;
        let to_be_at = |path: &str, away: i32| json!({ "type": "pointerMove", "duration": 50, "origin": element(path), "x": away, "y": away });
        // A busy browser needs a moment to see that it is dragged.
        let still = json!({ "type": "pause", "duration": 150 });
        let actions = json!([{ "type": "pointer", "id": "mouse", "parameters": { "pointerType": "mouse" }, "actions": [
            to_be_at(&what, 0), { "type": "pointerDown", "button": 0 }, still, to_be_at(&what, 8), still,
            to_be_at(&to, 0), still, to_be_at(&to, 3), still, { "type": "pointerUp", "button": 0 },
        ] }]);
        self.post("/actions", json!({ "actions": actions })).await;
    }

    /// Types into a field, in place of what is there.
    pub(crate) async fn type_(&self, selector: &str, text: &str) {
        self.with(selector, ("POST", "/clear"), &json!({})).await;
        self.with(selector, ("POST", "/value"), &json!({ "text": text }))
            .await;
    }

    /// Clicks the button, link or choice that is called so, or whose name begins so.
    pub(crate) async fn press(&self, name: &str) {
        self.click(&named(name)).await;
    }

    /// Types into the field whose label begins so.
    pub(crate) async fn fill(&self, label: &str, text: &str) {
        self.type_(&field(label), text).await;
    }

    /// Says yes to the question that the page asks; waits for it.
    pub(crate) async fn accept(&self) {
        let until = Instant::now() + PATIENCE;
        while let Err(why) = self.call("POST", "/alert/accept", json!({})).await {
            assert!(Instant::now() < until, "nothing is asked: {why}");
            wait(LOOK_EVERY).await;
        }
    }

    /// Presses keys one after another, wherever the focus is.
    pub(crate) async fn keys(&self, keys: &[&str]) {
        let strokes = keys.iter().flat_map(|keys| keys.chars()).flat_map(|one| {
            ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": one.to_string() }))
        });
        let strokes: Vec<Value> = strokes.collect();
        let actions = json!([{ "type": "key", "id": "keyboard", "actions": strokes }]);
        self.post("/actions", json!({ "actions": actions })).await;
    }

    /// Walks with the tab key until the expression, in which `at` is the element with the focus, is true.
    pub(crate) async fn tab_to(&self, expression: &str) {
        const STOPS_MAX: usize = 200;
        let script = format!("const at = document.activeElement; return Boolean({expression})");
        for _ in 0..STOPS_MAX {
            self.keys(&[key::TAB]).await;
            if self.script(&script, json!([])).await == Value::Bool(true) {
                return;
            }
        }
        panic!(
            "the tab key never comes to {expression}\n{}",
            self.described().await
        );
    }

    /// The page as PNG.
    pub(crate) async fn screenshot(&self) -> Vec<u8> {
        let picture = self.call("GET", "/screenshot", Value::Null).await;
        let picture = picture.expect("a picture");
        let decoded =
            base64::engine::general_purpose::STANDARD.decode(picture.as_str().unwrap_or_default());
        decoded.expect("base64")
    }

    /// What the browser complained of since the last call: errors of scripts, refused resources, broken policies.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let lines = self.post("/se/log", json!({ "type": "browser" })).await;
        let lines = lines.as_array().cloned().unwrap_or_default();
        let is_bad = |line: &&Value| {
            ["SEVERE", "WARNING"]
                .iter()
                .any(|level| line["level"] == *level)
        };
        lines
            .iter()
            .filter(is_bad)
            .map(|line| line["message"].to_string())
            .collect()
    }

    /// What axe-core finds wrong with the page, each as a line; empty if nothing.
    pub(crate) async fn axe(&self) -> Vec<String> {
        const AXE: &str = include_str!("../../vendor/axe-core/axe.min.js");
        const RULES: [&str; 7] = [
            "wcag2a",
            "wcag2aa",
            "wcag21a",
            "wcag21aa",
            "wcag22aa",
            "best-practice",
            "section508",
        ];
        if self
            .script("return typeof axe === 'undefined'", json!([]))
            .await
            == Value::Bool(true)
        {
            // Called in the page's own realm, so that its policy on scripts holds on all the same.
            self.script(&format!("{AXE}\nwindow.axe = axe;"), json!([]))
                .await;
        }
        let run = "const done = arguments[arguments.length - 1];
            axe.run(document, { runOnly: arguments[0], resultTypes: ['violations'] }).then(
                (found) => done(found.violations.flatMap((one) => one.nodes.map((node) =>
                    `${one.id}: ${node.target.join(' ')} ${node.html.slice(0, 160)} ${node.any.concat(node.all, node.none).map((check) => check.message).join('; ')}`))),
                (error) => done([String(error)]))";
        let found = self.script_async(run, json!([RULES])).await;
        let found = found.as_array().expect("a list").iter();
        found
            .map(|line| line.as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.driver.end(&self.session);
    }
}

/// A text as XPath writes it.
fn quoted(text: &str) -> String {
    if text.contains('\'') {
        format!("\"{text}\"")
    } else {
        format!("'{text}'")
    }
}

/// What can be pressed and is called so: rather in the page's content, rather by the whole name.
pub(crate) fn named(name: &str) -> String {
    let name = quoted(name);
    let kinds = "*[self::a or self::button or self::summary or self::label]";
    let (whole, begun) = (
        format!("{kinds}[normalize-space()={name}]"),
        format!("{kinds}[starts-with(normalize-space(), {name})]"),
    );
    first_of(&[
        format!("//main//{whole}"),
        format!("//{whole}"),
        format!("//main//{begun}"),
        format!("//{begun}"),
    ])
}

/// The field whose label is this, or begins so.
pub(crate) fn field(label: &str) -> String {
    let label = quoted(label);
    let kinds = "*[self::input or self::select or self::textarea]";
    first_of(&[
        format!("//label[normalize-space()={label}]//{kinds}"),
        format!("//label[starts-with(normalize-space(), {label})]//{kinds}"),
    ])
}

/// What the first of these paths finds that finds anything.
fn first_of(paths: &[String]) -> String {
    let mut text = String::new();
    for (at, path) in paths.iter().enumerate() {
        let before: Vec<&str> = paths[..at].iter().map(String::as_str).collect();
        if before.is_empty() {
            text = format!("({path})");
        } else {
            text = format!("{text} | ({path})[not({})]", before.join(" | "));
        }
    }
    format!("({text})[1]")
}
