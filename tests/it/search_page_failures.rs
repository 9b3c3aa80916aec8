//! The search page under adverse conditions: without scripts, with a missing, wrong or revoked key, on a slow network,
//! and with a service that is busy or restarts.

use std::{path::Path, time::Duration};

use fantoccini::key::Key;
use serde_json::json;

use crate::{
    axe,
    browser::{Browser, Driver},
    common::{Server, copy_collection, diptych, shared_server, succeed, trained_collection, wait_for},
};

#[tokio::test]
async fn text_search_works_without_scripts() {
    let Some(driver) = Driver::start() else { return };
    let Some(base) = shared_server().await else { return };
    let browser = Browser::open(&driver, base).await;
    browser.goto_without_scripts("/?q=%3Cb%3Ebird%22&plain=1").await;
    let seen = browser
        .run_script(
            "return [document.body.dataset.state, document.getElementById('query').value, \
        document.querySelectorAll('b').length]",
        )
        .await;
    assert_eq!(seen, json!(["opening", "<b>bird\"", 0]), "no script ran, and the text is not markup");
    let list = "const all = [...document.querySelectorAll('.plates a')]; return all.length > 10 && all.every((one) => \
        one.href.includes('/v1/items/') && one.textContent.length > 0)";
    assert_eq!(browser.run_script(list).await, true);
    browser.wait_until("the pictures load", "return document.querySelector('.plates a img').naturalWidth > 0").await;
    assert!(browser.text(".plates .score").await.contains('%'));

    // The form works by itself.
    browser.goto_without_scripts("/").await;
    let sent = browser.run_script("return [...new FormData(document.getElementById('search-form')).keys()]").await;
    assert_eq!(sent, json!(["q", "plain"]), "without scripts the form requests the plain page");
    browser.submit_query("a fish").await;
    browser.wait_until("the form is submitted", "return location.search.startsWith('?q=a+fish')").await;
    browser.client.close().await.expect("the browser closes");
}

#[tokio::test]
async fn search_page_asks_for_a_key_when_needed() {
    let Some(driver) = Driver::start() else { return };
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let key = create_search_key(data.path());
    let server = Server::start(data.path()).await;
    let browser = Browser::open(&driver, &server.base).await;

    browser.goto("/?q=bird").await;
    browser.find("[data-testid=key-field]").await;
    axe::assert_accessible(&browser, "the key dialog").await;
    browser.click("[data-testid=key-cancel]").await;
    browser.wait_for_state("error", "text").await;
    assert!(browser.text("[data-testid=notice]").await.contains("key create"));
    let again = "return document.querySelector('[data-testid=key-dialog]') !== null";
    // The page also requests the labels for its examples by itself.
    let examples = "return performance.getEntriesByType('resource').some((one) => one.name.endsWith('/v1/labels'))";
    browser.wait_until("the examples are refused", examples).await;
    assert_eq!(browser.run_script(again).await, false, "after cancelling, the page does not ask again");
    browser.click("[data-testid=retry]").await;
    browser.find("[data-testid=key-field]").await.send_keys("dpt_0000_wrong").await.expect("a key");
    browser.press_key(Key::Enter).await;
    browser
        .wait_until(
            "the key is reported as unknown",
            "return document.querySelector('[data-testid=key-fault]')?.textContent.includes('unknown')",
        )
        .await;
    browser.find("[data-testid=key-field]").await.send_keys(&key).await.expect("a key");
    browser.press_key(Key::Enter).await;
    browser.wait_for_state("results", "text").await;
    let loaded = "const shown = [...document.querySelectorAll('[data-testid=thumbnail]')].slice(0, 4); return \
        shown.length > 0 && shown.every((one) => one.src.startsWith('blob:') && one.naturalWidth > 0)";
    browser.wait_until("pictures are loaded with the key", loaded).await;

    // Pictures that left the page are released.
    browser
        .run_script(
            "window.first = document.querySelector('[data-testid=thumbnail]').src; \
        document.getElementById('home').click()",
        )
        .await;
    browser.wait_for_state("start", "none").await;
    let released = browser
        .client
        .execute_async(
            "const done = arguments[0]; fetch(window.first).then(() => done(false), () => done(true))",
            vec![],
        )
        .await;
    assert_eq!(released.expect("the script runs"), true, "the object URL is revoked");

    browser.client.refresh().await.expect("a reload");
    browser.wait_for_state("start", "none").await;
    browser.submit_query("bird").await;
    browser.wait_for_state("results", "text").await;
    assert_eq!(
        browser.run_script("return [localStorage.getItem('diptych-key'), document.cookie]").await,
        json!([null, ""]),
        "the key is stored for the session only"
    );

    // After its key is revoked, the page asks for another and continues.
    let id = key.split('_').nth(1).expect("an id").to_owned();
    succeed(diptych(data.path()).args(["key", "revoke", &id]));
    browser.submit_query("fish").await;
    browser
        .wait_until(
            "the key is reported as revoked",
            "return document.querySelector('[data-testid=key-fault]')?.textContent.includes('revoked')",
        )
        .await;
    browser.find("[data-testid=key-field]").await.send_keys(&create_search_key(data.path())).await.expect("a key");
    browser.press_key(Key::Enter).await;
    browser.wait_for_results("fish").await;
    browser.client.close().await.expect("the browser closes");
}

