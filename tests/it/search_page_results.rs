//! How the search page shows results: a stable grid, a fold, filters, endless paging, explanations.

use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::{
    axe,
    browser::{Browser, Driver, TIMEOUT, console_has_no_errors},
    common::{Server, copy_collection, trained_collection, wait_for},
};

const QUERY: &str = "a bird on a branch";
const HOSTILE: &str = "<img src=x onerror=\"document.title='owned'\"> بطة على الماء";

#[tokio::test]
async fn results_can_be_filtered_and_paged() {
    let Some(driver) = Driver::start() else { return };
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let birds = set_years_of_birds(&server.base).await;
    let browser = Browser::open(&driver, &server.base).await;

    layout_is_stable_while_pictures_load(&browser).await;
    weaker_matches_are_below_the_fold(&browser).await;
    results_are_filtered_by_class(&browser).await;
    results_are_filtered_by_range(&browser, birds).await;
    paging_reaches_the_end_and_back_restores_the_scroll_position(&browser).await;
    results_are_explained(&browser).await;
    captions_are_shown_as_text(&browser).await;
    page_reports_that_nothing_matches(&browser).await;
    ten_thousand_results_use_no_more_nodes_than_forty(&browser).await;
    page_fits_every_width(&browser).await;
    console_has_no_errors(&browser).await;

    browser.client.close().await.expect("the browser closes");
}

/// Gives each bird a year, and one of them a caption of markup and Arabic. Returns the number of birds.
async fn set_years_of_birds(base: &str) -> usize {
    let client = reqwest::Client::new();
    let filter = json!({ "must": [{ "key": "label", "match": { "any": ["birds"] } }] }).to_string();
    let url = reqwest::Url::parse_with_params(&format!("{base}/v1/items"), [("limit", "100"), ("filter", &filter)])
        .expect("an address");
    let list: Value = client.get(url).send().await.expect("a response").json().await.expect("JSON");
    let birds = list["items"].as_array().expect("items");
    for (number, bird) in birds.iter().enumerate() {
        let id = bird["id"].as_str().expect("an id");
        let mut url = reqwest::Url::parse(base).expect("an address");
        url.path_segments_mut().expect("segments").extend(["v1", "items", id]);
        let mut change = json!({ "meta": { "year": 1990 + number } });
        if number == 0 {
            change["captions"] = json!([HOSTILE]);
        }
        let response = client.patch(url).json(&change).send().await.expect("a response");
        assert!(response.status().is_success(), "{}", response.text().await.unwrap_or_default());
    }
    birds.len()
}

const LABELS: &str = "[...document.querySelectorAll('[data-testid=result-label]')].map((one) => one.textContent)";

/// Space for each picture is reserved before it loads.
async fn layout_is_stable_while_pictures_load(browser: &Browser) {
    browser.goto("/").await;
    browser.wait_for_state("start", "none").await;
    browser.submit_query(QUERY).await;
    browser.wait_for_state("results", "text").await;
    browser
        .run_script(
            "window.moved = 0;
             new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
                 if (entry.sources.some(({ node }) => node?.closest?.('.pane'))) window.moved += entry.value;
             })).observe({ type: 'layout-shift' });",
        )
        .await;
    let there = "return [...document.querySelectorAll('[data-testid=thumbnail]')].slice(0, 4).every((one) => \
        one.naturalWidth > 0)";
    browser.wait_until("pictures are loaded", there).await;
    assert_eq!(browser.run_script("return window.moved").await.as_f64(), Some(0.0), "results were shifted");
    axe::assert_accessible(browser, "results").await;
}

/// Results that are probably relevant are above the fold.
async fn weaker_matches_are_below_the_fold(browser: &Browser) {
    assert_eq!(browser.text("[data-testid=fold]").await, "Weaker matches below");
    let percentages = |list: &str| {
        format!(
            "return [...document.querySelectorAll('#{list} [data-testid=score]')].map((one) => \
                parseInt(one.lastChild.textContent) || 0)"
        )
    };
    let above = browser.run_script(&percentages("picture-results")).await;
    let above: Vec<i64> = above.as_array().expect("shares").iter().filter_map(Value::as_i64).collect();
    assert!(above.last().is_some_and(|last| *last >= 50), "{above:?}");
    browser
        .wait_until(
            "results below the fold are drawn",
            "return document.querySelector('#weak-results [data-testid=score]') !== null || (scrollBy(0, 400), false)",
        )
        .await;
    let below = browser.run_script(&percentages("weak-results")).await;
    let below: Vec<i64> = below.as_array().expect("shares").iter().filter_map(Value::as_i64).collect();
    assert!(!below.is_empty() && below.iter().all(|share| *share <= 50), "{below:?}");
    browser.run_script("scrollTo(0, 0)").await;
}

