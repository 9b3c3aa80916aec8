//! The search page in a real browser, driven with chromedriver and headless Chromium the way a person uses it.
//!
//! Without chromedriver the test is skipped; with `DIPTYCH_REQUIRE_BROWSER=1` it fails instead. The tests rely on
//! `body[data-state]`, `body[data-direction]` and the `data-testid` attributes of the page.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use fantoccini::{
    Client, ClientBuilder, Locator,
    actions::{InputSource, KeyAction, KeyActions},
    elements::Element,
    key::Key,
};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};

use crate::common::{shared_server, wait_for};

/// Encoding a picture is slow while other tests run on the same machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// Two queries whose results can be told apart by their titles. Every query has nearest pictures.
const QUERY: &str = "a bird on a branch";
const OTHER_QUERY: &str = "something to eat";

const BROWSER_FLAGS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

#[tokio::test]
async fn search_page_answers_queries() {
    let Some(driver) = Driver::start() else { return };
    let Some(base) = shared_server().await else { return };
    let browser = Browser::open(&driver, base).await;

    page_answers_a_text_query(&browser).await;
    dialog_opens_and_closes(&browser).await;
    back_and_forward_restore_the_query(&browser).await;
    page_answers_a_chosen_picture(&browser).await;
    page_answers_a_dropped_picture(&browser).await;
    console_has_no_errors(&browser).await;
    narrow_window_does_not_scroll_sideways(&browser).await;
    // Last, because the rejection also logs an error on the console.
    page_explains_a_rejected_picture(&browser).await;

    browser.client.close().await.expect("the browser closes");
}

/// Submitting a text shows pictures that load, each with a score.
async fn page_answers_a_text_query(browser: &Browser) {
    browser.goto("/").await;
    browser.wait_for_state("start", "none").await;
    browser.submit_query(QUERY).await;
    browser.wait_for_state("results", "text").await;

    assert!(browser.client.current_url().await.expect("a URL").query().is_some_and(|q| q.starts_with("q=")));
    browser.wait_until("the first pictures are loaded", &format!("return {FIRST_PICTURES_LOADED}")).await;
    let score = browser.text("[data-testid=picture-result] [data-testid=score]").await;
    assert!(score.contains('%') || score.contains('.'), "a score is a percentage or a cosine, found {score:?}");
    let status = browser.text("[data-testid=status]").await;
    assert!(status.contains("picture"), "the status shows the number of pictures, found {status:?}");
}

/// Checks the first few only: pictures further down load when they are scrolled into view.
const FIRST_PICTURES_LOADED: &str = "(() => {
    const seen = [...document.querySelectorAll('[data-testid=picture-result] img')].slice(0, 4);
    return seen.length > 0 && seen.every((picture) => picture.naturalWidth > 0);
})()";

/// A result opens in a dialog with its details; Escape closes it and restores the focus.
async fn dialog_opens_and_closes(browser: &Browser) {
    browser.find("[data-testid=picture-result] [data-testid=open-result]").await.click().await.expect("a click");
    browser.find("[data-testid=item-dialog][open]").await;
    browser
        .wait_until(
            "the picture of the dialog is loaded",
            "return document.getElementById('dialog-picture').naturalWidth > 0",
        )
        .await;
    let facts = browser.text("[data-testid=dialog-facts]").await;
    let id = browser.find("[data-testid=picture-result]").await.attr("data-item-id").await.expect("an attribute");
    assert!(id.as_ref().is_some_and(|id| facts.contains(id)), "the id {id:?} is among the details: {facts:?}");

    let focused = browser.client.active_element().await.expect("something has the focus");
    focused.send_keys(&Key::Escape.to_string()).await.expect("a key");
    browser.wait_until("the dialog is closed", "return !document.getElementById('item-dialog').open").await;
    browser
        .wait_until(
            "the focus is restored",
            "return document.activeElement === document.querySelector('[data-testid=open-result]')",
        )
        .await;
}

