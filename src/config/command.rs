//! The commands and their arguments.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::serve::{ListenArgs, ServeArgs};

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Download a free collection of images with captions, train on it, and serve the search page
    Demo(Box<DemoArgs>),
    /// Download or list the encoders' weights
    #[command(subcommand)]
    Encoders(EncodersCommand),
    /// Import a folder of images, a JSON Lines file or a CSV file
    Import(ImportArgs),
    /// Train a model on the collection
    Train {
        /// How to train
        #[command(flatten)]
        args: TrainArgs,
        /// Compare the paper's objective without J2, without J3, without both, and complete; saves no model
        #[arg(long, conflicts_with = "objective")]
        ablate: bool,
        /// Train on precomputed features instead of the collection: {train,test}_{images,texts,labels}.npy in this
        /// folder, one row per pair. Labels are class numbers or one column per class. Without validation_*.npy, a
        /// tenth of the training pairs is used for validation. classes.txt may contain the names of the classes
        #[arg(long, value_name = "DIR", conflicts_with = "ablate")]
        features: Option<PathBuf>,
        /// Output folder of a model trained on features [default: model in their folder]
        #[arg(long, value_name = "DIR", requires = "features")]
        out: Option<PathBuf>,
        /// How much lower than the active model's the new model's validation mAP may be for it to become active, from 0
        /// to 1 [default: 0.02]
        #[arg(long, value_name = "X", conflicts_with_all = ["features", "ablate"])]
        margin: Option<f64>,
        /// Activate the new model even if it fails the promotion checks
        #[arg(long, conflicts_with_all = ["features", "ablate"])]
        force: bool,
    },
    /// Evaluate the active model
    Evaluate(EvaluateArgs),
    /// List, activate or roll back models
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Rebuild the index and compare it with exact search
    #[command(args_conflicts_with_subcommands = true)]
    Index {
        /// Build on one thread, so that the same points give byte-identical files
        #[arg(long)]
        reproducible: bool,
        /// Another action than building.
        #[command(subcommand)]
        command: Option<IndexCommand>,
    },
    /// Serve the search page and the HTTP API
    Serve(ServeArgs),
    /// Search from the terminal
    Search(SearchArgs),
    /// Show what the collection contains
    Status,
    /// Back up the whole collection to one tar file, also while a service is running: catalog, models, index, all
    /// images
    Backup {
        /// Output file, or a folder for a timestamped file [default: backups in the data folder]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// Replace an existing file once the backup is complete
        #[arg(long, requires = "file")]
        replace: bool,
    },
    /// Verify a backup and restore it to a new data folder, the one given by --data
    Restore {
        /// The backup
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Reclaim disk space, also while a service is running
    Compact,
    /// Create, list or revoke API keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Check whether a running service is ready for queries; exits with 0 if it is
    Health(ListenArgs),
    /// Inspect the settings
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// Commands for the settings.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check all settings that `serve` uses, and show where each is set; starts and changes nothing
    Check(ServeArgs),
}

/// Commands for API keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Create a key and print it; it cannot be shown again
    Create {
        /// What the key permits: search, ingest (change items) or admin (everything); may be repeated
        #[arg(long, required = true, value_enum, value_name = "NAME")]
        scope: Vec<ScopeName>,
        /// Name of the key
        #[arg(long, default_value = "", value_name = "TEXT")]
        name: String,
        /// Days until the key expires [default: never]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3650))]
        expires_days: Option<u32>,
    },
    /// List all keys, without their secrets
    List,
    /// Revoke a key; takes effect immediately on a running service
    Revoke {
        /// Id of the key: the part between the underscores
        id: String,
    },
}

/// What a key permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScopeName {
    /// Search and read.
    Search,
    /// Change items.
    Ingest,
    /// Everything.
    Admin,
}

/// Commands for trained models.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// List all models with their evaluation
    List,
    /// Activate a model
    Activate {
        /// Version of the model
        version: String,
    },
    /// Activate the model that was active before the present one
    Rollback,
}

