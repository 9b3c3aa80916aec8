//! Settings from flags, environment and file, and `config check`.

use std::{fs, path::Path, process::Command};

use crate::common::{Server, combined_output, copy_collection, count, diptych, models, succeed, trained_collection};

/// A command of the binary in a folder, without `DIPTYCH_*` variables.
pub(crate) fn isolated_diptych(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_diptych"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DIPTYCH_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder);
    command
}

fn check(folder: &Path) -> Command {
    let mut command = isolated_diptych(folder);
    command.args(["config", "check"]);
    command
}

fn file_names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> = entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Value and source of a setting, as `config check` prints them.
fn printed_setting(text: &str, name: &str) -> (String, String) {
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in\n{text}"));
    let words: Vec<&str> = line.split_whitespace().collect();
    (words[1].to_owned(), words[2..].join(" "))
}

#[test]
fn config_check_prints_settings_with_their_sources_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = "data = \"collection\"\nqueue = 5\nmax_terms = 4\nmax_results = 50\n";
    fs::write(folder.path().join("diptych.toml"), file).expect("a file");
    let mut command = check(folder.path());
    command.args(["--max-results", "60"]).env("DIPTYCH_MAX_TERMS", "3").env("DIPTYCH_MAX_RESULTS", "55");
    let text = succeed(&mut command);
    let pair = |value: &str, from: &str| (value.to_owned(), from.to_owned());
    assert_eq!(printed_setting(&text, "data"), pair("collection", "diptych.toml:1"));
    assert_eq!(printed_setting(&text, "queue"), pair("5", "diptych.toml:2"));
    assert_eq!(printed_setting(&text, "max_terms"), pair("3", "DIPTYCH_MAX_TERMS"));
    assert_eq!(printed_setting(&text, "max_results"), pair("60", "--max-results"));
    assert_eq!(printed_setting(&text, "max_body"), pair("1MiB", "default"));
    assert_eq!(printed_setting(&text, "image_encoder"), pair("-", "default"));
    assert_eq!(file_names(folder.path()), ["diptych.toml"]);

    // A file named by the environment replaces the default one.
    fs::write(folder.path().join("other.toml"), "queue = 6\n").expect("a file");
    let text = succeed(check(folder.path()).env("DIPTYCH_CONFIG", "other.toml"));
    assert_eq!(printed_setting(&text, "queue"), pair("6", "other.toml:1"));
    assert_eq!(printed_setting(&text, "max_terms"), pair("16", "default"));
}

#[test]
fn config_check_names_the_new_spelling_of_old_names() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("diptych.toml"), "kept_texts = 7\nkept_bytes = \"2MiB\"\n").expect("a file");
    let output = check(folder.path()).env("DIPTYCH_KEPT_TEXTS", "8").output().expect("the binary starts");
    let text = combined_output(&output);
    assert!(output.status.success(), "{text}");
    assert_eq!(printed_setting(&text, "query_cache_entries"), ("8".to_owned(), "DIPTYCH_KEPT_TEXTS".to_owned()));
    assert_eq!(printed_setting(&text, "query_cache_size"), ("2MiB".to_owned(), "diptych.toml:2".to_owned()));
    for notice in [
        "DIPTYCH_KEPT_TEXTS is now called DIPTYCH_QUERY_CACHE_ENTRIES",
        "diptych.toml:2: kept_bytes is now called query_cache_size",
    ] {
        assert!(text.contains(notice), "{notice} is not in\n{text}");
    }

    // The new variable takes precedence, and an old one is checked like a new one.
    let mut both = check(folder.path());
    let text = succeed(both.env("DIPTYCH_KEPT_TEXTS", "8").env("DIPTYCH_QUERY_CACHE_ENTRIES", "9"));
    assert_eq!(
        printed_setting(&text, "query_cache_entries"),
        ("9".to_owned(), "DIPTYCH_QUERY_CACHE_ENTRIES".to_owned())
    );
    let output = check(folder.path()).env("DIPTYCH_KEPT_TEXTS", "many").output().expect("the binary starts");
    assert!(
        !output.status.success() && combined_output(&output).contains("DIPTYCH_KEPT_TEXTS: cannot be"),
        "{}",
        combined_output(&output)
    );
}