/// Every query is an entry in the browser history.
async fn back_and_forward_restore_the_query(browser: &Browser) {
    browser.submit_query(OTHER_QUERY).await;
    browser.wait_for_results(OTHER_QUERY).await;
    browser.client.back().await.expect("back");
    browser.wait_for_results(QUERY).await;
    browser.client.back().await.expect("back");
    browser.wait_for_state("start", "none").await;
    browser.client.forward().await.expect("forward");
    browser.wait_for_results(QUERY).await;
    browser.client.refresh().await.expect("a reload");
    browser.wait_for_results(QUERY).await;
}

/// A chosen file is shown, with captions as results and similar pictures in another tab.
async fn page_answers_a_chosen_picture(browser: &Browser) {
    let file = browser.save_first_result().await;
    browser.goto("/").await;
    browser.wait_for_state("start", "none").await;
    browser.choose_file(file.path()).await;
    browser.wait_for_state("results", "picture").await;

    browser
        .wait_until("the picture is shown", "return document.getElementById('asked-picture-img').naturalWidth > 0")
        .await;
    assert!(!browser.text("[data-testid=caption-result] [data-testid=caption-text]").await.is_empty());
    browser.find("[data-testid=tab-pictures]").await.click().await.expect("a click");
    browser.wait_until("similar pictures are loaded", &format!("return {FIRST_PICTURES_LOADED}")).await;
}

/// A picture that is dropped on a text query becomes a second term of it.
async fn page_answers_a_dropped_picture(browser: &Browser) {
    browser.goto("/?q=bird").await;
    browser.wait_for_state("results", "text").await;
    let source = "document.querySelector('[data-testid=picture-result] img').src";
    browser.transfer_picture("drop", source, "dropped.jpg").await;
    browser.wait_for_state("results", "picture").await;
    browser.wait_until("both are terms", "return document.querySelectorAll('[data-testid=term]').length === 2").await;
    browser.wait_until("the term names its file", "return document.body.innerText.includes('dropped.jpg')").await;
    browser.wait_until("there are tabs", "return !document.getElementById('tabs').hidden").await;
    browser.find("[data-testid=tab-captions]").await.click().await.expect("a click");
    assert!(!browser.text("[data-testid=caption-result] [data-testid=caption-text]").await.is_empty());
}

/// A file that is not a picture is rejected with the message of the service.
async fn page_explains_a_rejected_picture(browser: &Browser) {
    let file = tempfile::Builder::new().suffix(".png").tempfile().expect("a file");
    std::fs::write(file.path(), "not a picture").expect("the file is written");
    browser.choose_file(file.path()).await;
    browser.wait_for_state("error", "picture").await;
    assert!(!browser.text("[data-testid=notice-title]").await.is_empty());
    assert!(!browser.text("[data-testid=notice-detail]").await.is_empty());
}