/// A class chip shows its count and filters; the dialog of a result links to its class only.
async fn results_are_filtered_by_class(browser: &Browser) {
    let chip = "[data-testid=label-filter][data-name='label:birds']";
    let text = browser.text(chip).await;
    let count: usize = text.split_whitespace().last().and_then(|n| n.parse().ok()).expect("a count");
    browser.click(chip).await;
    browser.wait_until("the URL has the class", "return location.search.endsWith('&label=birds')").await;
    browser
        .wait_until("all results have the class", &format!("return {LABELS}.every((label) => label === 'birds')"))
        .await;
    browser
        .wait_until(
            "as many results as the chip shows",
            &format!("return document.getElementById('status').textContent.startsWith('{count}')"),
        )
        .await;
    browser
        .wait_until("the chip keeps the focus", "return document.activeElement.dataset.name === 'label:birds'")
        .await;
    assert!(
        browser.run_script("return document.querySelectorAll('[data-testid=label-filter]').length").await.as_u64()
            > Some(1)
    );
    browser.client.back().await.expect("back");
    browser.wait_until("the filter is removed", "return document.querySelector('[aria-pressed=true]') === null").await;

    browser.click("[data-testid=open-result]").await;
    browser.click("[data-testid=only-in-class]").await;
    browser
        .wait_until(
            "only results of its class",
            &format!("return location.search.includes('label=') && new Set({LABELS}).size === 1"),
        )
        .await;
    browser.client.back().await.expect("back");
    browser.client.back().await.expect("back");
}

/// Numeric metadata is filtered by a range.
async fn results_are_filtered_by_range(browser: &Browser, birds: usize) {
    browser.goto("/?q=bird&label=birds").await;
    browser.wait_for_state("results", "text").await;
    browser.goto("/?q=bird&range.year=1992..").await;
    browser.wait_for_state("results", "text").await;
    let status = "return document.getElementById('status').textContent.startsWith('{}')";
    browser.wait_until("the results in the range", &status.replace("{}", &(birds - 2).to_string())).await;
    let from = browser.find("[data-testid=range-filter]").await;
    assert_eq!(from.prop("value").await.expect("a value").as_deref(), Some("1992"));
    let to = browser.find("[data-testid=range-filter]:last-child").await;
    to.send_keys("1993").await.expect("a number");
    browser.press_key(Key::Enter).await;
    browser
        .wait_until(
            "the URL has the range",
            "return decodeURIComponent(location.search).endsWith('range.year=1992..1993')",
        )
        .await;
    browser.wait_until("two are left", &status.replace("{}", "2")).await;
    axe::assert_accessible(browser, "filters").await;
    browser.goto("/?q=bird&range.year=1800..1801").await;
    browser.wait_for_state("empty", "text").await;
    axe::assert_accessible(browser, "an empty result list").await;
    browser.click("[data-testid=without-filter]").await;
    browser.wait_for_state("results", "text").await;
}

