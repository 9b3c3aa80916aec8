//! Accessibility checks with axe-core, which is downloaded once from npm.

use std::{fs, path::PathBuf, process::Command, sync::OnceLock};

use serde_json::Value;

use crate::{browser::Browser, common::cache};

const PACKAGE: &str = "axe-core@4.14.1";

/// Asserts that axe finds no violation on the current page, in the light and the dark scheme. Skipped without npm.
pub(crate) async fn assert_accessible(browser: &Browser, state: &str) {
    let Some(axe) = script() else { return };
    for scheme in ["light", "dark"] {
        let features = serde_json::json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        browser.devtools("Emulation.setEmulatedMedia", features).await;
        browser.run_script(axe).await;
        let found = browser
            .client
            .execute_async(
                "const done = arguments[arguments.length - 1];
                 axe.run(document).then(({ violations }) => done(violations.map(({ id, nodes }) =>
                     `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(' | ')}`)))
                     .catch((error) => done([String(error)]));",
                vec![],
            )
            .await
            .expect("axe runs");
        assert_eq!(found, Value::Array(Vec::new()), "axe finds violations on {state}, {scheme}: {found:#}");
    }
    browser.devtools("Emulation.setEmulatedMedia", serde_json::json!({ "features": [] })).await;
}

fn script() -> Option<&'static str> {
    static SCRIPT: OnceLock<Option<String>> = OnceLock::new();
    SCRIPT
        .get_or_init(|| {
            let source = download();
            if let Err(why) = &source {
                assert!(std::env::var_os("CI").is_none(), "axe-core cannot be downloaded from npm: {why}");
                eprintln!("skipped: axe-core cannot be downloaded from npm ({why})");
            }
            source.ok()
        })
        .as_deref()
}

fn download() -> Result<String, String> {
    let folder: PathBuf = cache().join("axe-core");
    let script = folder.join("package").join("axe.min.js");
    if !script.exists() {
        fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        let run = |program: &str, arguments: &[&str]| {
            let output =
                Command::new(program).args(arguments).current_dir(&folder).output().map_err(|e| e.to_string())?;
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.success() { Ok(String::from_utf8_lossy(&output.stdout).into_owned()) } else { Err(stderr) }
        };
        let archive = run("npm", &["pack", "--silent", PACKAGE])?;
        run("tar", &["xzf", archive.trim()])?;
    }
    fs::read_to_string(script).map_err(|e| e.to_string())
}
