//! The search page in a real browser: chromedriver and headless Chromium, as a person would use the page.
//!
//! Where there is no chromedriver the test says that it skips; with `DIPTYCH_REQUIRE_BROWSER=1` it fails instead.
//! The page promises these handles to the tests: `body[data-state]`, `body[data-direction]` and the `data-testid`s.

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

/// Encoding a picture on a machine that runs other tests beside this one takes its time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Two questions whose answers can be told apart by their titles. Any words have nearest pictures.
const WORDS: &str = "a bird on a branch";
const OTHER_WORDS: &str = "something to eat";

const QUIET: [&str; 8] = [
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

    page_answers_words(&browser).await;
    dialog_opens_and_closes(&browser).await;
    back_and_forward_restore_the_question(&browser).await;
    page_answers_a_chosen_picture(&browser).await;
    page_answers_a_dropped_picture(&browser).await;
    console_stays_silent(&browser).await;
    narrow_window_does_not_scroll_sideways(&browser).await;
    // Last, for a refusal is an error on the console too.
    page_explains_a_refusal(&browser).await;

    browser.client.close().await.expect("the browser closes");
}

/// Typing words shows pictures that load, each with its words and score.
async fn page_answers_words(browser: &Browser) {
    browser.goto("/").await;
    browser.state("start", "none").await;
    browser.ask(WORDS).await;
    browser.state("results", "text").await;

    assert!(browser.client.current_url().await.expect("an address").query().is_some_and(|q| q.starts_with("q=")));
    browser.until("the first pictures are loaded", &format!("return {FIRST_PICTURES_LOADED}")).await;
    let score = browser.text("[data-testid=picture-result] [data-testid=score]").await;
    assert!(score.contains('%') || score.contains('.'), "a score is a percentage or a cosine, found {score:?}");
    let status = browser.text("[data-testid=status]").await;
    assert!(status.contains("picture"), "the status counts the pictures, found {status:?}");
}

/// Checked on the first few only: pictures below the fold load when they are scrolled to.
const FIRST_PICTURES_LOADED: &str = "(() => {
    const seen = [...document.querySelectorAll('[data-testid=picture-result] img')].slice(0, 4);
    return seen.length > 0 && seen.every((picture) => picture.naturalWidth > 0);
})()";

/// A result opens large with its facts, Escape closes it, and the focus is back where it was.
async fn dialog_opens_and_closes(browser: &Browser) {
    browser.find("[data-testid=picture-result] [data-testid=open-result]").await.click().await.expect("a click");
    browser.find("[data-testid=item-dialog][open]").await;
    browser
        .until("the large picture is loaded", "return document.getElementById('dialog-picture').naturalWidth > 0")
        .await;
    let facts = browser.text("[data-testid=dialog-facts]").await;
    let id = browser.find("[data-testid=picture-result]").await.attr("data-item-id").await.expect("an attribute");
    assert!(id.as_ref().is_some_and(|id| facts.contains(id)), "the id {id:?} is among the facts: {facts:?}");

    let focused = browser.client.active_element().await.expect("something has the focus");
    focused.send_keys(&Key::Escape.to_string()).await.expect("a key");
    browser.until("the dialog is closed", "return !document.getElementById('item-dialog').open").await;
    browser
        .until(
            "the focus is back",
            "return document.activeElement === document.querySelector('[data-testid=open-result]')",
        )
        .await;
}

/// Every question is a step in the history.
async fn back_and_forward_restore_the_question(browser: &Browser) {
    browser.ask(OTHER_WORDS).await;
    browser.asked(OTHER_WORDS).await;
    browser.client.back().await.expect("back");
    browser.asked(WORDS).await;
    browser.client.back().await.expect("back");
    browser.state("start", "none").await;
    browser.client.forward().await.expect("forward");
    browser.asked(WORDS).await;
    browser.client.refresh().await.expect("a reload");
    browser.asked(WORDS).await;
}

/// A chosen file is shown and answered with captions; similar pictures are a tab away.
async fn page_answers_a_chosen_picture(browser: &Browser) {
    let file = browser.save_first_result().await;
    browser.goto("/").await;
    browser.state("start", "none").await;
    browser.choose(file.path()).await;
    browser.state("results", "picture").await;

    browser.until("the picture is shown", "return document.getElementById('asked-picture-img').naturalWidth > 0").await;
    assert!(!browser.text("[data-testid=caption-result] [data-testid=caption-text]").await.is_empty());
    browser.find("[data-testid=tab-pictures]").await.click().await.expect("a click");
    browser.until("similar pictures are loaded", &format!("return {FIRST_PICTURES_LOADED}")).await;
}

