//! The owner's page in a real browser, as an owner would use it. See `browser` for what it needs.

use std::{path::Path, time::Duration};

use fantoccini::actions::{InputSource, MOUSE_BUTTON_LEFT, MouseActions, PointerAction};
use serde_json::{Value, json};

use crate::{
    axe,
    browser::{Browser, Driver},
    common::{Server, copy_collection, count, diptych, execute_sql, succeed, trained_collection},
};

/// A text that would be a script if anything took it for markup.
const MARKUP: &str = "<img src=x onerror=alert(1)>";

#[tokio::test]
async fn admin_page_shows_and_does_everything() {
    let Some(driver) = Driver::start() else { return };
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    execute_sql(data.path(), "insert into rejections values ('data.jsonl', 3, '<img src=x onerror=alert(1)>', 0)")
        .await;
    execute_sql(
        data.path(),
        "update item_labels set label = (select key from labels where name = 'flags') where item = (
             select min(item) from item_labels where label = (select key from labels where name = 'birds')
                 and item not in
                     (select item from item_labels where label = (select key from labels where name = 'flags')))",
    )
    .await;
    let key = succeed(diptych(data.path()).args(["key", "create", "--scope", "admin"]));
    let key = key.lines().find(|line| line.starts_with("dpt_")).expect("a key").trim().to_owned();
    let server = Server::start(data.path()).await;
    let browser = Browser::open(&driver, &server.base).await;

    a_key_is_asked_for(&browser, &key).await;
    the_collections_health_is_told(&browser, data.path()).await;
    doubts_are_mended_undone_and_settled(&browser, data.path()).await;
    the_map_shows_what_the_pointer_rests_on(&browser).await;
    words_are_a_star(&browser).await;
    a_lasso_and_a_class_say_what_they_hold(&browser).await;
    a_training_is_seen_live(&browser).await;
    models_are_compared_and_changed(&browser).await;
    a_training_is_stopped(&browser).await;
    work_is_begun_and_told(&browser).await;
    a_key_is_made_and_revoked(&browser).await;
    all_of_it_is_accessible(&browser).await;
    it_speaks_german(&browser).await;
    a_narrow_window_does_not_scroll_sideways(&browser).await;
    console_has_only_expected_errors(&browser).await;
    // Last, for these are errors on the console.
    a_forgotten_key_is_asked_for_again(&browser, &key).await;
    a_service_that_is_gone_is_told(&browser, server).await;

    browser.client.close().await.expect("the browser closes");
}

/// Scrolls to a section, as its link does, and waits until it is there.
async fn go(browser: &Browser, section: &str) {
    let script = "document.documentElement.style.scrollBehavior = 'auto';
                  document.getElementById(arguments[0]).scrollIntoView();";
    browser.client.execute(script, vec![json!(section)]).await.expect("the script runs");
    browser.find(&format!("#{section}[data-state=ready]")).await;
    // A section that is still loading would move what is clicked.
    browser
        .wait_until("all sections have loaded", "return document.querySelector('section[aria-busy]') === null")
        .await;
}

async fn click(browser: &Browser, css: &str) {
    browser.find(css).await.click().await.unwrap_or_else(|error| panic!("{css}: {error}"));
}

/// Clicks what asks once more.
async fn click_twice(browser: &Browser, css: &str) {
    click(browser, css).await;
    click(browser, css).await;
}

async fn fill(browser: &Browser, css: &str, text: &str) {
    let field = browser.find(css).await;
    field.clear().await.expect("the field is emptied");
    field.send_keys(text).await.expect("the field takes text");
}

async fn number(browser: &Browser, css: &str) -> i64 {
    browser.text(css).await.replace(',', "").parse().unwrap_or_else(|error| panic!("{css}: {error}"))
}

async fn evaluate(browser: &Browser, script: &str) -> Value {
    browser.client.execute(script, vec![]).await.expect("the script runs")
}

/// Nothing is shown without a key, a wrong one is said to be wrong, the right one opens the page and is kept for the
/// session alone.
async fn a_key_is_asked_for(browser: &Browser, key: &str) {
    browser.goto("/admin").await;
    browser.find("[data-testid=key-dialog][open]").await;
    assert_eq!(evaluate(browser, "return document.querySelector('[data-testid=health]')").await, Value::Null);
    let wrong = format!("{key}0");
    fill(browser, "[data-testid=key-field]", &wrong).await;
    click(browser, "[data-testid=key-use]").await;
    browser
        .wait_until(
            "the key is said to be wrong",
            "return !!document.querySelector('[data-testid=key-fault]')?.textContent",
        )
        .await;
    fill(browser, "[data-testid=key-field]", key).await;
    click(browser, "[data-testid=key-use]").await;
    browser.find("#data[data-state=ready]").await;
    let kept = evaluate(browser, "return [localStorage.length, document.cookie.length, sessionStorage.length]").await;
    assert_eq!(kept, json!([0, 0, 1]));
}

