//! schemathesis generates valid and invalid requests from the OpenAPI document and checks the responses against it.

use std::{path::PathBuf, process::Command};

use crate::common::{Server, cache, combined_output, copy_collection, diptych, succeed, trained_collection};

/// The version of schemathesis whose checks the service passes.
const VERSION: &str = "4.32.5";

/// Generated requests per operation and phase.
const EXAMPLES: &str = "12";

/// Path of the program, which is installed if necessary. `None` without Python, except on CI, where it panics.
fn schemathesis() -> Option<PathBuf> {
    let folder = cache().join(format!("schemathesis-{VERSION}"));
    let program = folder.join("bin/schemathesis");
    if program.is_file() {
        return Some(program);
    }
    let created = Command::new("python3").args(["-m", "venv"]).arg(&folder).output();
    if !created.as_ref().is_ok_and(|created| created.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "python3 -m venv: {created:?}");
        eprintln!("skipped: schemathesis needs python3 with venv");
        return None;
    }
    let pip = folder.join("bin/pip");
    succeed(Command::new(pip).args(["install", "--quiet", &format!("schemathesis=={VERSION}")]));
    Some(program)
}

#[tokio::test]
async fn service_conforms_to_its_openapi_document() {
    let Some(collection) = trained_collection() else { return };
    let Some(schemathesis) = schemathesis() else { return };
    let data = copy_collection(collection);
    let key = succeed(diptych(data.path()).args(["key", "create", "--scope", "admin"]));
    let key = key.lines().find(|line| line.starts_with("dpt_")).expect("a key").to_owned();
    let server = Server::start(data.path()).await;
    let (address, folder) = (format!("{}/openapi.json", server.base), data.path().to_owned());
    let run = tokio::task::spawn_blocking(move || {
        Command::new(schemathesis)
            .current_dir(&folder)
            .args(["--config-file", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis.toml"), "run", &address])
            .args(["--header", &format!("Authorization: Bearer {key}")])
            .args(["--max-examples", EXAMPLES, "--generation-deterministic", "--no-color", "--workers", "2"])
            // The stateful phase is off: the links that it infers use parameters that the operations do not have.
            .args(["--phases", "examples,coverage,fuzzing", "--suppress-health-check", "filter_too_much"])
            .output()
            .expect("schemathesis starts")
    });
    let run = run.await.expect("the thread ends");
    assert!(run.status.success(), "{}", combined_output(&run));
    let log = std::fs::read_to_string(data.path().join("serve.log")).expect("a log");
    assert!(!log.contains("panicked"), "{log}");
}