/// A picture that is dropped beside words is asked with together with them.
async fn page_answers_a_dropped_picture(browser: &Browser) {
    browser.goto("/?q=bird").await;
    browser.state("results", "text").await;
    let source = "document.querySelector('[data-testid=picture-result] img').src";
    browser.hand_over("drop", source, "dropped.jpg").await;
    browser.state("results", "picture").await;
    browser.until("both are terms", "return document.querySelectorAll('[data-testid=term]').length === 2").await;
    browser.until("the term names its file", "return document.body.innerText.includes('dropped.jpg')").await;
    browser.until("there are tabs", "return !document.getElementById('tabs').hidden").await;
    browser.find("[data-testid=tab-captions]").await.click().await.expect("a click");
    assert!(!browser.text("[data-testid=caption-result] [data-testid=caption-text]").await.is_empty());
}

/// A file that only says it is a picture gets the service's own words.
async fn page_explains_a_refusal(browser: &Browser) {
    let file = tempfile::Builder::new().suffix(".png").tempfile().expect("a file");
    std::fs::write(file.path(), "not a picture").expect("the file is written");
    browser.choose(file.path()).await;
    browser.state("error", "picture").await;
    assert!(!browser.text("[data-testid=notice-title]").await.is_empty());
    assert!(!browser.text("[data-testid=notice-detail]").await.is_empty());
}

/// At 320 pixels everything fits: the start, the answers, the dialog.
async fn narrow_window_does_not_scroll_sideways(browser: &Browser) {
    let size = json!({ "width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": false });
    browser.extension("goog/cdp/execute", json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": size })).await;
    const FITS: &str = "return [document.documentElement, document.getElementById('item-dialog')]
        .every((part) => part.scrollWidth <= 320)";
    browser.goto("/").await;
    browser.state("start", "none").await;
    browser.until("the start fits", FITS).await;
    browser.ask(WORDS).await;
    browser.state("results", "text").await;
    browser.until("the answers fit", FITS).await;
    browser.find("[data-testid=picture-result] [data-testid=open-result]").await.click().await.expect("a click");
    browser.find("[data-testid=item-dialog][open]").await;
    browser.until("the dialog fits", FITS).await;
    browser.find("[data-testid=dialog-close]").await.click().await.expect("a click");
}

/// Neither script errors, nor failed requests, nor breaches of the content security policy.
pub(crate) async fn console_stays_silent(browser: &Browser) {
    let entries = browser.extension("se/log", json!({ "type": "browser" })).await;
    let entries = entries.as_array().expect("a list of console entries");
    let severe: Vec<_> = entries.iter().filter(|entry| entry["level"] == "SEVERE").collect();
    assert!(severe.is_empty(), "the console has errors: {severe:#?}");
}

/// A running chromedriver, ended with the test, and the browsers it started with it.
pub(crate) struct Driver {
    process: Child,
    /// Kept open, for a driver that cannot print would end.
    _output: BufReader<ChildStdout>,
    port: u16,
    /// Removed when the browsers that write to it are gone.
    profile: tempfile::TempDir,
}

impl Driver {
    /// Starts chromedriver on a port of its own choice. `None` where it is not installed and need not be.
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
                eprintln!("skipped: the page is tested with chromedriver and Chromium, which are not here ({error})");
                return None;
            }
        };
        let mut output = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut line = String::new();
        let port: u16 = loop {
            line.clear();
            let read = output.read_line(&mut line).expect("chromedriver prints text");
            assert!(read > 0, "chromedriver ended before it named its port");
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

    /// Asks chromedriver to close its browsers: a browser outlives a driver that is only killed.
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
    /// Where the WebDriver session takes commands.
    session: String,
    /// `http://127.0.0.1:PORT` of the service.
    pub(crate) base: String,
}

impl Browser {
    pub(crate) async fn open(driver: &Driver, base: &str) -> Self {
        let mut arguments = QUIET.map(str::to_owned).to_vec();
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

    /// Opens the search page in a browser that runs no scripts. Those of the tests run again afterwards.
    pub(crate) async fn goto_without_scripts(&self, path: &str) {
        let disable = async |value: bool| {
            self.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": value })).await;
        };
        // A page for which Chromium starts a new process can be faster than the setting.
        for _ in 0..5 {
            disable(true).await;
            self.goto(path).await;
            disable(false).await;
            if self.run("return document.body.dataset.state").await == "opening" {
                return;
            }
        }
        panic!("the scripts of {path} run although they are disabled");
    }

    pub(crate) async fn find(&self, css: &str) -> Element {
        let found = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await;
        found.unwrap_or_else(|error| panic!("{css} did not come: {error}"))
    }

    pub(crate) async fn text(&self, css: &str) -> String {
        self.find(css).await.text().await.expect("an element has text")
    }

    /// Waits for a state of the page; a page that is in another one tells its notice.
    pub(crate) async fn state(&self, state: &str, direction: &str) {
        let css = format!("body[data-state={state}][data-direction={direction}]");
        let reached = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(&css)).await;
        if reached.is_err() {
            let script = "return JSON.stringify(document.body.dataset) + document.getElementById('answers').innerText";
            let found = self.client.execute(script, vec![]).await;
            panic!("the page should be in state {state}, {direction}; it is {found:?}");
        }
    }