/// The figures are the catalog's; a reason with markup in it is text.
async fn the_collections_health_is_told(browser: &Browser, data: &Path) {
    go(browser, "data").await;
    assert_eq!(number(browser, "[data-testid=tile-items]").await, count(data, "select count(*) from items").await);
    let without = "select count(*) from items where not exists (select 1 from captions where item = items.key)";
    assert_eq!(number(browser, "[data-testid=tile-no-caption]").await, count(data, without).await);
    let twice = "select coalesce(sum(n - 1), 0) from (select count(*) as n from items where content_hash is not null
                 group by content_hash having n > 1)";
    assert_eq!(number(browser, "[data-testid=tile-duplicates]").await, count(data, twice).await);
    assert_eq!(number(browser, "[data-testid=tile-rejected]").await, 1);
    let classes = evaluate(browser, "return document.querySelectorAll('[data-testid=classes] li').length").await;
    assert_eq!(classes, count(data, "select count(distinct label) from item_labels").await);
    click(browser, "#data summary").await;
    assert!(browser.text("#data table").await.contains(MARKUP));
}

/// A look is taken; a label is changed and changed back, and what is right is said to be right.
async fn doubts_are_mended_undone_and_settled(browser: &Browser, data: &Path) {
    go(browser, "review").await;
    click(browser, "[data-testid=look-again]").await;
    browser.find("[data-testid=review-labels] [data-testid=review-entry]").await;
    go(browser, "review").await;
    const SHOWN: &str = "document.querySelectorAll('[data-testid=review-entry]').length";
    let shown = evaluate(browser, &format!("return {SHOWN}")).await;
    let changed = "select count(*) from item_labels where label = (select key from labels where name = 'birds')";
    let before = count(data, changed).await;
    let bird = "const all = [...document.querySelectorAll('[data-testid=review-labels] [data-testid=review-mend]')];
         const one = all.find((button) => button.textContent === 'It is birds');
         one?.scrollIntoView({ block: 'center' }); one?.click(); return Boolean(one)";
    assert_eq!(evaluate(browser, bird).await, true, "a bird that is called a flag is doubted");
    browser.find("[data-testid=undo]").await;
    browser.wait_until("the way back has the focus", "return document.activeElement.dataset.testid === 'undo'").await;
    assert_eq!(count(data, changed).await, before + 1);
    click(browser, "[data-testid=undo]").await;
    browser
        .wait_until(
            "it is as it was",
            &format!("return {SHOWN} === {shown} && !document.querySelector('[data-testid=undo]')"),
        )
        .await;
    assert_eq!(count(data, changed).await, before);

    let settled = "select count(*) from review where settled_at is not null";
    for right in [1, 0, 1] {
        let button = if right == 1 { "review-right" } else { "undo" };
        click(browser, &format!("[data-testid={button}]")).await;
        let next = if right == 1 { "undo" } else { "review-mend" };
        let focused = format!("return document.activeElement.dataset.testid === '{next}'");
        browser.wait_until(&format!("the focus is on {next}"), &focused).await;
        assert_eq!(count(data, settled).await, right);
    }
}

/// Where a point of the map lies in the window: the first under which the pointer changes.
async fn a_point(browser: &Browser) -> (f64, f64) {
    let script = "const canvas = document.querySelector('[data-testid=map-canvas]');
        canvas.scrollIntoView({ block: 'center' });
        const box = canvas.getBoundingClientRect();
        for (let y = box.top + 5; y < box.bottom; y += 6) for (let x = box.left + 5; x < box.right; x += 6) {
            canvas.dispatchEvent(new PointerEvent('pointermove', { clientX: x, clientY: y, pointerId: 1 }));
            if (canvas.style.cursor === 'pointer') {
                canvas.dispatchEvent(new PointerEvent('pointerleave'));
                // Further in: where it is found first, a rounded place may miss it.
                return [x + 2, y + 5];
            }
        }
        return null;";
    let found = evaluate(browser, script).await;
    let at = |i: usize| found[i].as_f64().unwrap_or_else(|| panic!("no point is under the pointer: {found}"));
    (at(0), at(1))
}

