//! Settings file: the one of `--config`, of `DIPTYCH_CONFIG`, or `diptych.toml` in the current folder if it exists.
//!
//! Precedence: flag, environment variable, file, default. Every option with an environment variable is also a key of
//! the file, named like the variable without `DIPTYCH_` and in lower case. The keys and their types are derived from
//! the definition of the command line, so none can be forgotten here: a value from the file replaces the default of its
//! flag.
//!
//! An option that was renamed keeps its old flag as an alias. Its old variable and its old key are derived from the
//! alias, so they keep working as well; `diptych config check` names the new spelling.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use clap::{
    Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches, Id,
    error::{ContextKind, ContextValue},
    parser::ValueSource,
};
use toml::de::{DeTable, DeValue};

use super::cli::Cli;

/// File that is read if none is named.
const DEFAULT_FILE: &str = "diptych.toml";

/// Prefix of the environment variables.
const PREFIX: &str = "DIPTYCH_";

/// Minimum similarity of an unknown key to a known one that is suggested for it, in [0, 1].
const MIN_SIMILARITY: f64 = 0.75;

/// A setting in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its key in a file.
    pub name: String,
    /// Its value as written, several separated by commas; `None` if it is not set.
    pub value: Option<String>,
    /// Where it is set: a flag, a variable, a line of the file, or `default`.
    pub source: String,
    /// If it is set under an old name: a sentence that names the new one.
    pub rename_notice: Option<String>,
}

/// Error on reading the settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Error in the command line or the environment, as clap words it.
    #[error(transparent)]
    CommandLine(#[from] clap::Error),
    /// The file cannot be read.
    #[error("the settings in {path} cannot be read: {source}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Invalid settings in the file or in variables with old names: a line for each, with its place.
    #[error("{}", .0.join("\n"))]
    Faults(Vec<String>),
}

impl Cli {
    /// Reads command line, environment and file. Also returns the settings of the command that a file can contain, by
    /// name.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<(Self, Vec<Setting>), SettingsError> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let file = match file_argument(&arguments) {
            Some(path) => Some(path),
            None => Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()),
        };
        let mut values = file.as_deref().map(FileValues::read).transpose()?.unwrap_or_default();
        values.add_renamed_variables()?;
        let matches = with_defaults(Self::command(), &values.0).try_get_matches_from(&arguments)?;
        let cli = Self::from_arg_matches(&matches)?;
        Ok((cli, values.in_effect(&matches, &arguments)))
    }
}

/// The file that a flag or the environment names. Other errors in the command line are reported later.
fn file_argument(arguments: &[OsString]) -> Option<PathBuf> {
    let matches = Cli::command().ignore_errors(true).try_get_matches_from(arguments).ok()?;
    innermost(&matches).get_one("config").cloned()
}

/// Matches of the innermost subcommand.
fn innermost(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, inner)| innermost(inner))
}

/// Settings of the innermost subcommand in `matches`, by name, including global ones.
fn settings_of(command: &Command, matches: &ArgMatches) -> BTreeMap<String, Arg> {
    let named = |arg: &Arg| Some((name_of(arg)?, arg.clone()));
    match matches.subcommand().and_then(|(name, inner)| Some((command.find_subcommand(name)?, inner))) {
        Some((subcommand, inner)) => {
            let mut settings = settings_of(subcommand, inner);
            settings.extend(command.get_arguments().filter(|arg| arg.is_global_set()).filter_map(named));
            settings
        }
        None => command.get_arguments().filter_map(named).collect(),
    }
}

/// Replaces the defaults of a command and its subcommands.
fn with_defaults(command: Command, values: &HashMap<Id, FileValue>) -> Command {
    command
        .mut_args(|arg| match values.get(arg.get_id()) {
            Some(value) => arg.default_values(value.values.clone()),
            None => arg,
        })
        .mut_subcommands(|subcommand| with_defaults(subcommand, values))
}