#[test]
fn config_check_reports_every_fault_and_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("no-folder"), "").expect("a file");
    let file = "listen = \"0.0.0.0:7700\"\ndata = \"no-folder/data\"\nimage_encoder = \"all-minilm-l6-v2\"\n\
                text_encoder = \"babel\"\nmax_uploads = \"1MiB\"\nlog = \"loud=very\"\n";
    fs::write(folder.path().join("diptych.toml"), file).expect("a file");
    let output = check(folder.path()).output().expect("the binary starts");
    let text = combined_output(&output);
    assert!(!output.status.success(), "{text}");
    for fault in [
        "diptych: max_picture is 33554432 bytes but max_uploads 1048576",
        "diptych: --log \"loud=very\" is invalid",
        "diptych: data: ",
        "no-folder is not a folder",
        "diptych: --listen 0.0.0.0:7700: other machines may reach this address",
        "diptych: image_encoder: all-minilm-l6-v2 is an encoder of texts",
        "diptych: text_encoder: ",
        "babel",
    ] {
        assert!(text.contains(fault), "{fault} is not in\n{text}");
    }
    assert_eq!(file_names(folder.path()), ["diptych.toml", "no-folder"]);

    // An address of another machine.
    let output = check(folder.path()).args(["--listen", "192.0.2.1:80"]).output().expect("the binary starts");
    assert!(combined_output(&output).contains("cannot listen on 192.0.2.1"), "{}", combined_output(&output));

    // Every command rejects an invalid file, with the place of each fault.
    fs::write(folder.path().join("diptych.toml"), "\nquue = 3\nmax_terms = 0\n").expect("a file");
    for command in [&["config", "check"][..], &["serve"], &["status"]] {
        let output = isolated_diptych(folder.path()).args(command).output().expect("the binary starts");
        let text = combined_output(&output);
        assert!(!output.status.success(), "{command:?}: {text}");
        assert!(text.contains("diptych.toml:2: quue: is not a setting; did you mean queue?"), "{command:?}: {text}");
        assert!(
            text.contains("diptych.toml:3: max_terms: cannot be \"0\": 0 is not in 1..=1000"),
            "{command:?}: {text}"
        );
    }
    let output =
        diptych(folder.path()).args(["status", "--config", "nowhere.toml"]).output().expect("the binary starts");
    assert!(
        !output.status.success() && combined_output(&output).contains("nowhere.toml cannot be read"),
        "{}",
        combined_output(&output)
    );
}

#[tokio::test]
async fn running_service_uses_its_file_and_can_be_checked_and_probed() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let file = data.path().join("settings.toml");
    fs::write(&file, "max_terms = 7\nrequest_timeout = \"9s\"\n").expect("a file");
    let file = file.to_str().expect("a path");
    let server = Server::start_with(data.path(), &["--config", file]).await;
    let info: serde_json::Value =
        reqwest::get(format!("{}/v1/info", server.base)).await.expect("a response").json().await.expect("JSON");
    assert_eq!((&info["limits"]["terms"], &info["limits"]["request_timeout_ms"]), (&7.into(), &9000.into()));

    // The check also finds a key that is only in the WAL of a running service.
    let open = ["config", "check", "--config", file, "--listen", "0.0.0.0:0"];
    let output = diptych(data.path()).args(open).output().expect("the binary starts");
    assert!(
        !output.status.success() && combined_output(&output).contains("key create --scope admin"),
        "{}",
        combined_output(&output)
    );
    succeed(diptych(data.path()).args(["key", "create", "--scope", "admin"]));
    succeed(diptych(data.path()).args(open));
    assert_eq!(count(data.path(), "select count(*) from api_keys").await, 1);

    let address = server.base.strip_prefix("http://").expect("an address").to_owned();
    let healthy = succeed(diptych(data.path()).arg("health").env("DIPTYCH_LISTEN", &address));
    assert!(healthy.contains("\"ready\""), "{healthy}");
    drop(server);
    let output = diptych(data.path()).args(["health", "--listen", &address]).output().expect("the binary starts");
    assert!(!output.status.success() && combined_output(&output).contains("/readyz"), "{}", combined_output(&output));

    // Without a running service the check still finds the key, and leaves the folder unchanged.
    let before = file_names(data.path());
    succeed(diptych(data.path()).args(open));
    assert_eq!(file_names(data.path()), before);
    assert!(models().exists());
}
