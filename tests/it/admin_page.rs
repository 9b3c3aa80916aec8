//! The admin page in a real browser, used the way an administrator does. See `browser` for the requirements.

use std::{path::Path, time::Duration};

use fantoccini::actions::{InputSource, MOUSE_BUTTON_LEFT, MouseActions, PointerAction};
use serde_json::{Value, json};

use crate::{
    axe,
    browser::{Browser, Driver},
    common::{Server, copy_collection, count, diptych, execute_sql, succeed, trained_collection},
};

/// A text that would run a script if it were inserted as markup.
const MARKUP: &str = "<img src=x onerror=alert(1)>";

#[tokio::test]
async fn admin_page_covers_every_section() {
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

    page_asks_for_a_key(&browser, &key).await;
    data_section_shows_data_quality(&browser, data.path()).await;
    label_issues_are_corrected_undone_and_dismissed(&browser, data.path()).await;
    map_shows_the_item_under_the_pointer(&browser).await;
    map_marks_a_query(&browser).await;
    lasso_and_class_list_their_items(&browser).await;
    training_is_charted_live(&browser).await;
    models_are_compared_and_activated(&browser).await;
    training_is_cancelled(&browser).await;
    tasks_are_started_and_listed(&browser).await;
    key_is_created_and_revoked(&browser).await;
    every_section_is_accessible(&browser).await;
    page_is_translated(&browser).await;
    narrow_window_does_not_scroll_sideways(&browser).await;
    console_has_only_expected_errors(&browser).await;
    // Last, because these log errors on the console.
    page_asks_again_for_a_forgotten_key(&browser, &key).await;
    page_reports_an_unreachable_service(&browser, server).await;

    browser.client.close().await.expect("the browser closes");
}

/// Scrolls to a section, like its link, and waits until it has loaded.
async fn scroll_to(browser: &Browser, section: &str) {
    let script = "document.documentElement.style.scrollBehavior = 'auto';
                  document.getElementById(arguments[0]).scrollIntoView();";
    browser.client.execute(script, vec![json!(section)]).await.expect("the script runs");
    browser.find(&format!("#{section}[data-state=ready]")).await;
    // A section that is still loading would move the element before it is clicked.
    browser
        .wait_until("all sections have loaded", "return document.querySelector('section[aria-busy]') === null")
        .await;
}

async fn click(browser: &Browser, css: &str) {
    browser.find(css).await.click().await.unwrap_or_else(|error| panic!("{css}: {error}"));
}

/// Clicks a button that asks for confirmation.
async fn click_twice(browser: &Browser, css: &str) {
    click(browser, css).await;
    click(browser, css).await;
}

async fn fill_in(browser: &Browser, css: &str, text: &str) {
    let field = browser.find(css).await;
    field.clear().await.expect("the field is emptied");
    field.send_keys(text).await.expect("the field accepts text");
}

async fn number_in(browser: &Browser, css: &str) -> i64 {
    browser.text(css).await.replace(',', "").parse().unwrap_or_else(|error| panic!("{css}: {error}"))
}

async fn run_script(browser: &Browser, script: &str) -> Value {
    browser.client.execute(script, vec![]).await.expect("the script runs")
}

/// Without a key nothing is shown, an invalid one is reported, and a valid one opens the page and is stored for the
/// session only.
async fn page_asks_for_a_key(browser: &Browser, key: &str) {
    browser.goto("/admin").await;
    browser.find("[data-testid=key-dialog][open]").await;
    assert_eq!(run_script(browser, "return document.querySelector('[data-testid=health]')").await, Value::Null);
    let wrong = format!("{key}0");
    fill_in(browser, "[data-testid=key-field]", &wrong).await;
    click(browser, "[data-testid=key-use]").await;
    browser
        .wait_until(
            "the key is reported as invalid",
            "return !!document.querySelector('[data-testid=key-fault]')?.textContent",
        )
        .await;
    fill_in(browser, "[data-testid=key-field]", key).await;
    click(browser, "[data-testid=key-use]").await;
    browser.find("#data[data-state=ready]").await;
    let storage =
        run_script(browser, "return [localStorage.length, document.cookie.length, sessionStorage.length]").await;
    assert_eq!(storage, json!([0, 0, 1]));
}