fn to(x: f64, y: f64) -> PointerAction {
    PointerAction::MoveTo { duration: Some(Duration::from_millis(60)), x, y }
}

/// All points are drawn; the pointer shows an item, a click opens it, Escape closes it.
async fn the_map_shows_what_the_pointer_rests_on(browser: &Browser) {
    go(browser, "map").await;
    let drawn =
        evaluate(browser, "return Number(document.querySelector('[data-testid=map-canvas]').dataset.points)").await;
    assert!(drawn.as_i64().is_some_and(|n| n > 100), "{drawn}");
    let (x, y) = a_point(browser).await;
    let mouse = MouseActions::new("mouse".into()).then(to(x - 60.0, y)).then(to(x, y));
    browser.client.perform_actions(mouse).await.expect("the mouse moves");
    browser.find("[data-testid=hover-card]:not([hidden])").await;
    browser
        .wait_until(
            "the card says what it is",
            "return document.querySelector('[data-testid=hover-card]').textContent.length > 3",
        )
        .await;
    let mouse = MouseActions::new("mouse".into())
        .then(to(x, y))
        .then(PointerAction::Down { button: MOUSE_BUTTON_LEFT })
        .then(PointerAction::Up { button: MOUSE_BUTTON_LEFT });
    browser.client.perform_actions(mouse).await.expect("the mouse clicks");
    browser.find("[data-testid=item-card][open] dl").await;
    click(browser, "[data-testid=item-close]").await;
    browser.wait_until("the item is closed", "return !document.querySelector('[data-testid=item-card]')").await;
}

async fn words_are_a_star(browser: &Browser) {
    fill(browser, "[data-testid=map-query]", "a bird").await;
    click(browser, "[data-testid=map-ask]").await;
    browser
        .wait_until(
            "the star is told",
            "return document.querySelector('[data-testid=map-found]').textContent.includes('10 of 10')",
        )
        .await;
}

/// A loop with the mouse lists what it holds; so does a class, without a mouse.
async fn a_lasso_and_a_class_say_what_they_hold(browser: &Browser) {
    click(browser, "[data-testid=lasso]").await;
    let script = "const canvas = document.querySelector('[data-testid=map-canvas]');
        canvas.scrollIntoView({ block: 'center' });
        const box = canvas.getBoundingClientRect();
        return [box.left + box.width / 2, box.top + box.height / 2];";
    let middle = evaluate(browser, script).await;
    let (x, y) = (middle[0].as_f64().expect("a place"), middle[1].as_f64().expect("a place"));
    let mut mouse = MouseActions::new("mouse".into())
        .then(to(x - 200.0, y - 200.0))
        .then(PointerAction::Down { button: MOUSE_BUTTON_LEFT });
    for (dx, dy) in [(200.0, -200.0), (200.0, 200.0), (-200.0, 200.0)] {
        mouse = mouse.then(to(x + dx, y + dy));
    }
    let mouse = mouse.then(PointerAction::Up { button: MOUSE_BUTTON_LEFT });
    browser.client.perform_actions(mouse).await.expect("the mouse draws");
    let held = browser.text("[data-testid=held]").await;
    assert!(held.contains("picture") && held.contains("caption"), "{held}");
    click(browser, "[data-testid=lasso]").await;

    let class = browser.find("[data-testid=map-class]").await;
    class.send_keys(" ").await.expect("the key is pressed");
    let name = browser.text("[data-testid=map-class] [dir]").await;
    browser
        .wait_until(
            "the class is listed",
            &format!("return document.querySelector('[data-testid=held]').textContent.startsWith({})", json!(name)),
        )
        .await;
    assert_eq!(class.attr("aria-pressed").await.expect("an attribute").as_deref(), Some("true"));
}

/// Settings of few steps.
async fn short(browser: &Browser, epochs: &str) {
    go(browser, "train").await;
    for part in ["class", "pair"] {
        fill(browser, &format!("#set-{part}-optimizer-max_epochs"), epochs).await;
    }
}

