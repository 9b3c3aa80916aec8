//! What did the owner ask for? Verbs and flags; each flag that outlives a command also has a `DIPTYCH_*` variable, and what has a
//! variable can stand in a file.

mod cli;
mod command;
mod config_file;
mod serve;
mod units;

pub use cli::{Common, Config, LogFormat};
pub use command::{
    ConfigVerb, DemoArgs, EncodersVerb, EvaluateArgs, ImportArgs, IndexVerb, KeyVerb, ModelsVerb, ScopeName,
    SearchArgs, TrainArgs, Verb,
};
pub use config_file::{Setting, SettingsError};
pub use serve::{LimitArgs, ListenArgs, ServeArgs};