/// The numbers match the catalog, and markup in a rejection's reason is shown as text.
async fn data_section_shows_data_quality(browser: &Browser, data: &Path) {
    scroll_to(browser, "data").await;
    assert_eq!(number_in(browser, "[data-testid=tile-items]").await, count(data, "select count(*) from items").await);
    let without_caption = "select count(*) from items where not exists (select 1 from captions where item = items.key)";
    assert_eq!(number_in(browser, "[data-testid=tile-no-caption]").await, count(data, without_caption).await);
    let duplicates =
        "select coalesce(sum(n - 1), 0) from (select count(*) as n from items where content_hash is not null
                 group by content_hash having n > 1)";
    assert_eq!(number_in(browser, "[data-testid=tile-duplicates]").await, count(data, duplicates).await);
    assert_eq!(number_in(browser, "[data-testid=tile-rejected]").await, 1);
    let classes = run_script(browser, "return document.querySelectorAll('[data-testid=classes] li').length").await;
    assert_eq!(classes, count(data, "select count(distinct label) from item_labels").await);
    click(browser, "#data summary").await;
    assert!(browser.text("#data table").await.contains(MARKUP));
}

/// An evaluation finds issues; a label is corrected and the correction undone, and an issue is dismissed.
async fn label_issues_are_corrected_undone_and_dismissed(browser: &Browser, data: &Path) {
    scroll_to(browser, "review").await;
    click(browser, "[data-testid=look-again]").await;
    browser.find("[data-testid=review-labels] [data-testid=review-entry]").await;
    scroll_to(browser, "review").await;
    const SHOWN: &str = "document.querySelectorAll('[data-testid=review-entry]').length";
    let shown = run_script(browser, &format!("return {SHOWN}")).await;
    let birds = "select count(*) from item_labels where label = (select key from labels where name = 'birds')";
    let before = count(data, birds).await;
    let click_correction =
        "const all = [...document.querySelectorAll('[data-testid=review-labels] [data-testid=review-mend]')];
         const one = all.find((button) => button.textContent === 'It is birds');
         one?.scrollIntoView({ block: 'center' }); one?.click(); return Boolean(one)";
    assert_eq!(run_script(browser, click_correction).await, true, "a bird with the label flags is an issue");
    browser.find("[data-testid=undo]").await;
    browser
        .wait_until("the undo button has the focus", "return document.activeElement.dataset.testid === 'undo'")
        .await;
    assert_eq!(count(data, birds).await, before + 1);
    click(browser, "[data-testid=undo]").await;
    browser
        .wait_until(
            "the issue is back",
            &format!("return {SHOWN} === {shown} && !document.querySelector('[data-testid=undo]')"),
        )
        .await;
    assert_eq!(count(data, birds).await, before);

    let dismissed = "select count(*) from review where settled_at is not null";
    for expected in [1, 0, 1] {
        let button = if expected == 1 { "review-right" } else { "undo" };
        click(browser, &format!("[data-testid={button}]")).await;
        let next = if expected == 1 { "undo" } else { "review-mend" };
        let focused = format!("return document.activeElement.dataset.testid === '{next}'");
        browser.wait_until(&format!("the focus is on {next}"), &focused).await;
        assert_eq!(count(data, dismissed).await, expected);
    }
}

/// Window coordinates of a point on the map: the first position at which the pointer changes.
async fn point_on_map(browser: &Browser) -> (f64, f64) {
    let script = "const canvas = document.querySelector('[data-testid=map-canvas]');
        canvas.scrollIntoView({ block: 'center' });
        const box = canvas.getBoundingClientRect();
        for (let y = box.top + 5; y < box.bottom; y += 6) for (let x = box.left + 5; x < box.right; x += 6) {
            canvas.dispatchEvent(new PointerEvent('pointermove', { clientX: x, clientY: y, pointerId: 1 }));
            if (canvas.style.cursor === 'pointer') {
                canvas.dispatchEvent(new PointerEvent('pointerleave'));
                // Further inside, because rounded coordinates of the edge may miss the point.
                return [x + 2, y + 5];
            }
        }
        return null;";
    let found = run_script(browser, script).await;
    let at = |i: usize| found[i].as_f64().unwrap_or_else(|| panic!("no point found on the map: {found}"));
    (at(0), at(1))
}

