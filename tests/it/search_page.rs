//! How the search page accepts a query (texts, pictures and items as terms; typed, pasted, from the URL, the history or
//! the examples) and exports it as a link or as code.

use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::{
    axe,
    browser::{Browser, Driver, console_has_no_errors},
    common::shared_server,
};

const QUERY: &str = "a bird on a branch";
const FIRST_THUMBNAIL: &str = "document.querySelector('[data-testid=picture-result] img').src";
const FOCUSED: &str = "return document.activeElement.id || document.activeElement.closest('li')?.ariaPosInSet || ''";

#[tokio::test]
async fn search_page_accepts_texts_pictures_and_items() {
    let Some(driver) = Driver::start() else { return };
    let Some(base) = shared_server().await else { return };
    let browser = Browser::open(&driver, base).await;

    start_page_offers_examples_and_a_random_picture(&browser).await;
    texts_become_weighted_terms(&browser).await;
    pasted_pictures_survive_a_reload(&browser).await;
    items_become_terms(&browser).await;
    url_holds_the_whole_query(&browser).await;
    keyboard_shortcuts_work(&browser).await;
    recent_queries_are_stored_until_cleared(&browser).await;
    query_is_exported_as_code(&browser).await;
    page_follows_the_browser_language(&browser).await;
    console_has_no_errors(&browser).await;

    browser.client.close().await.expect("the browser closes");
}

async fn url_query(browser: &Browser) -> String {
    let url = browser.client.current_url().await.expect("a URL");
    url.query().unwrap_or_default().to_owned()
}

/// The start page offers classes and captions of the collection, and a random picture.
async fn start_page_offers_examples_and_a_random_picture(browser: &Browser) {
    browser.goto("/").await;
    browser.wait_for_state("start", "none").await;
    browser.find("[data-testid=example]").await;
    let caption = browser.text("[data-testid=example-caption]").await;
    axe::assert_accessible(browser, "the start page").await;
    browser.click("[data-testid=example-caption] a").await;
    browser.wait_for_results(&caption).await;
    browser.goto("/").await;
    browser.click("[data-testid=surprise]").await;
    browser.wait_for_state("results", "picture").await;
    assert!(url_query(browser).await.starts_with("like="));
}

/// Two texts become terms whose weight can be changed, negated and removed, and the URL follows.
async fn texts_become_weighted_terms(browser: &Browser) {
    browser.goto("/?q=bird").await;
    browser.wait_for_state("results", "text").await;
    browser.click("[data-testid=combine]").await;
    browser.find("[data-testid=query]").await.send_keys("blue").await.expect("words");
    browser.press_key(Key::Enter).await;
    browser.wait_until("both are terms", "return document.querySelectorAll('[data-testid=term]').length === 2").await;
    browser
        .wait_until(
            "the results",
            "return document.getElementById('answers-title').textContent.includes('“bird” + “blue”')",
        )
        .await;

    browser.click("[data-testid=term]:nth-child(2) [data-testid=term-minus]").await;
    browser.wait_until("the second weight is negated", "return location.search === '?q=bird&q=blue&w=1%2C-1'").await;
    browser.wait_until("its sign has the focus", "return document.activeElement.dataset.part === 'sign'").await;
    axe::assert_accessible(browser, "terms").await;

    browser.run_script("document.querySelector('[data-testid=term-weight]').focus()").await;
    browser.press_key(Key::Left).await;
    browser.wait_until("the first weight is reduced", "return location.search === '?q=bird&q=blue&w=0.9%2C-1'").await;
    browser.wait_until("the results", "return document.body.dataset.state === 'results'").await;

    browser.click("[data-testid=term]:nth-child(2) [data-testid=term-remove]").await;
    // A single text is not a term but the query itself.
    browser.wait_until("one is left", "return document.querySelectorAll('[data-testid=term]').length === 0").await;
    browser.wait_until("it is in the field", "return document.getElementById('query').value === 'bird'").await;
}

