//! Which settings are there, and where do they come from?
//!
//! Commands and flags. A flag that is more than an argument of one command also has a `DIPTYCH_*` environment variable,
//! and every option with a variable can be set in a file.

mod cli;
mod command;
mod config_file;
mod limits;
mod serve;
mod units;

pub use cli::{Cli, Common, LogFormat};
pub use command::{
    Command, ConfigCommand, DemoArgs, EncodersCommand, EvaluateArgs, ImportArgs, IndexCommand, KeyCommand,
    ModelsCommand, ScopeName, SearchArgs, TrainArgs,
};
pub use config_file::{Setting, SettingsError};
pub use limits::Limits;
pub use serve::{ListenArgs, ServeArgs};