fn move_to(x: f64, y: f64) -> PointerAction {
    PointerAction::MoveTo { duration: Some(Duration::from_millis(60)), x, y }
}

/// All points are drawn; hovering shows an item, a click opens it.
async fn map_shows_the_item_under_the_pointer(browser: &Browser) {
    scroll_to(browser, "map").await;
    let drawn =
        run_script(browser, "return Number(document.querySelector('[data-testid=map-canvas]').dataset.points)").await;
    assert!(drawn.as_i64().is_some_and(|n| n > 100), "{drawn}");
    let (x, y) = point_on_map(browser).await;
    let mouse = MouseActions::new("mouse".into()).then(move_to(x - 60.0, y)).then(move_to(x, y));
    browser.client.perform_actions(mouse).await.expect("the mouse moves");
    browser.find("[data-testid=hover-card]:not([hidden])").await;
    browser
        .wait_until(
            "the card describes the item",
            "return document.querySelector('[data-testid=hover-card]').textContent.length > 3",
        )
        .await;
    let mouse = MouseActions::new("mouse".into())
        .then(move_to(x, y))
        .then(PointerAction::Down { button: MOUSE_BUTTON_LEFT })
        .then(PointerAction::Up { button: MOUSE_BUTTON_LEFT });
    browser.client.perform_actions(mouse).await.expect("the mouse clicks");
    browser.find("[data-testid=item-card][open] dl").await;
    click(browser, "[data-testid=item-close]").await;
    browser.wait_until("the item is closed", "return !document.querySelector('[data-testid=item-card]')").await;
}

async fn map_marks_a_query(browser: &Browser) {
    fill_in(browser, "[data-testid=map-query]", "a bird").await;
    click(browser, "[data-testid=map-ask]").await;
    browser
        .wait_until(
            "the neighbours of the query are reported",
            "return document.querySelector('[data-testid=map-found]').textContent.includes('10 of 10')",
        )
        .await;
}