/// At a width of 320 pixels the start page, the results and the dialog fit.
async fn narrow_window_does_not_scroll_sideways(browser: &Browser) {
    let size = json!({ "width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": false });
    browser
        .driver_command("goog/cdp/execute", json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": size }))
        .await;
    const FITS: &str = "return [document.documentElement, document.getElementById('item-dialog')]
        .every((part) => part.scrollWidth <= 320)";
    browser.goto("/").await;
    browser.wait_for_state("start", "none").await;
    browser.wait_until("the start page fits", FITS).await;
    browser.submit_query(QUERY).await;
    browser.wait_for_state("results", "text").await;
    browser.wait_until("the results fit", FITS).await;
    browser.find("[data-testid=picture-result] [data-testid=open-result]").await.click().await.expect("a click");
    browser.find("[data-testid=item-dialog][open]").await;
    browser.wait_until("the dialog fits", FITS).await;
    browser.find("[data-testid=dialog-close]").await.click().await.expect("a click");
}

/// Checks that there are no script errors, failed requests or violations of the content security policy.
pub(crate) async fn console_has_no_errors(browser: &Browser) {
    let entries = browser.driver_command("se/log", json!({ "type": "browser" })).await;
    let entries = entries.as_array().expect("a list of console entries");
    let severe: Vec<_> = entries.iter().filter(|entry| entry["level"] == "SEVERE").collect();
    assert!(severe.is_empty(), "the console has errors: {severe:#?}");
}

/// A running chromedriver. It and its browsers are shut down when dropped.
pub(crate) struct Driver {
    process: Child,
    /// Kept open, because chromedriver exits when it cannot write to its standard output.
    _output: BufReader<ChildStdout>,
    port: u16,
    /// Removed after the browsers that write to it have exited.
    profile: tempfile::TempDir,
}

impl Driver {
    /// Starts chromedriver on a free port. `None` if it is not installed and the test is to be skipped.
    pub(crate) fn start() -> Option<Self> {
        let started = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut process = match started {
            Ok(process) => process,
            Err(error) => {
                let required = env::var("DIPTYCH_REQUIRE_BROWSER").is_ok_and(|v| v == "1");
                assert!(!required, "DIPTYCH_REQUIRE_BROWSER is 1, but chromedriver does not start: {error}");
                eprintln!("skipped: chromedriver and Chromium are not installed ({error})");
                return None;
            }
        };
        let mut output = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut line = String::new();
        let port: u16 = loop {
            line.clear();
            let read = output.read_line(&mut line).expect("chromedriver prints text");
            assert!(read > 0, "chromedriver exited before it printed its port");
            // "ChromeDriver was started successfully on port 40123."
            if let Some((_, port)) = line.trim_end().trim_end_matches('.').rsplit_once("successfully on port ") {
                break port.parse().expect("a port");
            }
        };
        Some(Self { process, _output: output, port, profile: tempfile::tempdir().expect("a folder") })
    }

    fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Shuts chromedriver down. Killing it would leave its browsers running.
    fn shut_down(&self) -> std::io::Result<()> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port))?;
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        connection.write_all(b"GET /shutdown HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        connection.read_to_end(&mut Vec::new())?;
        Ok(())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.shut_down();
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One browser window on the page of one service.
pub(crate) struct Browser {
    pub(crate) client: Client,
    /// URL of the WebDriver session.
    session: String,
    /// `http://127.0.0.1:PORT` of the service.
    pub(crate) base: String,
}

impl Browser {
    pub(crate) async fn open(driver: &Driver, base: &str) -> Self {
        let mut arguments = BROWSER_FLAGS.map(str::to_owned).to_vec();
        arguments.push("--window-size=1280,900".into());
        arguments.push(format!("--user-data-dir={}", driver.profile.path().display()));
        let capabilities = Map::from_iter([
            ("goog:chromeOptions".to_owned(), json!({ "args": arguments })),
            ("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL" })),
        ]);
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&driver.address())
            .await
            .expect("chromedriver starts Chromium");
        let id = client.session_id().await.expect("the driver answers").expect("a session");
        let session = format!("{}/session/{id}", driver.address());
        Self { client, session, base: base.to_owned() }
    }

    pub(crate) async fn goto(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.base)).await.expect("the page opens");
    }

    /// Opens a page with scripts disabled. The scripts of the tests run again afterwards.
    pub(crate) async fn goto_without_scripts(&self, path: &str) {
        let disable = async |value: bool| {
            self.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": value })).await;
        };
        // If Chromium starts a new process for the page, the page may load before the setting applies.
        for _ in 0..5 {
            disable(true).await;
            self.goto(path).await;
            disable(false).await;
            if self.run_script("return document.body.dataset.state").await == "opening" {
                return;
            }
        }
        panic!("the scripts of {path} run although scripts are disabled");
    }

    pub(crate) async fn find(&self, css: &str) -> Element {
        let found = self.client.wait().at_most(TIMEOUT).for_element(Locator::Css(css)).await;
        found.unwrap_or_else(|error| panic!("{css} did not appear: {error}"))
    }

    pub(crate) async fn text(&self, css: &str) -> String {
        self.find(css).await.text().await.expect("an element has text")
    }

    /// Waits until the page is in a state; on timeout, panics with the state and text that it has instead.
    pub(crate) async fn wait_for_state(&self, state: &str, direction: &str) {
        let css = format!("body[data-state={state}][data-direction={direction}]");
        let reached = self.client.wait().at_most(TIMEOUT).for_element(Locator::Css(&css)).await;
        if reached.is_err() {
            let script = "return JSON.stringify(document.body.dataset) + document.getElementById('answers').innerText";
            let found = self.client.execute(script, vec![]).await;
            panic!("the page should be in state {state}, {direction}; it is {found:?}");
        }
    }

    /// Waits until the page shows the results of a query, with its text in the field and in the title.
    pub(crate) async fn wait_for_results(&self, words: &str) {
        let script = format!(
            "return document.body.dataset.state === 'results' && document.getElementById('query').value === {0}
                && document.getElementById('answers-title').textContent.includes({0})",
            Value::from(words)
        );
        self.wait_until(&format!("the results of {words:?}"), &script).await;
    }

    /// Types a query and clicks the button.
    pub(crate) async fn submit_query(&self, words: &str) {
        let field = self.find("[data-testid=query]").await;
        field.clear().await.expect("the field is emptied");
        field.send_keys(words).await.expect("the field accepts text");
        self.find("[data-testid=submit]").await.click().await.expect("a click");
    }

    /// Chooses a file, as in the file dialog.
    pub(crate) async fn choose_file(&self, file: &Path) {
        let path = file.to_str().expect("a path in UTF-8");
        self.find("[data-testid=picture-file]").await.send_keys(path).await.expect("the input accepts a file");
    }

    /// Drops or pastes (`event`) the picture at the URL that the expression `source` evaluates to, as a file `name`.
    pub(crate) async fn transfer_picture(&self, event: &str, source: &str, name: &str) {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             fetch({source}).then((answer) => answer.blob()).then((blob) => {{
                 const carried = new DataTransfer();
                 carried.items.add(new File([blob], '{name}', {{ type: blob.type }}));
                 const options = {{ bubbles: true, cancelable: true }};
                 if ('{event}' === 'paste') {{
                     document.body.dispatchEvent(new ClipboardEvent('paste', {{ clipboardData: carried, ...options }}));
                 }} else for (const step of ['dragover', 'drop']) {{
                     document.body.dispatchEvent(new DragEvent(step, {{ dataTransfer: carried, ...options }}));
                 }}
                 done('');
             }}).catch((error) => done(String(error)));"
        );
        let error = self.client.execute_async(&script, vec![]).await.expect("the script runs");
        assert_eq!(error, "", "the picture could not be transferred");
    }

    /// Runs a script and returns its value.
    pub(crate) async fn run_script(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.expect("the script runs")
    }

    /// Clicks the first element that matches a selector.
    pub(crate) async fn click(&self, css: &str) {
        self.find(css).await.click().await.unwrap_or_else(|error| panic!("{css} cannot be clicked: {error}"));
    }

    /// Presses a key on the keyboard, for the element that has the focus.
    pub(crate) async fn press_key(&self, key: impl Into<char>) {
        let value = key.into();
        let strokes = KeyActions::new("keyboard".into()).then(KeyAction::Down { value }).then(KeyAction::Up { value });
        self.client.perform_actions(strokes).await.expect("a key");
    }

    /// Sends a command of the Chrome DevTools Protocol.
    pub(crate) async fn devtools(&self, cmd: &str, params: Value) -> Value {
        self.driver_command("goog/cdp/execute", json!({ "cmd": cmd, "params": params })).await
    }

    /// Waits until a script returns `true`.
    pub(crate) async fn wait_until(&self, what: &str, script: &str) {
        wait_for(what, TIMEOUT, async || {
            let response = self.client.execute(script, vec![]).await.expect("the script runs");
            (response == true).then_some(())
        })
        .await;
    }

    /// Saves the thumbnail of the first result to a file.
    pub(crate) async fn save_first_result(&self) -> tempfile::NamedTempFile {
        let script = "return document.querySelector('[data-testid=picture-result] img').src";
        let source = self.client.execute(script, vec![]).await.expect("the script runs");
        let response = reqwest::get(source.as_str().expect("a URL")).await.expect("the thumbnail");
        let file = tempfile::Builder::new().suffix(".jpg").tempfile().expect("a file");
        std::fs::write(file.path(), response.bytes().await.expect("bytes")).expect("the file is written");
        file
    }

    /// Sends a chromedriver command that is not part of WebDriver, and returns its value.
    pub(crate) async fn driver_command(&self, command: &str, body: Value) -> Value {
        let request = reqwest::Client::new().post(format!("{}/{command}", self.session)).json(&body);
        let response: Value = request.send().await.expect("a response").json().await.expect("JSON");
        assert!(response["value"]["error"].is_null(), "{command} failed: {response}");
        response["value"].clone()
    }
}