/// Its epochs are drawn while it runs, and what came of it is said. It has to be forced, for it is poor.
async fn a_training_is_seen_live(browser: &Browser) {
    short(browser, "4").await;
    click(browser, "#set-force").await;
    click(browser, "[data-testid=train-start]").await;
    browser
        .wait_until(
            "two epochs are drawn while it runs",
            "const { epochs, status } = document.getElementById('training').dataset;
             return status === 'running' && epochs >= 2
                 && ['total', 'j1', 'j2', 'j3', 'map']
                     .every((name) => document.querySelector(`[data-chart=class-${name}] polyline`))",
        )
        .await;
    browser.find("#training[data-status=succeeded] [data-testid=verdict]").await;
    assert_eq!(evaluate(browser, "return document.getElementById('training').dataset.epochs").await, "8");
    assert_eq!(
        evaluate(browser, "return document.querySelectorAll('[data-chart=class-map] polyline').length").await,
        2
    );
    click(browser, "#set-force").await;
}

/// The new model is there without a reload; two are told apart; the first one answers again.
async fn models_are_compared_and_changed(browser: &Browser) {
    go(browser, "models").await;
    const ACTIVE: &str = "[...document.querySelectorAll('[data-testid=models] tbody tr')].findIndex((row) => \
        row.querySelector('.badge'))";
    browser.wait_until("the new model answers", &format!("return {ACTIVE} === 0")).await;
    // What is still on its way would take the place of what is clicked.
    go(browser, "models").await;
    for row in [1, 2] {
        click(browser, &format!("[data-testid=models] tbody tr:nth-child({row}) [data-testid=compare]")).await;
    }
    let table = browser.text("[data-testid=compared] table").await;
    assert!(table.contains("mAP picture") && (table.contains('▲') || table.contains('▼')), "{table}");
    // The first model was looked at, the new one not yet.
    click(browser, "[data-testid=models] tbody tr:nth-child(1) [data-testid=plots]").await;
    browser.find("#plotted [data-testid=empty]").await;
    click(browser, "[data-testid=models] tbody tr:nth-child(2) [data-testid=plots]").await;
    browser.find("[data-testid=confusion]").await;
    let drawn = "return [document.querySelectorAll('[data-testid=plots-drawn] polyline').length,
        document.querySelectorAll('[data-testid=confusion] tbody tr').length,
        document.querySelectorAll('[data-testid=classes] li').length]";
    let drawn = evaluate(browser, drawn).await;
    assert_eq!((&drawn[0], &drawn[1]), (&json!(8), &drawn[2]), "four plots of two lines, and a row for each class");
    click_twice(browser, "[data-testid=models] [data-testid=activate]").await;
    browser.wait_until("the first model answers", &format!("return {ACTIVE} === 1")).await;
}

async fn a_training_is_stopped(browser: &Browser) {
    short(browser, "500").await;
    click(browser, "[data-testid=train-start]").await;
    browser
        .wait_until(
            "it learns",
            "const { epochs, status } = document.getElementById('training').dataset; return status \
            === 'running' && epochs >= 1",
        )
        .await;
    click_twice(browser, "[data-testid=training-cancel]").await;
    browser.find("#training[data-status=cancelled]").await;
    go(browser, "tasks").await;
    browser.find("[data-testid=task][data-status=cancelled]").await;
}

/// Work that is begun here is in the list, and its end too.
async fn work_is_begun_and_told(browser: &Browser) {
    for name in ["selftest", "backup", "compact"] {
        let before = evaluate(browser, "return document.querySelectorAll('[data-testid=task]').length").await;
        click(browser, &format!("[data-testid=do-{name}]")).await;
        browser
            .wait_until(
                &format!("{name} is done"),
                &format!(
                    "return document.querySelectorAll('[data-testid=task]').length > {before}
                         && document.querySelector('[data-testid=task]').dataset.status === 'succeeded'"
                ),
            )
            .await;
    }
}

/// It is shown once, opens what it should, and no longer when it is revoked. What the service refuses is said.
async fn a_key_is_made_and_revoked(browser: &Browser) {
    go(browser, "keys").await;
    click(browser, "#key-scope-search").await;
    click(browser, "[data-testid=key-make]").await;
    assert!(browser.text("#keys [data-testid=failure]").await.contains("at least one of search, ingest and admin"));
    click(browser, "#key-scope-search").await;
    fill(browser, "#key-name", MARKUP).await;
    fill(browser, "#key-days", "3").await;
    click(browser, "[data-testid=key-make]").await;
    let made = browser.text("[data-testid=secret]").await;
    let status = async || {
        let request = reqwest::Client::new().get(format!("{}/v1/labels", browser.base)).bearer_auth(&made);
        request.send().await.expect("a response").status().as_u16()
    };
    assert_eq!(status().await, 200);
    browser
        .wait_until("the key is listed", "return document.querySelectorAll('[data-testid=keys] tbody tr').length === 2")
        .await;
    assert!(browser.text("[data-testid=keys]").await.contains(MARKUP));
    click(browser, "[data-testid=key-done]").await;
    assert!(!browser.client.source().await.expect("the page").contains(&made));
    click_twice(browser, "[data-testid=keys] tbody tr:last-child [data-testid=revoke]").await;
    browser
        .wait_until("the key is gone", "return document.querySelectorAll('[data-testid=keys] tbody tr').length === 1")
        .await;
    assert_eq!(status().await, 401);
}

