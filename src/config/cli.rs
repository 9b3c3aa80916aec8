//! The command line: what all commands take.

use std::path::PathBuf;

use clap::{Args, Parser, ValueEnum};

use super::command::Verb;

/// Post words and get pictures, post a picture and get captions: cross-modal retrieval on your own labelled collection.
#[derive(Debug, Parser)]
#[command(name = "diptych", version, about, arg_required_else_help = true)]
pub struct Config {
    /// Settings of every verb.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Settings of every verb.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// File of settings, in TOML: names are those of the variables, without DIPTYCH_ and in lower case. Flags and variables
    /// count before it [default: diptych.toml in the current folder, if it is there]
    #[arg(long, global = true, env = "DIPTYCH_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder that holds the collection: catalog, models, thumbnails
    #[arg(long, global = true, env = "DIPTYCH_DATA", default_value = "data", value_name = "DIR")]
    pub data: PathBuf,
    /// Folder that holds the encoders' weights
    #[arg(long, global = true, env = "DIPTYCH_MODELS", default_value = "models", value_name = "DIR")]
    pub models: PathBuf,
    /// Encoder of pictures; `diptych encoders list` names them. Unless asked otherwise, that of the model that answers, else the
    /// default
    #[arg(long, global = true, env = "DIPTYCH_IMAGE_ENCODER", value_name = "NAME")]
    pub image_encoder: Option<String>,
    /// Encoder of sentences: all-minilm-l6-v2, which knows English, or sentence-cnn, which learns from the captions what words mean
    #[arg(long, global = true, env = "DIPTYCH_TEXT_ENCODER", value_name = "NAME")]
    pub text_encoder: Option<String>,
    /// Largest picture that is read, in millions of pixels
    #[arg(long, global = true, env = "DIPTYCH_MAX_MEGAPIXELS", default_value_t = 64, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub max_megapixels: u32,
    /// Longest side of a picture that is read, in pixels
    #[arg(long, global = true, env = "DIPTYCH_MAX_PICTURE_SIDE", default_value_t = 32_768, value_name = "N",
          value_parser = clap::value_parser!(u32).range(16..=65_535))]
    pub max_picture_side: u32,
    /// What to log: error, warn, info, debug, or a filter such as diptych=debug
    #[arg(long, global = true, env = "DIPTYCH_LOG", default_value = "error,diptych=info", value_name = "FILTER")]
    pub log: String,
    /// How log lines look
    #[arg(long, global = true, env = "DIPTYCH_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_verbs_and_flags_are_consistent() {
        Config::command().debug_assert();
    }
}
