//! Settings of a file: of `--config FILE`, of `DIPTYCH_CONFIG`, else of `diptych.toml` in the current folder if it is there.
//!
//! A flag goes before the environment, the environment before the file, the file before the default. Whatever has a
//! variable can stand in the file, under the variable's name without `DIPTYCH_` and in lower case. Which names there are and
//! what their values may be is read from the definition of the command line, so that no flag can be forgotten here: a value of
//! the file takes the place of its flag's default.

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

use super::cli::Config;

/// Where settings are looked for unless somebody says.
const USUAL: &str = "diptych.toml";

/// What the variables' names begin with.
const PREFIX: &str = "DIPTYCH_";

/// How alike a known name must be to be taken for the one that was meant, in [0, 1].
const ALIKE: f64 = 0.75;

/// A setting as it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name in a file.
    pub name: String,
    /// Its value as it was written, several with commas; nothing if it is not set.
    pub value: Option<String>,
    /// Who set it: a flag, a variable, a line of the file, or `default`.
    pub from: String,
}

/// Why the settings could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The command line or the environment; clap knows how to say it.
    #[error(transparent)]
    CommandLine(#[from] clap::Error),
    /// The file cannot be read.
    #[error("the settings in {path} cannot be read: {source}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What the file says cannot be used: a line for each fault, with its place.
    #[error("{}", .0.join("\n"))]
    Faults(Vec<String>),
}

impl Config {
    /// Reads all settings: command line, environment, file. Also gives those of the verb that can stand in a file, by name.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<(Self, Vec<Setting>), SettingsError> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let file = match asked_for(&arguments) {
            Some(path) => Some(path),
            None => Some(PathBuf::from(USUAL)).filter(|path| path.exists()),
        };
        let file = file.as_deref().map(File::read).transpose()?.unwrap_or_default();
        let matches = with_defaults(Self::command(), &file.values).try_get_matches_from(arguments)?;
        let config = Self::from_arg_matches(&matches)?;
        Ok((config, file.effective(&matches)))
    }
}

/// The file that a flag or the environment names. The rest of the command line may be wrong; that is said later.
fn asked_for(arguments: &[OsString]) -> Option<PathBuf> {
    let matches = Config::command().ignore_errors(true).try_get_matches_from(arguments).ok()?;
    leaf(&matches).get_one("config").cloned()
}

/// What was said to the innermost verb.
fn leaf(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, inner)| leaf(inner))
}

/// What the innermost verb that was said takes, by name, what all verbs take included.
fn taken(command: &Command, matches: &ArgMatches) -> BTreeMap<String, Arg> {
    let named = |arg: &Arg| Some((name_of(arg)?, arg.clone()));
    match matches.subcommand().and_then(|(verb, inner)| Some((command.find_subcommand(verb)?, inner))) {
        Some((verb, inner)) => {
            let mut taken = taken(verb, inner);
            taken.extend(command.get_arguments().filter(|arg| arg.is_global_set()).filter_map(named));
            taken
        }
        None => command.get_arguments().filter_map(named).collect(),
    }
}

/// The file's values in place of the defaults, for every verb that knows them.
fn with_defaults(command: Command, values: &HashMap<Id, Given>) -> Command {
    command
        .mut_args(|arg| match values.get(arg.get_id()) {
            Some(given) => arg.default_values(given.values.clone()),
            None => arg,
        })
        .mut_subcommands(|verb| with_defaults(verb, values))
}

/// What can stand in a file, by name.
fn known(command: &Command) -> BTreeMap<String, Arg> {
    let mut known: BTreeMap<String, Arg> =
        command.get_arguments().filter_map(|arg| Some((name_of(arg)?, arg.clone()))).collect();
    known.extend(command.get_subcommands().flat_map(self::known));
    known
}

fn name_of(arg: &Arg) -> Option<String> {
    let name = arg.get_env()?.to_str()?.strip_prefix(PREFIX)?.to_lowercase();
    (name != "config").then_some(name)
}

/// What a file says of a setting.
#[derive(Debug)]
struct Given {
    values: Vec<String>,
    /// File and line.
    place: String,
}

#[derive(Debug, Default)]
struct File {
    values: HashMap<Id, Given>,
}

impl File {
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
        let known = known(&Config::command());
        let (mut file, mut faults) = (Self::default(), Vec::new());
        for (name, value) in table.get_ref() {
            let (at, name) = (name.span().start, name.get_ref());
            let place = format!("{path}:{}", line(at));
            let read = match known.get(name.as_ref()) {
                Some(arg) => values(value.get_ref()).and_then(|values| checked(arg, values).map(|v| (arg, v))),
                None => Err(meant(name, &known)),
            };
            match read {
                Ok((arg, values)) => {
                    file.values.insert(arg.get_id().clone(), Given { values, place });
                }
                Err(reason) => faults.push((at, format!("{place}: {name}: {reason}"))),
            }
        }
        if faults.is_empty() {
            return Ok(file);
        }
        faults.sort();
        Err(SettingsError::Faults(faults.into_iter().map(|(_, fault)| fault).collect()))
    }

    /// The settings of the verb that was said, by name, and who set them.
    fn effective(&self, matches: &ArgMatches) -> Vec<Setting> {
        let verb = leaf(matches);
        taken(&Config::command(), matches)
            .iter()
            .map(|(name, arg)| {
                let id = arg.get_id();
                let values = verb.get_raw(id.as_str()).map(|values| {
                    values.map(|value| value.to_string_lossy().into_owned()).collect::<Vec<_>>().join(",")
                });
                let from = match verb.value_source(id.as_str()) {
                    Some(ValueSource::CommandLine) => format!("--{}", arg.get_long().unwrap_or_default()),
                    Some(ValueSource::EnvVariable) => format!("{PREFIX}{}", name.to_uppercase()),
                    _ => self.values.get(id).map_or("default", |given| given.place.as_str()).to_owned(),
                };
                Setting { name: name.clone(), value: values, from }
            })
            .collect()
    }
}

/// A value of the file as the command line would have it.
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
        DeValue::Table(_) => Err("is a table; all settings stand by themselves, outside of tables".into()),
        _ => Err("is neither a text nor a decimal number, true, false, or a list of these".into()),
    }
}

/// The values, if the flag would take them.
fn checked(arg: &Arg, values: Vec<String>) -> Result<Vec<String>, String> {
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

/// What is said of a name that nobody knows.
fn meant(name: &str, known: &BTreeMap<String, Arg>) -> String {
    let likeness = |other: &String| strsim::jaro_winkler(name, other);
    match known.keys().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).filter(|other| likeness(other) > ALIKE) {
        Some(other) => format!("is no setting; {other} is one"),
        None => format!("is no setting; there are {}", known.keys().map(String::as_str).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests;