/// With all sections there, and with a card open.
async fn all_of_it_is_accessible(browser: &Browser) {
    for section in ["data", "review", "map", "models", "train", "tasks", "keys"] {
        go(browser, section).await;
    }
    axe::assert_accessible(browser, "the owner's page").await;
    click(browser, "[data-testid=review-entry] .review-picture").await;
    browser.find("[data-testid=item-card][open] dl").await;
    axe::assert_accessible(browser, "an item's card").await;
    click(browser, "[data-testid=item-close]").await;
}

/// In another language the page says the same.
async fn it_speaks_german(browser: &Browser) {
    let agent = evaluate(browser, "return navigator.userAgent").await;
    let speak = async |language: &str| {
        let params = json!({ "userAgent": agent, "acceptLanguage": language });
        browser
            .driver_command("goog/cdp/execute", json!({ "cmd": "Emulation.setUserAgentOverride", "params": params }))
            .await;
        browser.goto("/admin").await;
        browser.find("#data[data-state=ready]").await;
        browser.text("#data-title").await
    };
    assert_eq!(speak("de-DE,de").await, "Zustand der Sammlung");
    assert_eq!(evaluate(browser, "return document.documentElement.lang").await, "de");
    assert_eq!(speak("zh-CN").await, "数据健康");
    assert_eq!(speak("en-US,en").await, "The collection’s health");
}

async fn a_narrow_window_does_not_scroll_sideways(browser: &Browser) {
    let size = json!({ "width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": false });
    browser
        .driver_command("goog/cdp/execute", json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": size }))
        .await;
    for section in ["data", "review", "map", "models", "train", "tasks", "keys"] {
        go(browser, section).await;
        browser.wait_until(&format!("{section} fits"), "return document.documentElement.scrollWidth <= 320").await;
    }
    browser
        .driver_command("goog/cdp/execute", json!({ "cmd": "Emulation.clearDeviceMetricsOverride", "params": {} }))
        .await;
}

/// Neither errors of scripts nor breaches of the content security policy; that a key was wanted is no error of the
/// page, nor is what the service refused on purpose.
async fn console_has_only_expected_errors(browser: &Browser) {
    let entries = browser.driver_command("se/log", json!({ "type": "browser" })).await;
    let meant = |entry: &Value| {
        ["status of 401", "status of 422"]
            .iter()
            .any(|said| entry["message"].as_str().is_some_and(|m| m.contains(said)))
    };
    let entries = entries.as_array().expect("a list of console entries");
    let severe: Vec<_> = entries.iter().filter(|entry| entry["level"] == "SEVERE" && !meant(entry)).collect();
    assert!(severe.is_empty(), "the console has errors: {severe:#?}");
}

/// Whoever gives none is told, and may go on later.
async fn a_forgotten_key_is_asked_for_again(browser: &Browser, key: &str) {
    go(browser, "tasks").await;
    click(browser, "[data-testid=forget]").await;
    click(browser, "[data-testid=do-selftest]").await;
    browser.find("[data-testid=key-dialog][open]").await;
    click(browser, "[data-testid=key-cancel]").await;
    browser.find("#tasks [data-testid=failure]").await;
    click(browser, "[data-testid=do-selftest]").await;
    fill(browser, "[data-testid=key-field]", key).await;
    click(browser, "[data-testid=key-use]").await;
    browser.wait_until("the page goes on", "return !document.querySelector('#tasks [data-testid=failure]')").await;
}

async fn a_service_that_is_gone_is_told(browser: &Browser, server: Server) {
    server.kill();
    click(browser, "[data-testid=do-reindex]").await;
    browser
        .wait_until(
            "it is said that the service does not answer",
            "return !!document.querySelector('#tasks [data-testid=failure]')?.textContent.includes('does not answer')",
        )
        .await;
}