/// A loop drawn with the mouse lists the items inside it; so does choosing a class, without a mouse.
async fn lasso_and_class_list_their_items(browser: &Browser) {
    click(browser, "[data-testid=lasso]").await;
    let script = "const canvas = document.querySelector('[data-testid=map-canvas]');
        canvas.scrollIntoView({ block: 'center' });
        const box = canvas.getBoundingClientRect();
        return [box.left + box.width / 2, box.top + box.height / 2];";
    let middle = run_script(browser, script).await;
    let (x, y) = (middle[0].as_f64().expect("x"), middle[1].as_f64().expect("y"));
    let mut mouse = MouseActions::new("mouse".into())
        .then(move_to(x - 200.0, y - 200.0))
        .then(PointerAction::Down { button: MOUSE_BUTTON_LEFT });
    for (dx, dy) in [(200.0, -200.0), (200.0, 200.0), (-200.0, 200.0)] {
        mouse = mouse.then(move_to(x + dx, y + dy));
    }
    let mouse = mouse.then(PointerAction::Up { button: MOUSE_BUTTON_LEFT });
    browser.client.perform_actions(mouse).await.expect("the mouse draws");
    let listed = browser.text("[data-testid=held]").await;
    assert!(listed.contains("picture") && listed.contains("caption"), "{listed}");
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

/// Sets the maximum number of epochs of both heads.
async fn set_epochs(browser: &Browser, epochs: &str) {
    scroll_to(browser, "train").await;
    for part in ["class", "pair"] {
        fill_in(browser, &format!("#set-{part}-optimizer-max_epochs"), epochs).await;
    }
}

/// Epochs are drawn while the training runs, and the result is shown. The model is poor, so activation is forced.
async fn training_is_charted_live(browser: &Browser) {
    set_epochs(browser, "4").await;
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
    assert_eq!(run_script(browser, "return document.getElementById('training').dataset.epochs").await, "8");
    assert_eq!(
        run_script(browser, "return document.querySelectorAll('[data-chart=class-map] polyline').length").await,
        2
    );
    click(browser, "#set-force").await;
}

/// The new model is listed without a reload, two models are compared, and the first one is activated again.
async fn models_are_compared_and_activated(browser: &Browser) {
    scroll_to(browser, "models").await;
    const ACTIVE: &str = "[...document.querySelectorAll('[data-testid=models] tbody tr')].findIndex((row) => \
        row.querySelector('.badge'))";
    browser.wait_until("the new model is active", &format!("return {ACTIVE} === 0")).await;
    // A section that is still loading would replace the element before it is clicked.
    scroll_to(browser, "models").await;
    for row in [1, 2] {
        click(browser, &format!("[data-testid=models] tbody tr:nth-child({row}) [data-testid=compare]")).await;
    }
    let table = browser.text("[data-testid=compared] table").await;
    assert!(table.contains("mAP picture") && (table.contains('▲') || table.contains('▼')), "{table}");
    // The first model has been evaluated, the new one has not.
    click(browser, "[data-testid=models] tbody tr:nth-child(1) [data-testid=plots]").await;
    browser.find("#plotted [data-testid=empty]").await;
    click(browser, "[data-testid=models] tbody tr:nth-child(2) [data-testid=plots]").await;
    browser.find("[data-testid=confusion]").await;
    let drawn = "return [document.querySelectorAll('[data-testid=plots-drawn] polyline').length,
        document.querySelectorAll('[data-testid=confusion] tbody tr').length,
        document.querySelectorAll('[data-testid=classes] li').length]";
    let drawn = run_script(browser, drawn).await;
    assert_eq!((&drawn[0], &drawn[1]), (&json!(8), &drawn[2]), "four plots of two lines, and a row for each class");
    click_twice(browser, "[data-testid=models] [data-testid=activate]").await;
    browser.wait_until("the first model is active", &format!("return {ACTIVE} === 1")).await;
}

async fn training_is_cancelled(browser: &Browser) {
    set_epochs(browser, "500").await;
    click(browser, "[data-testid=train-start]").await;
    browser
        .wait_until(
            "the first epoch",
            "const { epochs, status } = document.getElementById('training').dataset; return status \
            === 'running' && epochs >= 1",
        )
        .await;
    click_twice(browser, "[data-testid=training-cancel]").await;
    browser.find("#training[data-status=cancelled]").await;
    scroll_to(browser, "tasks").await;
    browser.find("[data-testid=task][data-status=cancelled]").await;
}