#[tokio::test]
async fn page_without_scripts_needs_a_service_without_keys() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    succeed(diptych(data.path()).args(["key", "create", "--scope", "admin"]));
    let server = Server::start(data.path()).await;
    let page =
        reqwest::get(format!("{}/?q=bird&plain=1", server.base)).await.expect("the page").text().await.expect("text");
    assert!(page.contains("An API key is required") && !page.contains("thumbnail?"), "no results without a key");
}

#[tokio::test]
async fn search_page_explains_failures_and_offers_a_retry() {
    let Some(driver) = Driver::start() else { return };
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let address = server.base.trim_start_matches("http://").to_owned();
    let browser = Browser::open(&driver, &server.base).await;

    retry_button_waits_for_retry_after(&browser).await;
    page_reports_a_slow_network(&browser).await;

    browser.goto("/?q=bird").await;
    browser.wait_for_state("results", "text").await;
    server.kill();
    browser.submit_query("fish").await;
    browser.wait_for_state("error", "text").await;
    assert_eq!(browser.text("[data-testid=notice-title]").await, "The service does not answer");
    axe::assert_accessible(&browser, "an unreachable service").await;
    let mut command = diptych(data.path());
    command.args(["serve", "--listen", &address]);
    let server = Server::spawn(command, data.path());
    wait_for("readiness", Duration::from_secs(60), async || {
        let response = reqwest::get(format!("{}/readyz", server.base)).await;
        response.is_ok_and(|a| a.status().is_success()).then_some(())
    })
    .await;
    browser.click("[data-testid=retry]").await;
    browser.wait_for_results("fish").await;
    browser.client.close().await.expect("the browser closes");
}

/// A 503 with `Retry-After` disables the button for that time. The response is faked, because a test cannot reliably
/// overload the service.
async fn retry_button_waits_for_retry_after(browser: &Browser) {
    browser.goto("/").await;
    browser.wait_for_state("start", "none").await;
    browser
        .run_script(
            "const real = window.fetch;
             window.fetch = (path, options) => {
                 if (!String(path).startsWith('/v1/search')) return real(path, options);
                 window.fetch = real;
                 return Promise.resolve(new Response(JSON.stringify(
                     { title: 'Too many queries at once', code: 'overloaded' }),
                     { status: 503, headers: { 'Content-Type': 'application/problem+json', 'Retry-After': '2' } }));
             };",
        )
        .await;
    browser.submit_query("bird").await;
    browser.wait_for_state("error", "text").await;
    assert!(browser.text("[data-testid=notice]").await.contains("2 seconds"));
    assert!(
        !browser.find("[data-testid=retry]").await.is_enabled().await.expect("a response"),
        "disabled until Retry-After has passed"
    );
    browser.wait_until("the button is enabled", "return !document.querySelector('[data-testid=retry]').disabled").await;
    browser.click("[data-testid=retry]").await;
    browser.wait_for_results("bird").await;
}

/// After some seconds without a response the page reports that the network is slow.
async fn page_reports_a_slow_network(browser: &Browser) {
    let network = |latency: u32| {
        let unlimited = -1;
        json!({
            "offline": false,
            "latency": latency,
            "downloadThroughput": unlimited,
            "uploadThroughput": unlimited,
        })
    };
    browser.devtools("Network.enable", json!({})).await;
    browser.devtools("Network.emulateNetworkConditions", network(6000)).await;
    browser.submit_query("a slow fish").await;
    browser
        .wait_until(
            "the page reports a slow network",
            "return document.getElementById('status').textContent.includes('slow')",
        )
        .await;
    browser.devtools("Network.emulateNetworkConditions", network(0)).await;
    browser.wait_for_results("a slow fish").await;
}

/// Creates a key with the scope `search`.
fn create_search_key(data: &Path) -> String {
    let output = succeed(diptych(data).args(["key", "create", "--scope", "search"]));
    output.split_whitespace().find(|word| word.starts_with("dpt_")).expect("a key").to_owned()
}