/// The button and scrolling load more results; Back and a reload restore the scroll position.
async fn paging_reaches_the_end_and_back_restores_the_scroll_position(browser: &Browser) {
    browser.goto(&format!("/?q={}", QUERY.replace(' ', "+"))).await;
    browser.wait_for_state("results", "text").await;
    browser.run_script("document.getElementById('more').click()").await;
    browser
        .wait_until("a second page", "return document.getElementById('status').textContent.startsWith('The best 80')")
        .await;
    browser
        .wait_until(
            "the end",
            "scrollTo(0, document.documentElement.scrollHeight); return document.getElementById('more').hidden",
        )
        .await;
    let total = "const all = [...document.querySelectorAll('.plate')]; return all.every((one) => one.ariaSetSize === \
        all[0].ariaSetSize) && Number(all.at(-1).ariaPosInSet) === Number(all[0].ariaSetSize)";
    browser.wait_until("the last result is numbered as the last", total).await;
    let seen = "return new Set([...document.querySelectorAll('.plate')].map((one) => one.dataset.itemId)).size === \
        document.querySelectorAll('.plate').length";
    assert_eq!(browser.run_script(seen).await, true, "no result is repeated");

    browser.run_script("scrollTo(0, 4000)").await;
    browser
        .wait_until(
            "the scroll position is stored",
            "return history.state.scroll === Math.round(scrollY) && scrollY > 3000",
        )
        .await;
    let position = browser.run_script("return Math.round(scrollY)").await;
    let back_there =
        format!("return Math.abs(scrollY - {position}) < 3 && document.querySelectorAll('.plate').length > 0");
    browser
        .run_script(
            "[...document.querySelectorAll('.opener')].find((one) => one.getBoundingClientRect().top > 0).click()",
        )
        .await;
    browser.click("[data-testid=dialog-similar]").await;
    browser
        .wait_until(
            "another query, scrolled to the top",
            "return location.search.startsWith('?like=') && scrollY === 0 && document.body.dataset.state === 'results'",
        )
        .await;
    browser.client.back().await.expect("back");
    browser.find("[data-testid=item-dialog][open]").await;
    browser.client.back().await.expect("back");
    browser.wait_until("the scroll position is restored", &back_there).await;
    browser.client.refresh().await.expect("a reload");
    browser.wait_for_state("results", "text").await;
    browser.wait_until("the scroll position is restored after a reload", &back_there).await;
}

/// The dialog of a result explains its rank.
async fn results_are_explained(browser: &Browser) {
    browser.goto("/?q=bird").await;
    browser.wait_for_state("results", "text").await;
    browser.click("[data-testid=open-result]").await;
    browser.click("[data-testid=dialog-why] summary").await;
    let why = browser.text("[data-testid=why-list]").await;
    for part in ["cosine 0.", "%", "birds", "among all results"] {
        assert!(why.contains(part), "{part:?} is missing in {why:?}");
    }
    let nearest = browser.text("[data-testid=why-examples]").await;
    assert!(nearest.contains("birds ·"), "the query is classified as birds: {nearest:?}");
    axe::assert_accessible(browser, "a result").await;
    close(browser).await;
}

/// Markup in a caption is shown as text, and right-to-left text is laid out as such.
async fn captions_are_shown_as_text(browser: &Browser) {
    browser.goto("/?q=bird&range.year=1990..1990").await;
    browser.wait_for_state("results", "text").await;
    assert_eq!(browser.text(".plate-caption").await, HOSTILE);
    browser.click("[data-testid=open-result]").await;
    browser
        .wait_until(
            "the dialog shows it",
            &format!("return document.getElementById('dialog-title').textContent === {}", json!(HOSTILE)),
        )
        .await;
    assert_ne!(browser.run_script("return document.title").await, "owned");
    let direction = "const shown = document.getElementById('dialog-title'); shown.textContent = 'بطة'; return \
        getComputedStyle(shown).direction";
    assert_eq!(browser.run_script(direction).await, "rtl");
    close(browser).await;
}

/// Closes the dialog, and waits until the history entry is restored: a navigation before that would be undone.
async fn close(browser: &Browser) {
    browser.press_key(Key::Escape).await;
    browser
        .wait_until(
            "the dialog is closed",
            "return !document.querySelector('dialog[open]') && !location.search.includes('item=')",
        )
        .await;
}

/// Without a probable match, the page says so above the nearest results.
async fn page_reports_that_nothing_matches(browser: &Browser) {
    browser.goto("/?q=quarterly+tax+law").await;
    browser.wait_for_state("results", "text").await;
    assert_eq!(browser.text("[data-testid=notice-title]").await, "Nothing here looks like this");
    assert_eq!(browser.text("[data-testid=fold]").await, "The closest ones anyway");
    axe::assert_accessible(browser, "no match").await;
    let chip = browser.text("[data-testid=notice] [data-testid=label-chip]").await;
    browser.click("[data-testid=notice] [data-testid=label-chip]").await;
    browser.wait_for_results(&chip).await;
}

