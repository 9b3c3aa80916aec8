use super::*;

fn read(text: &str, arguments: &[&str]) -> Result<(Cli, Vec<Setting>), SettingsError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("settings.toml");
    fs::write(&path, text).expect("a file");
    let arguments =
        ["diptych", "--config", path.to_str().expect("a path")].into_iter().chain(arguments.iter().copied());
    let folder = format!("{}/", folder.path().display());
    let read = Cli::read(arguments.map(OsString::from));
    // Remove the random path of the folder.
    let shortened = |text: &String| text.replace(&folder, "");
    match read {
        Ok((cli, mut settings)) => {
            for setting in &mut settings {
                setting.source = shortened(&setting.source);
                setting.rename_notice = setting.rename_notice.as_ref().map(shortened);
            }
            Ok((cli, settings))
        }
        Err(SettingsError::Faults(faults)) => Err(SettingsError::Faults(faults.iter().map(shortened).collect())),
        Err(other) => Err(other),
    }
}

fn faults(text: &str) -> Vec<String> {
    match read(text, &["status"]) {
        Err(SettingsError::Faults(faults)) => faults,
        other => panic!("faults are expected: {other:?}"),
    }
}

#[test]
fn flags_take_precedence_over_the_file_and_the_file_over_defaults() {
    let text = "# how we serve\nqueue = 7\nmax_body = \"2MiB\"\nmax_terms = 5\nmetrics_open = false\n\
                cors_origin = [\"https://a.example\", \"https://b.example\"]\n\
                log_format = \"json\"\ntext_encoder = \"mine\"\n";
    let (cli, settings) = read(text, &["serve", "--max-terms", "6"]).expect("settings");
    let crate::config::Command::Serve(args) = &cli.command else { panic!("{cli:?}") };
    let limits = &args.limits;
    assert_eq!((limits.queue, limits.max_body, limits.max_terms, limits.max_results), (7, 2 << 20, 6, 100));
    assert!(!args.metrics_open);
    assert_eq!(args.cors_origins, ["https://a.example", "https://b.example"]);
    assert_eq!(cli.common.log_format, crate::config::LogFormat::Json);
    assert_eq!(cli.common.text_encoder.as_deref(), Some("mine"));
    let setting = |name: &str| {
        let setting = settings.iter().find(|setting| setting.name == name);
        let setting = setting.unwrap_or_else(|| panic!("no {name} in {settings:?}"));
        (setting.value.as_deref(), setting.source.as_str())
    };
    assert_eq!(setting("queue"), (Some("7"), "settings.toml:2"));
    assert_eq!(setting("max_terms"), (Some("6"), "--max-terms"));
    assert_eq!(setting("max_results"), (Some("100"), "default"));
    assert_eq!(setting("cors_origin"), (Some("https://a.example,https://b.example"), "settings.toml:6"));
    assert_eq!(setting("image_encoder").1, "default");
}

#[test]
fn the_file_may_contain_settings_of_other_commands() {
    let (_, settings) = read("queue = 7\ndevice = \"cpu\"\n", &["status"]).expect("settings");
    assert!(!settings.iter().any(|setting| setting.name == "queue"), "{settings:?}");
    let (cli, _) = read("device = \"cpu\"\n", &["train"]).expect("settings");
    let crate::config::Command::Train { args, .. } = cli.command else { panic!("{cli:?}") };
    assert_eq!(args.device.as_deref(), Some("cpu"));
}

#[test]
fn every_fault_is_reported_with_its_place_and_the_allowed_values() {
    let text = "listen = \"here\"\nlimits.queue = 3\nqueue = 0\nmax_terns = 3\nlog_format = \"xml\"\nzebra = 1\n\
                metrics_open = \"perhaps\"\nmax_body = \"1TB\"\nmax_picture = \"1KiB\"\nhead_timeout = \"2h\"\n\
                data = [\"a\", \"b\"]\n\
                cors_origin = [\"*\"]\nmax_terms = 1979-05-27\nconfig = \"other.toml\"\n";
    let faults = faults(text);
    let expected = [
        "settings.toml:1: listen: cannot be \"here\": invalid socket address syntax",
        "settings.toml:2: limits: is not a setting; settings are body_timeout, ",
        "settings.toml:3: queue: cannot be \"0\": 0 is not in 1..=10000",
        "settings.toml:4: max_terns: is not a setting; did you mean max_terms?",
        "settings.toml:5: log_format: cannot be \"xml\": allowed are text, json",
        "settings.toml:6: zebra: is not a setting; settings are ",
        "settings.toml:7: metrics_open: cannot be \"perhaps\": allowed are true, false",
        "settings.toml:8: max_body: cannot be \"1TB\": a size is a whole number",
        "settings.toml:10: head_timeout: cannot be \"2h\": a time is a whole number",
        "settings.toml:11: data: has 2 values; one is expected",
        "settings.toml:12: cors_origin: cannot be \"*\": an origin is",
        "settings.toml:13: max_terms: must be a string, ",
        "settings.toml:14: config: is not a setting; ",
    ];
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
    for (fault, expected) in faults.iter().zip(expected) {
        assert!(fault.starts_with(expected), "{fault}\nis not\n{expected}");
    }
}