    /// Waits until the page shows the answer to these words, in the field and in the title.
    pub(crate) async fn asked(&self, words: &str) {
        let script = format!(
            "return document.body.dataset.state === 'results' && document.getElementById('query').value === {0}
                && document.getElementById('answers-title').textContent.includes({0})",
            Value::from(words)
        );
        self.until(&format!("the page answers {words:?}"), &script).await;
    }

    /// Types words and presses the button.
    pub(crate) async fn ask(&self, words: &str) {
        let field = self.find("[data-testid=query]").await;
        field.clear().await.expect("the field is emptied");
        field.send_keys(words).await.expect("the field takes words");
        self.find("[data-testid=submit]").await.click().await.expect("a click");
    }

    /// Chooses a file as the file dialog would.
    pub(crate) async fn choose(&self, file: &Path) {
        let path = file.to_str().expect("a path in UTF-8");
        self.find("[data-testid=picture-file]").await.send_keys(path).await.expect("the input takes a file");
    }

    /// Drops or pastes (`way`) the picture at the address that `source` gives, as a file of this name.
    pub(crate) async fn hand_over(&self, way: &str, source: &str, name: &str) {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             fetch({source}).then((answer) => answer.blob()).then((blob) => {{
                 const carried = new DataTransfer();
                 carried.items.add(new File([blob], '{name}', {{ type: blob.type }}));
                 const options = {{ bubbles: true, cancelable: true }};
                 if ('{way}' === 'paste') {{
                     document.body.dispatchEvent(new ClipboardEvent('paste', {{ clipboardData: carried, ...options }}));
                 }} else for (const step of ['dragover', 'drop']) {{
                     document.body.dispatchEvent(new DragEvent(step, {{ dataTransfer: carried, ...options }}));
                 }}
                 done('');
             }}).catch((error) => done(String(error)));"
        );
        let said = self.client.execute_async(&script, vec![]).await.expect("the script runs");
        assert_eq!(said, "", "the picture could not be handed over");
    }

    /// What a script returns.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.expect("the script runs")
    }

    /// Clicks on what a selector finds first.
    pub(crate) async fn click(&self, css: &str) {
        self.find(css).await.click().await.unwrap_or_else(|error| panic!("{css} takes no click: {error}"));
    }

    /// Presses a key on the keyboard; it goes where the focus is.
    pub(crate) async fn press(&self, key: impl Into<char>) {
        let value = key.into();
        let strokes = KeyActions::new("keyboard".into()).then(KeyAction::Down { value }).then(KeyAction::Up { value });
        self.client.perform_actions(strokes).await.expect("a key");
    }

    /// A command of the browser's own protocol.
    pub(crate) async fn devtools(&self, cmd: &str, params: Value) -> Value {
        self.extension("goog/cdp/execute", json!({ "cmd": cmd, "params": params })).await
    }

    /// Waits until a script returns `true`.
    pub(crate) async fn until(&self, what: &str, script: &str) {
        wait_for(what, PATIENCE, async || {
            let response = self.client.execute(script, vec![]).await.expect("the script runs");
            (response == true).then_some(())
        })
        .await;
    }

    /// The picture of the first result, as a file that can be chosen.
    pub(crate) async fn save_first_result(&self) -> tempfile::NamedTempFile {
        let script = "return document.querySelector('[data-testid=picture-result] img').src";
        let source = self.client.execute(script, vec![]).await.expect("the script runs");
        let response = reqwest::get(source.as_str().expect("an address")).await.expect("the thumbnail comes");
        let file = tempfile::Builder::new().suffix(".jpg").tempfile().expect("a file");
        std::fs::write(file.path(), response.bytes().await.expect("bytes")).expect("the file is written");
        file
    }

    /// A command of chromedriver that is not part of WebDriver, and its value.
    pub(crate) async fn extension(&self, command: &str, body: Value) -> Value {
        let request = reqwest::Client::new().post(format!("{}/{command}", self.session)).json(&body);
        let response: Value = request.send().await.expect("a response").json().await.expect("JSON");
        assert!(response["value"]["error"].is_null(), "{command} was refused: {response}");
        response["value"].clone()
    }
}