/// The service returns a few hundred results at most, so the pages are faked. They are large, because a browser without
/// a graphics card is slow.
async fn ten_thousand_results_use_no_more_nodes_than_forty(browser: &Browser) {
    browser.goto("/").await;
    browser.wait_for_state("start", "none").await;
    browser
        .run_script(
            "const real = window.fetch;
             window.fetch = async (path, options) => {
                 if (!String(path).startsWith('/v1/search')) return real(path, options);
                 const from = Number(JSON.parse(options.body).cursor ?? 0);
                 const results = Array.from({ length: 200 }, (_, at) => ({
                     rank: from + at + 1, kind: 'image', id: `made-${from + at}`,
                     labels: ['made'], captions: [`number ${from + at + 1}`], meta: {}, width: 30, height: 20,
                     thumbnail_url: `/static/favicon.svg?${from + at}`,
                     score: 0.5, relevance: Math.max(0.01, 0.9 - (from + at) / 2000) }));
                 return Response.json({ results, total: 10000, query: {}, took_ms: { total: 1 },
                     next_cursor: from + 200 < 10000 ? String(from + 200) : null });
             };",
        )
        .await;
    browser.submit_query("everything").await;
    browser.wait_for_state("results", "text").await;
    let node_count = async || {
        browser.devtools("HeapProfiler.collectGarbage", json!({})).await;
        browser.devtools("Memory.getDOMCounters", json!({})).await["nodes"].as_u64().expect("a count")
    };
    let down = "window.down = setInterval(() => scrollTo(0, document.documentElement.scrollHeight), 5)";
    let status = "return document.getElementById('status').textContent";
    browser
        .run_script(&format!(
            "window.upwards = 0; let at = 0;
             addEventListener('scroll', () => {{
                   window.upwards = Math.max(window.upwards, at - scrollY); at = scrollY; }});
             {down}; new MutationObserver((_, watch) => {{
                 if (!document.getElementById('status').textContent.includes('best 400 ')) return;
                 watch.disconnect();
                 clearInterval(window.down);
             }}).observe(document.getElementById('status'), {{ childList: true }});"
        ))
        .await;
    browser.wait_until("400 results", &format!("{status}.includes('best 400 ')")).await;
    let before = node_count().await;
    browser.run_script(down).await;
    browser.wait_until("all results", &format!("{status}.startsWith('10,000')")).await;
    browser.run_script("clearInterval(window.down)").await;
    let upwards = browser.run_script("return window.upwards").await;
    assert!(
        upwards.as_f64().is_some_and(|by| by < 100.0),
        "the page scrolled up by {upwards} while more results loaded"
    );
    browser
        .wait_until(
            "the last result is drawn",
            "return [...document.querySelectorAll('.plate')].some((one) => one.ariaPosInSet === '10000')",
        )
        .await;
    let plates = browser.run_script("return document.querySelectorAll('.plate').length").await;
    assert!(plates.as_u64() < Some(120), "{plates} plates are drawn");
    // Pictures that are still loading keep removed nodes alive.
    wait_for("memory as before", TIMEOUT, async || (node_count().await < before + before / 4).then_some(())).await;
}

/// Nothing overflows the window at widths from 320 pixels to 4K.
async fn page_fits_every_width(browser: &Browser) {
    for (width, height) in [(320, 640), (768, 1024), (3840, 2160)] {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        browser.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let fits = format!("return document.documentElement.scrollWidth <= {width}");
        for path in ["/", "/?q=bird&q=blue&w=1%2C-0.5", "/?q=quarterly+tax+law&label=birds"] {
            browser.goto(path).await;
            browser
                .wait_until("the page has loaded", "return ['start', 'results'].includes(document.body.dataset.state)")
                .await;
            // The chips are random captions, which may be one long word.
            browser
                .run_script(
                    "document.querySelectorAll('.notice .chip > span').forEach((one) => { one.textContent = \
                    'x'.repeat(200); })",
                )
                .await;
            browser.wait_until(&format!("{path} fits {width}"), &fits).await;
        }
        if width == 320 {
            axe::assert_accessible(browser, "a narrow page").await;
        }
    }
}