/// Commands for the index.
#[derive(Debug, Subcommand)]
pub enum IndexCommand {
    /// Verify the index on disk byte by byte, and compare it with exact search
    Check,
    /// Measure exact and graph search on this machine, and store the best parameters for the next index
    Tune,
}

/// Commands for the encoders.
#[derive(Debug, Subcommand)]
pub enum EncodersCommand {
    /// Download the weights of the named encoders, or of those in use
    Pull {
        /// Encoders to download
        names: Vec<String>,
    },
    /// List all encoders and whether their weights are present
    List,
}

/// Arguments of `demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Exit after printing the summary, without serving
    #[arg(long)]
    pub no_serve: bool,
    /// Maximum number of images per label, for a quick try
    #[arg(long, value_name = "N")]
    pub per_class: Option<usize>,
    /// Folder for the two downloaded packages of images [default: demo in the data folder]
    #[arg(long, env = "DIPTYCH_DEMO_PACKAGES", value_name = "DIR")]
    pub packages: Option<PathBuf>,
    /// How to train
    #[command(flatten)]
    pub train: TrainArgs,
    /// How to serve
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// Arguments of `import`.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// A folder with a subfolder per label, a .jsonl file or a .csv file
    pub path: PathBuf,
}

/// Arguments of `train`.
#[derive(Debug, Clone, Args)]
pub struct TrainArgs {
    /// Training objective: dscmr, the paper's space of classes, or class-and-pair, where an image also finds its own
    /// captions [default: class-and-pair]
    #[arg(long, value_name = "NAME")]
    pub objective: Option<String>,
    /// Training settings in TOML; anything not in the file has its default, and flags take precedence
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// Maximum number of epochs for each head [default: what the settings' number of steps amounts to]
    #[arg(long, value_name = "N")]
    pub epochs: Option<usize>,
    /// Seed of the split, the initial weights and the order of the batches
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Device: auto (a GPU if this build has `--features cuda` and finds one), cpu or cuda [default: auto]
    #[arg(long, env = "DIPTYCH_DEVICE", value_name = "NAME")]
    pub device: Option<String>,
    /// Weight of J2, the paper's λ
    #[arg(long, value_name = "X")]
    pub lambda: Option<f64>,
    /// Weight of J3, the paper's η
    #[arg(long, value_name = "X")]
    pub eta: Option<f64>,
    /// Norm of J1 and J3: rows, as in the authors' code, or frobenius, as in the paper [default: rows]
    #[arg(long, value_name = "NAME")]
    pub norm: Option<String>,
    /// Form of J1: regression, as in the paper, or cross-entropy [default: regression]
    #[arg(long, value_name = "NAME")]
    pub discrimination: Option<String>,
    /// Power to which image features are raised before they are normalised, above 0 and up to 1
    #[arg(long, value_name = "P")]
    pub image_power: Option<f64>,
    /// Epochs without a better validation score after which the training of a head stops
    #[arg(long, value_name = "N")]
    pub patience: Option<usize>,
}

/// Arguments of `evaluate`.
#[derive(Debug, Clone, Args)]
pub struct EvaluateArgs {
    /// File with lines of {"query": "text", "label": "label"}: also print precision@10 of these queries on the test
    /// images, and of the images of each label on the test captions
    #[arg(long, value_name = "FILE", conflicts_with = "features")]
    pub queries: Option<PathBuf>,
    /// Also write an HTML report to this file: tables with intervals, curves, a projection of the common space, the
    /// worst queries, label and caption issues
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// Evaluate a model of precomputed features (`train --features`) instead of the active one: the folder of the
    /// features
    #[arg(long, value_name = "DIR")]
    pub features: Option<PathBuf>,
    /// Folder of that model [default: model in the folder of the features]
    #[arg(long, value_name = "DIR", requires = "features")]
    pub model: Option<PathBuf>,
}

/// Arguments of `search`.
#[derive(Debug, Clone, Args)]
pub struct SearchArgs {
    /// Text to search images with
    #[arg(required_unless_present = "image", conflicts_with = "image")]
    pub words: Vec<String>,
    /// Image to search captions with
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// Number of results
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub limit: usize,
}