/// Settings of a command and all its subcommands, by name.
fn known_settings(command: &Command) -> BTreeMap<String, Arg> {
    let mut known: BTreeMap<String, Arg> =
        command.get_arguments().filter_map(|arg| Some((name_of(arg)?, arg.clone()))).collect();
    known.extend(command.get_subcommands().flat_map(known_settings));
    known
}

/// Name of an option in the settings file, if it has one.
fn name_of(arg: &Arg) -> Option<String> {
    let name = arg.get_env()?.to_str()?.strip_prefix(PREFIX)?.to_lowercase();
    (name != "config").then_some(name)
}

/// Names that an option had before it was renamed.
fn old_names(arg: &Arg) -> Vec<String> {
    let flags = arg.get_all_aliases().unwrap_or_default();
    flags.into_iter().map(|flag| flag.replace('-', "_")).collect()
}

/// Environment variable of a setting.
fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.to_uppercase())
}

fn rename_notice(place: &str, old: &str, new: &str) -> String {
    format!("{place}: {old} is now called {new}; the old name still works")
}

/// Value of a setting from the file, or from a variable with an old name.
#[derive(Debug)]
struct FileValue {
    values: Vec<String>,
    /// File and line, or the variable.
    place: String,
    rename_notice: Option<String>,
}

#[derive(Debug, Default)]
struct FileValues(HashMap<Id, FileValue>);

impl FileValues {
    fn read(path: &Path) -> Result<Self, SettingsError> {
        let text =
            fs::read_to_string(path).map_err(|source| SettingsError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&path.display().to_string(), &text)
    }

    fn parse(path: &str, text: &str) -> Result<Self, SettingsError> {
        let line = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        let table = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line(span.start));
            SettingsError::Faults(vec![format!("{path}:{line}: {}", error.message())])
        })?;
        let known = known_settings(&Cli::command());
        let (mut file, mut faults) = (HashMap::new(), Vec::new());
        for (key, value) in table.get_ref() {
            let (at, key) = (key.span().start, key.get_ref().as_ref());
            let place = format!("{path}:{}", line(at));
            let found = known.iter().find(|(name, arg)| *name == key || old_names(arg).iter().any(|old| old == key));
            let read = match found {
                Some((name, _)) if name != key && table.get_ref().contains_key(name.as_str()) => {
                    Err(format!("is the old name of {name}, which is set as well"))
                }
                Some((name, arg)) => values(value.get_ref())
                    .and_then(|values| valid(arg, values))
                    .map(|values| (arg, values, (name != key).then(|| rename_notice(&place, key, name)))),
                None => Err(did_you_mean(key, &known)),
            };
            match read {
                Ok((arg, values, rename_notice)) => {
                    file.insert(arg.get_id().clone(), FileValue { values, place, rename_notice });
                }
                Err(reason) => faults.push((at, format!("{place}: {key}: {reason}"))),
            }
        }
        if faults.is_empty() {
            return Ok(Self(file));
        }
        faults.sort();
        Err(SettingsError::Faults(faults.into_iter().map(|(_, fault)| fault).collect()))
    }

    /// Adds the values of variables with old names, which take precedence over the file, where the new one is not set.
    fn add_renamed_variables(&mut self) -> Result<(), SettingsError> {
        for (name, arg) in known_settings(&Cli::command()) {
            let set = |name: &str| std::env::var(variable(name)).ok();
            let old = old_names(&arg).into_iter().find_map(|old| Some((variable(&old), set(&old)?)));
            let (Some((place, value)), None) = (old, set(&name)) else { continue };
            let values =
                valid(&arg, vec![value]).map_err(|reason| SettingsError::Faults(vec![format!("{place}: {reason}")]))?;
            let rename_notice = Some(rename_notice("environment", &place, &variable(&name)));
            self.0.insert(arg.get_id().clone(), FileValue { values, place, rename_notice });
        }
        Ok(())
    }

    /// Settings in effect for the given command, by name.
    fn in_effect(&self, matches: &ArgMatches, arguments: &[OsString]) -> Vec<Setting> {
        let inner = innermost(matches);
        let setting = |(name, arg): (String, Arg)| {
            let id = arg.get_id();
            let value = inner
                .get_raw(id.as_str())
                .map(|values| values.map(|value| value.to_string_lossy().into_owned()).collect::<Vec<_>>().join(","));
            let (source, rename_notice) = match inner.value_source(id.as_str()) {
                Some(ValueSource::CommandLine) => {
                    let new = format!("--{}", arg.get_long().unwrap_or_default());
                    let old = arg.get_all_aliases().unwrap_or_default().into_iter().map(|flag| format!("--{flag}"));
                    match old.into_iter().find(|old| is_given(old, arguments)) {
                        Some(old) => (old.clone(), Some(rename_notice("command line", &old, &new))),
                        None => (new, None),
                    }
                }
                Some(ValueSource::EnvVariable) => (variable(&name), None),
                _ => match self.0.get(id) {
                    Some(value) => (value.place.clone(), value.rename_notice.clone()),
                    None => ("default".to_owned(), None),
                },
            };
            Setting { name, value, source, rename_notice }
        };
        settings_of(&Cli::command(), matches).into_iter().map(setting).collect()
    }
}