#[test]
fn invalid_toml_is_reported_with_its_line() {
    let faults = faults("queue = 7\nqueue 8\n");
    assert!(faults.len() == 1 && faults[0].starts_with("settings.toml:2: "), "{faults:?}");
}

#[test]
fn a_named_file_must_exist() {
    let read = Cli::read(["diptych", "status", "--config", "no/such/file.toml"].map(OsString::from));
    assert!(matches!(read, Err(SettingsError::Unreadable { .. })), "{read:?}");
}

#[test]
fn every_variable_is_a_setting_with_a_unique_meaning() {
    fn visit(command: &Command, seen: &mut BTreeMap<String, Id>) {
        for arg in command.get_arguments() {
            let Some(name) = arg.get_env() else { continue };
            let name = name.to_str().expect("ASCII").strip_prefix(PREFIX).expect("our prefix").to_lowercase();
            assert!(arg.get_action().takes_values(), "{name} has no value");
            let id = arg.get_id().clone();
            assert_eq!(seen.entry(name.clone()).or_insert_with(|| id.clone()), &id, "{name}");
        }
        command.get_subcommands().for_each(|command| visit(command, seen));
    }
    let mut seen = BTreeMap::new();
    visit(&Cli::command(), &mut seen);
    seen.remove("config");
    assert_eq!(seen.keys().collect::<Vec<_>>(), known_settings(&Cli::command()).keys().collect::<Vec<_>>());
    assert!(seen.len() > 25, "{seen:?}");
}

#[test]
fn old_names_of_settings_and_flags_work_and_name_the_new_ones() {
    let setting = |settings: Vec<Setting>, name: &str| settings.into_iter().find(|setting| setting.name == name);
    let limits = |cli: &Cli| {
        let crate::config::Command::Serve(args) = &cli.command else { panic!("{cli:?}") };
        (args.limits.query_cache_entries, args.limits.query_cache_size)
    };
    let (cli, settings) = read("kept_texts = 7\nkept_bytes = \"2MiB\"\n", &["serve"]).expect("settings");
    assert_eq!(limits(&cli), (7, 2 << 20));
    let entries = setting(settings, "query_cache_entries").expect("a setting");
    assert_eq!((entries.value.as_deref(), entries.source.as_str()), (Some("7"), "settings.toml:1"));
    let notice = "settings.toml:1: kept_texts is now called query_cache_entries; the old name still works";
    assert_eq!(entries.rename_notice.as_deref(), Some(notice));

    let (cli, settings) = read("kept_texts = 7\n", &["serve", "--kept-texts=8"]).expect("settings");
    assert_eq!(limits(&cli).0, 8);
    let entries = setting(settings, "query_cache_entries").expect("a setting");
    assert_eq!(entries.source, "--kept-texts");
    assert!(entries.rename_notice.is_some_and(|notice| notice.contains("--query-cache-entries")));

    let (_, settings) = read("query_cache_entries = 7\n", &["serve"]).expect("settings");
    assert!(settings.iter().all(|setting| setting.rename_notice.is_none()), "{settings:?}");
    let both = faults("kept_texts = 7\nquery_cache_entries = 8\n");
    assert_eq!(both, ["settings.toml:1: kept_texts: is the old name of query_cache_entries, which is set as well"]);
    assert!(faults("kept_bytes = 7\n")[0].contains("kept_bytes: cannot be \"7\": allowed are 1MiB to"));
}

#[test]
fn old_and_new_names_are_all_different() {
    let known = known_settings(&Cli::command());
    let names: Vec<String> =
        known.iter().flat_map(|(name, arg)| old_names(arg).into_iter().chain([name.clone()])).collect();
    assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), names.len(), "{names:?}");
}