/// The URL has a token for a pasted picture, which this browser resolves after a reload. Unknown tokens fail.
async fn pasted_pictures_survive_a_reload(browser: &Browser) {
    browser.goto("/?q=bird").await;
    browser.wait_for_state("results", "text").await;
    let thumbnail = browser.run_script(&format!("return {FIRST_THUMBNAIL}")).await;
    browser.goto("/").await;
    browser.wait_for_state("start", "none").await;
    browser.transfer_picture("paste", &thumbnail.to_string(), "pasted.jpg").await;
    browser.wait_for_state("results", "picture").await;
    assert!(url_query(browser).await.starts_with("picture="));
    browser.find("[data-testid=count-captions]").await;
    browser.find("[data-testid=count-pictures]").await;
    assert!(browser.text("[data-testid=predicted-label]").await.contains('%'));
    axe::assert_accessible(browser, "captions for a picture").await;
    browser.client.refresh().await.expect("a reload");
    browser.wait_for_state("results", "picture").await;
    assert_eq!(browser.text("#asked-picture-name").await, "pasted.jpg");

    browser.click("[data-testid=tab-pictures]").await;
    browser.wait_until("the URL has the tab", "return location.search.endsWith('&show=pictures')").await;
    browser.press_key(Key::Left).await;
    browser.wait_until("arrow keys switch tabs", "return document.activeElement.id === 'tab-captions'").await;
    browser.wait_until("the captions are shown", "return !document.getElementById('captions-pane').hidden").await;

    browser.goto("/?picture=1-2").await;
    browser.wait_for_state("error", "picture").await;
    assert!(browser.text("[data-testid=notice-title]").await.contains("no longer available"));
    axe::assert_accessible(browser, "an error").await;
}

/// A result can be added to the query or replace it, and can be linked.
async fn items_become_terms(browser: &Browser) {
    browser.goto("/?q=bird").await;
    browser.wait_for_state("results", "text").await;
    let id =
        browser.find("[data-testid=picture-result]").await.attr("data-item-id").await.expect("one").expect("an id");
    browser.click("[data-testid=open-result]").await;
    browser.find("[data-testid=item-dialog][open]").await;
    browser.click("[data-testid=dialog-link]").await;
    let copied = "return document.getElementById('dialog-copied').textContent !== ''";
    browser.wait_until("the page confirms the copy", copied).await;
    browser.click("[data-testid=dialog-combine]").await;
    browser.wait_until("it is a term", "return document.querySelectorAll('[data-testid=term]').length === 2").await;
    browser.wait_for_state("results", "picture").await;
    let url = browser.client.current_url().await.expect("an address");
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    assert_eq!(pairs, [("q".to_owned(), "bird".to_owned()), ("like".to_owned(), id.clone())]);

    browser.client.back().await.expect("back");
    browser.find("[data-testid=item-dialog][open]").await;
    browser.click("[data-testid=dialog-similar]").await;
    // The page may still show the results of the combined query, in which the item is one.
    let others = "const query = new URLSearchParams(location.search);
        const all = [...document.querySelectorAll('[data-testid=picture-result]')].map((one) => one.dataset.itemId);
        return document.body.dataset.state === 'results' && !query.has('q') && query.has('like') && all.length > 0
            && !all.includes(query.get('like'))";
    browser.wait_until("others than the item are similar to it", others).await;

    let link = browser
        .run_script("return '/?item=' + encodeURIComponent(new URLSearchParams(location.search).get('like'))")
        .await;
    browser.goto(link.as_str().expect("a link")).await;
    browser.find("[data-testid=item-dialog][open]").await;
    browser
        .wait_until(
            "the dialog shows the item",
            &format!("return document.getElementById('dialog-facts').textContent.includes({})", json!(id)),
        )
        .await;
    browser.press_key(Key::Escape).await;
    browser.wait_until("the URL has no item", "return location.search === ''").await;
    browser.wait_for_state("start", "none").await;
}

/// A link restores terms, weights and filters.
async fn url_holds_the_whole_query(browser: &Browser) {
    browser.goto("/?q=bird&q=blue&w=1%2C-0.5&label=birds&label=flags").await;
    browser.wait_for_state("results", "text").await;
    let weights = "return [...document.querySelectorAll('[data-testid=term-weight]')].map((one) => one.value).join()";
    assert_eq!(browser.run_script(weights).await, "1,-0.5");
    let pressed = "return [...document.querySelectorAll('[data-testid=label-filter][aria-pressed=true]')].map((one) \
        => one.dataset.name).sort().join()";
    browser
        .wait_until("both classes are chosen", &pressed.replace("return ", "return 'label:birds,label:flags' === "))
        .await;
    let labels = "return [...document.querySelectorAll('[data-testid=result-label]')].every((one) => ['birds', \
        'flags'].includes(one.textContent))";
    assert_eq!(browser.run_script(labels).await, true);
}