/// Whether a flag is among the arguments, by itself or as `--flag=value`.
fn is_given(flag: &str, arguments: &[OsString]) -> bool {
    let arguments = arguments.iter().filter_map(|argument| argument.to_str());
    arguments.filter_map(|argument| argument.strip_prefix(flag)).any(|rest| rest.is_empty() || rest.starts_with('='))
}

/// A value of the file as the command line would contain it.
fn values(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    match value {
        DeValue::String(text) => Ok(vec![text.to_string()]),
        DeValue::Integer(number) if number.radix() == 10 => Ok(vec![number.as_str().to_owned()]),
        DeValue::Float(number) => Ok(vec![number.as_str().to_owned()]),
        DeValue::Boolean(yes) => Ok(vec![yes.to_string()]),
        DeValue::Array(list) => {
            let lists = list.iter().map(|value| values(value.get_ref())).collect::<Result<Vec<_>, _>>()?;
            Ok(lists.concat())
        }
        DeValue::Table(_) => Err("is a table, but settings are not grouped in tables".into()),
        _ => Err("must be a string, a decimal number, true, false, or a list of these".into()),
    }
}

/// The values, if the flag accepts them.
fn valid(arg: &Arg, values: Vec<String>) -> Result<Vec<String>, String> {
    if values.len() != 1 && !matches!(arg.get_action(), ArgAction::Append) {
        return Err(format!("has {} values; one is expected", values.len()));
    }
    let alone = Arg::new("value").num_args(1..).allow_hyphen_values(true);
    let alone = alone.value_parser(arg.get_value_parser().clone());
    let command = Command::new("file").no_binary_name(true).arg(alone);
    let Err(error) = command.try_get_matches_from(&values) else { return Ok(values) };
    let allowed = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(allowed)) if !allowed.is_empty() => format!("allowed are {}", allowed.join(", ")),
        _ => match std::error::Error::source(&error) {
            Some(reason) => reason.to_string(),
            None => error.to_string().lines().next().unwrap_or_default().to_owned(),
        },
    };
    Err(format!("cannot be {:?}: {allowed}", values.join(",")))
}

/// Message about an unknown key.
fn did_you_mean(key: &str, known: &BTreeMap<String, Arg>) -> String {
    let similarity = |name: &String| strsim::jaro_winkler(key, name);
    let closest = known.keys().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    match closest.filter(|name| similarity(name) > MIN_SIMILARITY) {
        Some(name) => format!("is not a setting; did you mean {name}?"),
        None => {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            format!("is not a setting; settings are {}", names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests;
