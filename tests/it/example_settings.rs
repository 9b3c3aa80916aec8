//! `diptych.example.toml` lists every setting with its documentation and its default.

use std::{fs, path::Path};

use clap::{Arg, CommandFactory};
use diptych::config::Cli;

use crate::{common::succeed, settings::isolated_diptych};

/// The expected file, generated from the definition of the command line.
fn example_settings() -> String {
    let mut text = String::from(
        "# Every setting of diptych with its default. Copy what you need to `diptych.toml`.\n\
         #\n\
         # Precedence: flag > environment variable (DIPTYCH_MAX_BODY for max_body) > this file > default.\n\
         # `diptych config check` prints all settings, each with its source.\n",
    );
    let mut command = Cli::command();
    command.build();
    let mut listed = Vec::new();
    let mut section = |title: &str, arguments: Vec<&Arg>| {
        let mut has_title = false;
        for argument in arguments {
            let Some(name) = argument.get_env().and_then(|name| name.to_str()?.strip_prefix("DIPTYCH_")) else {
                continue;
            };
            let name = name.to_lowercase();
            if name == "config" || listed.contains(&name) {
                continue;
            }
            if !has_title {
                text.push_str(&format!("\n# {title}\n"));
                has_title = true;
            }
            text.push('\n');
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            wrap(&help, 117).iter().for_each(|line| text.push_str(&format!("# {line}\n")));
            let defaults: Vec<String> =
                argument.get_default_values().iter().map(|v| v.to_string_lossy().into()).collect();
            let value = match defaults.as_slice() {
                [] if argument.get_value_delimiter().is_some() => "[]".to_owned(),
                [] => format!("\"{}\"", argument.get_value_names().unwrap_or_default().join(" ")),
                [value] if value.parse::<i64>().is_ok() || value.parse::<bool>().is_ok() => value.clone(),
                values => format!("\"{}\"", values.join(",")),
            };
            text.push_str(&format!("#{name} = {value}\n"));
            listed.push(name);
        }
    };
    section("All commands", command.get_arguments().collect());
    let limits = |argument: &&Arg| argument.get_help_heading().is_some();
    let serve = command.find_subcommand("serve").expect("the command serve");
    section("serve", serve.get_arguments().filter(|argument| !limits(argument)).collect());
    section("Limits of serve", serve.get_arguments().filter(limits).collect());
    // `demo` has the arguments of `train` too; list them under `train`, where a reader expects them.
    let train = command.get_subcommands().filter(|command| command.get_name() == "train");
    for command in train.chain(command.get_subcommands()) {
        section(command.get_name(), command.get_arguments().collect());
    }
    text
}

/// Wraps a text into lines of at most `width` characters.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        if lines.last().is_some_and(|line| !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width)
        {
            lines.push(String::new());
        }
        let line = lines.last_mut().expect("a line");
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines
}

#[test]
fn file_has_every_setting_and_parses() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("diptych.example.toml");
    let expected = example_settings();
    if std::env::var_os("UPDATE_EXAMPLE").is_some() {
        fs::write(&path, &expected).expect("the file is written");
    }
    let actual = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, expected, "run the test again with UPDATE_EXAMPLE=1 to write diptych.example.toml");

    // Uncommented, it sets every setting of `serve` to its default.
    let folder = tempfile::tempdir().expect("a folder");
    let lines = actual.lines().filter_map(|line| line.strip_prefix('#'));
    let set = lines.filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
    let with_default = set.filter(|line| !line.contains("\"NAME\"") && !line.contains("\"DIR\""));
    let text: String = with_default.map(|line| format!("{line}\n")).collect();
    fs::write(folder.path().join("diptych.toml"), text).expect("a file");
    let check = |folder: &Path| succeed(isolated_diptych(folder).args(["config", "check"]));
    let output = check(folder.path());
    let defaults = check(tempfile::tempdir().expect("a folder").path());
    let values = |text: &str| -> Vec<(String, String)> {
        let mut words = text.lines().map(|line| line.split_whitespace().map(str::to_owned));
        words.by_ref().map(|mut words| (words.next().unwrap_or_default(), words.next().unwrap_or_default())).collect()
    };
    assert_eq!(values(&output), values(&defaults));
    assert!(output.lines().filter(|line| line.contains("diptych.toml:")).count() > 20, "{output}");
}