/// The shortcuts listed in the help work, and those of a single key can be disabled.
async fn keyboard_shortcuts_work(browser: &Browser) {
    browser.goto("/?q=bird").await;
    browser.wait_for_state("results", "text").await;
    browser.press_key('?').await;
    browser.find("[data-testid=keys-dialog][open]").await;
    axe::assert_accessible(browser, "the help on keys").await;
    browser.press_key(Key::Escape).await;
    browser.wait_until("the help is closed", "return document.querySelector('dialog[open]') === null").await;
    browser.press_key('/').await;
    assert_eq!(browser.run_script(FOCUSED).await, "query");
    assert_eq!(
        browser.run_script("return document.getElementById('query').value").await,
        "bird",
        "the key is not typed into the field"
    );
    browser.press_key(Key::Down).await;
    assert_eq!(browser.run_script(FOCUSED).await, "1");
    browser.press_key(Key::Right).await;
    assert_eq!(browser.run_script(FOCUSED).await, "2");
    browser.press_key(Key::End).await;
    browser
        .wait_until(
            "the last result has the focus",
            "return document.activeElement.closest('li').ariaPosInSet === '40'",
        )
        .await;
    browser.press_key(Key::Home).await;
    assert_eq!(browser.run_script(FOCUSED).await, "1");
    browser.press_key(Key::Enter).await;
    browser.find("[data-testid=item-dialog][open]").await;
    browser.press_key(Key::Right).await;
    browser
        .wait_until(
            "the next one is open",
            "return document.getElementById('dialog-place').textContent.startsWith('2')",
        )
        .await;
    browser.press_key(Key::Escape).await;
    browser
        .wait_until(
            "the result that was open has the focus",
            &FOCUSED.replace("return ", "return '2' === (").replace("|| ''", "|| '')"),
        )
        .await;

    let control_k = "document.dispatchEvent(new KeyboardEvent('keydown', { key: 'k', ctrlKey: true, bubbles: true, \
        cancelable: true }))";
    browser.run_script(control_k).await;
    assert_eq!(browser.run_script(FOCUSED).await, "query");
    browser.run_script("document.activeElement.blur(); document.getElementById('single-keys').click()").await;
    browser.press_key('/').await;
    assert_ne!(browser.run_script(FOCUSED).await, "query", "single keys are disabled");
    browser.run_script("document.getElementById('single-keys').click()").await;
}

/// Recent queries are offered again until the list is cleared.
async fn recent_queries_are_stored_until_cleared(browser: &Browser) {
    browser.goto("/").await;
    browser.wait_for_state("start", "none").await;
    browser.find("[data-testid=recent]").await;
    browser.click("[data-testid=recent]").await;
    browser.wait_until("the results", "return document.body.dataset.state === 'results'").await;
    browser.click("[data-testid=recent-clear]").await;
    browser
        .wait_until(
            "nothing is stored",
            "return localStorage.getItem('diptych-asked') === null && document.getElementById('recent').hidden",
        )
        .await;
}

/// The exported JSON, sent to the service, finds the same results.
async fn query_is_exported_as_code(browser: &Browser) {
    browser.goto(&format!("/?q={}&label=birds", QUERY.replace(' ', "+"))).await;
    browser.wait_for_state("results", "text").await;
    browser.click("[data-testid=copy-open]").await;
    let curl = browser.text("[data-testid=copy-text]").await;
    assert!(curl.starts_with("curl ") && curl.contains(&browser.base) && curl.contains(QUERY), "{curl}");
    axe::assert_accessible(browser, "the query as code").await;
    browser.click("[data-testid=copy-python]").await;
    let python = browser.text("[data-testid=copy-text]").await;
    assert!(python.starts_with("import json") && python.contains(QUERY), "{python}");
    browser.click("[data-testid=copy-json]").await;
    let body: Value = serde_json::from_str(&browser.text("[data-testid=copy-text]").await).expect("JSON");
    let request = reqwest::Client::new().post(format!("{}/v1/search/text", browser.base)).json(&body);
    let response: Value = request.send().await.expect("a response").json().await.expect("JSON");
    let first = browser.find("[data-testid=picture-result]").await.attr("data-item-id").await.expect("one");
    assert_eq!(response["results"][0]["id"].as_str(), first.as_deref());
    browser.click("[data-testid=copy-do]").await;
    browser
        .wait_until("the page confirms the copy", "return document.getElementById('copy-said').textContent !== ''")
        .await;
    browser.click("[data-testid=copy-close]").await;
}

/// English is the fallback for other languages.
async fn page_follows_the_browser_language(browser: &Browser) {
    let agent = browser.run_script("return navigator.userAgent").await;
    for (wanted, language, button) in [("de-CH,en", "de", "Suchen"), ("zh-CN,en", "zh", "搜索"), ("fr", "en", "Search")]
    {
        let params = json!({ "userAgent": agent, "acceptLanguage": wanted });
        browser.devtools("Emulation.setUserAgentOverride", params).await;
        browser.goto("/?q=bird").await;
        browser.wait_for_state("results", "text").await;
        assert_eq!(browser.run_script("return document.documentElement.lang").await, language);
        assert_eq!(browser.text("[data-testid=submit]").await, button);
        if language != "en" {
            assert!(
                !browser.text("[data-testid=status]").await.contains("pictures"),
                "the counts are in {language} too"
            );
        }
    }
    browser.devtools("Emulation.setUserAgentOverride", json!({ "userAgent": agent, "acceptLanguage": "en" })).await;
}
