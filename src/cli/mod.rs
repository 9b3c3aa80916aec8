//! What does each command do? One file per command, and what they share.

mod backup;
mod compact;
mod config_check;
mod context;
mod demo;
mod encoder_loading;
mod encoders;
mod evaluate;
mod health;
mod import;
mod index;
mod key;
mod models;
mod output;
mod progress_bar;
mod restore;
mod run;
mod search;
mod serve;
mod shutdown;
mod status;
mod train;

pub use run::run;
