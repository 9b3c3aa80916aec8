use super::*;

fn read(text: &str, arguments: &[&str]) -> Result<(Config, Vec<Setting>), SettingsError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("settings.toml");
    fs::write(&path, text).expect("a file");
    let arguments =
        ["diptych", "--config", path.to_str().expect("a path")].into_iter().chain(arguments.iter().copied());
    let folder = format!("{}/", folder.path().display());
    let read = Config::read(arguments.map(OsString::from));
    // The folder's own path is random.
    let shortened = |text: &String| text.replace(&folder, "");
    match read {
        Ok((config, mut settings)) => {
            settings.iter_mut().for_each(|setting| setting.from = shortened(&setting.from));
            Ok((config, settings))
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
fn a_flag_goes_before_the_file_and_the_file_before_the_default() {
    let text = "# how we serve\nqueue = 7\nmax_body = \"2MiB\"\nmax_terms = 5\nmetrics_open = false\n\
                cors_origin = [\"https://a.example\", \"https://b.example\"]\nlog_format = \"json\"\ntext_encoder = \"mine\"\n";
    let (config, settings) = read(text, &["serve", "--max-terms", "6"]).expect("settings");
    let crate::config::Verb::Serve(args) = &config.verb else { panic!("{config:?}") };
    let limits = &args.limits;
    assert_eq!((limits.queue, limits.max_body, limits.max_terms, limits.max_results), (7, 2 << 20, 6, 100));
    assert!(!args.metrics_open);
    assert_eq!(args.cors_origins, ["https://a.example", "https://b.example"]);
    assert_eq!(config.common.log_format, crate::config::LogFormat::Json);
    assert_eq!(config.common.text_encoder.as_deref(), Some("mine"));
    let setting = |name: &str| {
        let setting = settings.iter().find(|setting| setting.name == name);
        let setting = setting.unwrap_or_else(|| panic!("no {name} in {settings:?}"));
        (setting.value.as_deref(), setting.from.as_str())
    };
    assert_eq!(setting("queue"), (Some("7"), "settings.toml:2"));
    assert_eq!(setting("max_terms"), (Some("6"), "--max-terms"));
    assert_eq!(setting("max_results"), (Some("100"), "default"));
    assert_eq!(setting("cors_origin"), (Some("https://a.example,https://b.example"), "settings.toml:6"));
    assert_eq!(setting("image_encoder").1, "default");
}

#[test]
fn a_file_may_set_what_another_verb_has() {
    let (_, settings) = read("queue = 7\ndevice = \"cpu\"\n", &["status"]).expect("settings");
    assert!(!settings.iter().any(|setting| setting.name == "queue"), "{settings:?}");
    let (config, _) = read("device = \"cpu\"\n", &["train"]).expect("settings");
    let crate::config::Verb::Train { args, .. } = config.verb else { panic!("{config:?}") };
    assert_eq!(args.device.as_deref(), Some("cpu"));
}

#[test]
fn every_fault_is_told_with_its_place_and_with_what_is_allowed() {
    let text = "listen = \"here\"\nlimits.queue = 3\nqueue = 0\nmax_terns = 3\nlog_format = \"xml\"\nzebra = 1\n\
                metrics_open = \"perhaps\"\nmax_body = \"1TB\"\nmax_picture = \"1KiB\"\nhead_timeout = \"2h\"\ndata = [\"a\", \"b\"]\n\
                cors_origin = [\"*\"]\nmax_terms = 1979-05-27\nconfig = \"other.toml\"\n";
    let faults = faults(text);
    let told = [
        "settings.toml:1: listen: cannot be \"here\": invalid socket address syntax",
        "settings.toml:2: limits: is no setting; there are body_timeout, ",
        "settings.toml:3: queue: cannot be \"0\": 0 is not in 1..=10000",
        "settings.toml:4: max_terns: is no setting; max_terms is one",
        "settings.toml:5: log_format: cannot be \"xml\": allowed are text, json",
        "settings.toml:6: zebra: is no setting; there are ",
        "settings.toml:7: metrics_open: cannot be \"perhaps\": allowed are true, false",
        "settings.toml:8: max_body: cannot be \"1TB\": a size is a whole number",
        "settings.toml:10: head_timeout: cannot be \"2h\": a time is a whole number",
        "settings.toml:11: data: has 2 values; one is expected",
        "settings.toml:12: cors_origin: cannot be \"*\": an origin is",
        "settings.toml:13: max_terms: is neither a text nor",
        "settings.toml:14: config: is no setting; ",
    ];
    assert_eq!(faults.len(), told.len(), "{faults:#?}");
    for (fault, told) in faults.iter().zip(told) {
        assert!(fault.starts_with(told), "{fault}\nis not\n{told}");
    }
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    let faults = faults("queue = 7\nqueue 8\n");
    assert!(faults.len() == 1 && faults[0].starts_with("settings.toml:2: "), "{faults:?}");
}

#[test]
fn a_file_that_is_named_has_to_be_there() {
    let read = Config::read(["diptych", "status", "--config", "no/such/file.toml"].map(OsString::from));
    assert!(matches!(read, Err(SettingsError::Unreadable { .. })), "{read:?}");
}

/// A variable is the name of a setting, and one name never means two things.
#[test]
fn every_variable_is_a_setting_of_one_meaning() {
    fn visit(command: &Command, seen: &mut BTreeMap<String, Id>) {
        for arg in command.get_arguments() {
            let Some(name) = arg.get_env() else { continue };
            let name = name.to_str().expect("ASCII").strip_prefix(PREFIX).expect("our prefix").to_lowercase();
            assert!(arg.get_action().takes_values(), "{name} has no value");
            let id = arg.get_id().clone();
            assert_eq!(seen.entry(name.clone()).or_insert_with(|| id.clone()), &id, "{name}");
        }
        command.get_subcommands().for_each(|verb| visit(verb, seen));
    }
    let mut seen = BTreeMap::new();
    visit(&Config::command(), &mut seen);
    seen.remove("config");
    assert_eq!(seen.keys().collect::<Vec<_>>(), known(&Config::command()).keys().collect::<Vec<_>>());
    assert!(seen.len() > 25, "{seen:?}");
}