/// Tasks that are started here are listed, with their status.
async fn tasks_are_started_and_listed(browser: &Browser) {
    for name in ["selftest", "backup", "compact"] {
        let before = run_script(browser, "return document.querySelectorAll('[data-testid=task]').length").await;
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

/// A key is shown once, works until it is revoked, and errors of the service are displayed.
async fn key_is_created_and_revoked(browser: &Browser) {
    scroll_to(browser, "keys").await;
    click(browser, "#key-scope-search").await;
    click(browser, "[data-testid=key-make]").await;
    assert!(browser.text("#keys [data-testid=failure]").await.contains("at least one of search, ingest and admin"));
    click(browser, "#key-scope-search").await;
    fill_in(browser, "#key-name", MARKUP).await;
    fill_in(browser, "#key-days", "3").await;
    click(browser, "[data-testid=key-make]").await;
    let secret = browser.text("[data-testid=secret]").await;
    let status = async || {
        let request = reqwest::Client::new().get(format!("{}/v1/labels", browser.base)).bearer_auth(&secret);
        request.send().await.expect("a response").status().as_u16()
    };
    assert_eq!(status().await, 200);
    browser
        .wait_until("the key is listed", "return document.querySelectorAll('[data-testid=keys] tbody tr').length === 2")
        .await;
    assert!(browser.text("[data-testid=keys]").await.contains(MARKUP));
    click(browser, "[data-testid=key-done]").await;
    assert!(!browser.client.source().await.expect("the page").contains(&secret));
    click_twice(browser, "[data-testid=keys] tbody tr:last-child [data-testid=revoke]").await;
    browser
        .wait_until(
            "the key is removed",
            "return document.querySelectorAll('[data-testid=keys] tbody tr').length === 1",
        )
        .await;
    assert_eq!(status().await, 401);
}

/// Checks accessibility with all sections loaded, and with an item open.
async fn every_section_is_accessible(browser: &Browser) {
    for section in ["data", "review", "map", "models", "train", "tasks", "keys"] {
        scroll_to(browser, section).await;
    }
    axe::assert_accessible(browser, "the admin page").await;
    click(browser, "[data-testid=review-entry] .review-picture").await;
    browser.find("[data-testid=item-card][open] dl").await;
    axe::assert_accessible(browser, "an item's card").await;
    click(browser, "[data-testid=item-close]").await;
}

/// The page is shown in the language of the browser.
async fn page_is_translated(browser: &Browser) {
    let agent = run_script(browser, "return navigator.userAgent").await;
    let title_in = async |language: &str| {
        let params = json!({ "userAgent": agent, "acceptLanguage": language });
        browser
            .driver_command("goog/cdp/execute", json!({ "cmd": "Emulation.setUserAgentOverride", "params": params }))
            .await;
        browser.goto("/admin").await;
        browser.find("#data[data-state=ready]").await;
        browser.text("#data-title").await
    };
    assert_eq!(title_in("de-DE,de").await, "Zustand der Sammlung");
    assert_eq!(run_script(browser, "return document.documentElement.lang").await, "de");
    assert_eq!(title_in("zh-CN").await, "数据健康");
    assert_eq!(title_in("en-US,en").await, "The collection’s health");
}

async fn narrow_window_does_not_scroll_sideways(browser: &Browser) {
    let size = json!({ "width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": false });
    browser
        .driver_command("goog/cdp/execute", json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": size }))
        .await;
    for section in ["data", "review", "map", "models", "train", "tasks", "keys"] {
        scroll_to(browser, section).await;
        browser.wait_until(&format!("{section} fits"), "return document.documentElement.scrollWidth <= 320").await;
    }
    browser
        .driver_command("goog/cdp/execute", json!({ "cmd": "Emulation.clearDeviceMetricsOverride", "params": {} }))
        .await;
}

/// Checks that there are no script errors or violations of the content security policy. Requests without a key and
/// rejected input fail on purpose.
async fn console_has_only_expected_errors(browser: &Browser) {
    let entries = browser.driver_command("se/log", json!({ "type": "browser" })).await;
    let expected = |entry: &Value| {
        ["status of 401", "status of 422"]
            .iter()
            .any(|text| entry["message"].as_str().is_some_and(|m| m.contains(text)))
    };
    let entries = entries.as_array().expect("a list of console entries");
    let severe: Vec<_> = entries.iter().filter(|entry| entry["level"] == "SEVERE" && !expected(entry)).collect();
    assert!(severe.is_empty(), "the console has errors: {severe:#?}");
}

/// Cancelling the dialog shows an error; giving the key later continues.
async fn page_asks_again_for_a_forgotten_key(browser: &Browser, key: &str) {
    scroll_to(browser, "tasks").await;
    click(browser, "[data-testid=forget]").await;
    click(browser, "[data-testid=do-selftest]").await;
    browser.find("[data-testid=key-dialog][open]").await;
    click(browser, "[data-testid=key-cancel]").await;
    browser.find("#tasks [data-testid=failure]").await;
    click(browser, "[data-testid=do-selftest]").await;
    fill_in(browser, "[data-testid=key-field]", key).await;
    click(browser, "[data-testid=key-use]").await;
    browser.wait_until("the error disappears", "return !document.querySelector('#tasks [data-testid=failure]')").await;
}

async fn page_reports_an_unreachable_service(browser: &Browser, server: Server) {
    server.kill();
    click(browser, "[data-testid=do-reindex]").await;
    browser
        .wait_until(
            "the page reports that the service does not answer",
            "return !!document.querySelector('#tasks [data-testid=failure]')?.textContent.includes('does not answer')",
        )
        .await;
}
