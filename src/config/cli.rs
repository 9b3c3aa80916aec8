//! The command line, and the options that all commands take.

use std::path::PathBuf;

use clap::{Args, Parser, ValueEnum};

use super::command::Command;

/// Cross-modal retrieval on your own labelled collection: find images by text, and captions by image
#[derive(Debug, Parser)]
#[command(name = "diptych", version, about, arg_required_else_help = true)]
pub struct Cli {
    /// Options of all commands.
    #[command(flatten)]
    pub common: Common,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of all commands.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Settings file in TOML. Keys are the environment variable names without DIPTYCH_, in lower case. Flags and
    /// environment variables take precedence [default: diptych.toml in the current folder, if it exists]
    #[arg(long, global = true, env = "DIPTYCH_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data folder of the collection: catalog, models, index, thumbnails
    #[arg(long, global = true, env = "DIPTYCH_DATA", default_value = "data", value_name = "DIR")]
    pub data: PathBuf,
    /// Folder of the encoders' weights
    #[arg(long, global = true, env = "DIPTYCH_MODELS", default_value = "models", value_name = "DIR")]
    pub models: PathBuf,
    /// Image encoder; `diptych encoders list` lists them [default: that of the active model, if there is one]
    #[arg(long, global = true, env = "DIPTYCH_IMAGE_ENCODER", value_name = "NAME")]
    pub image_encoder: Option<String>,
    /// Text encoder: all-minilm-l6-v2, which knows English, or sentence-cnn, which learns the meaning of words from the
    /// captions [default: that of the active model, if there is one]
    #[arg(long, global = true, env = "DIPTYCH_TEXT_ENCODER", value_name = "NAME")]
    pub text_encoder: Option<String>,
    /// Maximum size of an image, in millions of pixels
    #[arg(long, global = true, env = "DIPTYCH_MAX_MEGAPIXELS", default_value_t = 64, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub max_megapixels: u32,
    /// Maximum length of an image's longer side, in pixels
    #[arg(long, global = true, env = "DIPTYCH_MAX_PICTURE_SIDE", default_value_t = 32_768, value_name = "N",
          value_parser = clap::value_parser!(u32).range(16..=65_535))]
    pub max_picture_side: u32,
    /// Log filter: error, warn, info, debug, or per module such as diptych=debug
    #[arg(long, global = true, env = "DIPTYCH_LOG", default_value = "error,diptych=info", value_name = "FILTER")]
    pub log: String,
    /// Format of log lines
    #[arg(long, global = true, env = "DIPTYCH_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Human-readable text.
    Text,
    /// One JSON object per line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn commands_and_flags_are_consistent() {
        Cli::command().debug_assert();
    }
}
