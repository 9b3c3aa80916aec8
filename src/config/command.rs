//! Commands with their arguments.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::serve::{ListenArgs, ServeArgs};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Fetch free pictures with captions, learn from them, and serve the search page
    Demo(Box<DemoArgs>),
    /// Fetch or list the encoders' weights
    #[command(subcommand)]
    Encoders(EncodersVerb),
    /// Take a folder of pictures, a data.jsonl or a CSV into the collection
    Import(ImportArgs),
    /// Learn a common space from the collection
    Train {
        /// How to train
        #[command(flatten)]
        args: TrainArgs,
        /// Train the paper's objective without J2, without J3, without both and with both, and print what each gives; keeps no
        /// model
        #[arg(long, conflicts_with = "objective")]
        ablate: bool,
        /// Learn from matrices in place of the collection: {train,test}_{images,texts,labels}.npy of this folder, a row a pair.
        /// Labels are class numbers or a column for each class; without validation_*.npy a tenth of the training pairs is set
        /// aside; classes.txt may name the classes
        #[arg(long, value_name = "DIR", conflicts_with = "ablate")]
        features: Option<PathBuf>,
        /// Where the model of given features goes [default: model in their folder]
        #[arg(long, value_name = "DIR", requires = "features")]
        out: Option<PathBuf>,
        /// How much worse than the model that answers a new one may be, in points of validation mAP from 0 to 1, to take its
        /// place [default: 0.02]
        #[arg(long, value_name = "X", conflicts_with_all = ["features", "ablate"])]
        margin: Option<f64>,
        /// Make the new model answer whatever speaks against it
        #[arg(long, conflicts_with_all = ["features", "ablate"])]
        force: bool,
    },
    /// Say how good the active model is
    Evaluate(EvaluateArgs),
    /// Say which models there are, and which one answers
    #[command(subcommand)]
    Models(ModelsVerb),
    /// Build the index anew and compare it with exact scans
    #[command(args_conflicts_with_subcommands = true)]
    Index {
        /// Build on one thread, so that the same points give the same files, byte for byte
        #[arg(long)]
        reproducible: bool,
        /// Something other than building
        #[command(subcommand)]
        verb: Option<IndexVerb>,
    },
    /// Serve the search page and the HTTP API
    Serve(ServeArgs),
    /// Search from the terminal
    Search(SearchArgs),
    /// Say what the collection holds
    Status,
    /// Take a backup of the whole collection, also while a service runs: one tar with catalog, models, index and all pictures
    Backup {
        /// File that it becomes, or a folder in which it gets the name of the moment [default: backups in the data folder]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// Let it take the place of a file that is there, once it is whole
        #[arg(long, requires = "file")]
        replace: bool,
    },
    /// Verify a backup and make a new data folder of it, the one that --data names
    Restore {
        /// The backup
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Give back what is no longer needed, also while a service runs
    Compact,
    /// Say who may use the service
    #[command(subcommand)]
    Key(KeyVerb),
    /// Ask a running service whether it answers queries; ends well if it does
    Health(ListenArgs),
    /// Look at the settings
    #[command(subcommand)]
    Config(ConfigVerb),
}

/// Verbs for the settings.
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Read all settings as `serve` would, check them, and say where each comes from; starts and changes nothing
    Check(ServeArgs),
}

/// Verbs for the service's keys.
#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// Make a key and print it, this once
    Create {
        /// What its holder may do: search, ingest (change items) or admin (everything); may be given more than once
        #[arg(long, required = true, value_enum, value_name = "NAME")]
        scope: Vec<ScopeName>,
        /// What to call it
        #[arg(long, default_value = "", value_name = "TEXT")]
        name: String,
        /// Days after which it no longer counts [default: never]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3650))]
        expires_days: Option<u32>,
    },
    /// List all keys, without their secrets
    List,
    /// Make a key count no longer, also for a service that runs
    Revoke {
        /// The part between the underscores
        id: String,
    },
}

/// What the holder of a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScopeName {
    /// Ask and look.
    Search,
    /// Change items.
    Ingest,
    /// Everything.
    Admin,
}

/// Verbs for the trained models.
#[derive(Debug, Subcommand)]
pub enum ModelsVerb {
    /// List all models with what was measured of them
    List,
    /// Make a model answer
    Activate {
        /// Its name
        version: String,
    },
    /// Make the model answer that did before
    Rollback,
}

/// Verbs for the index.
#[derive(Debug, Subcommand)]
pub enum IndexVerb {
    /// Open the index on disk, verify every byte, and compare it with exact scans
    Check,
    /// Measure scans and walks on this machine, and keep what fits this collection for the next index
    Tune,
}

/// Verbs for the encoders.
#[derive(Debug, Subcommand)]
pub enum EncodersVerb {
    /// Fetch the weights of the encoders in use, or of those named
    Pull {
        /// Encoders to fetch
        names: Vec<String>,
    },
    /// List what can be fetched and what is there
    List,
}

/// Settings of `demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// End after the table instead of serving
    #[arg(long)]
    pub no_serve: bool,
    /// Take at most this many pictures of each class, for a quick look
    #[arg(long, value_name = "N")]
    pub per_class: Option<usize>,
    /// Folder for the two packages that hold the pictures [default: demo in the data folder]
    #[arg(long, env = "DIPTYCH_DEMO_PACKAGES", value_name = "DIR")]
    pub packages: Option<PathBuf>,
    /// How to train
    #[command(flatten)]
    pub train: TrainArgs,
    /// How to serve
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// Settings of `import`.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// A folder (one subfolder a class), a .jsonl file or a .csv file
    pub path: PathBuf,
}

/// Settings of `train`.
#[derive(Debug, Clone, Args)]
pub struct TrainArgs {
    /// What to learn: dscmr, the paper's space of classes, or class-and-pair, in which a picture also finds its very own
    /// captions [default: class-and-pair]
    #[arg(long, value_name = "NAME")]
    pub objective: Option<String>,
    /// Settings in TOML; what the file leaves out is as in the default, and flags count before it
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// Passes over the training split, at most, for each part of the space [default: as many as the steps of the
    /// settings take]
    #[arg(long, value_name = "N")]
    pub epochs: Option<usize>,
    /// Seed of the split, the initial weights and the order
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Where to compute: auto (a GPU if this build was made with `--features cuda` and one is there), cpu or cuda
    /// [default: auto]
    #[arg(long, env = "DIPTYCH_DEVICE", value_name = "NAME")]
    pub device: Option<String>,
    /// Weight of J2, the paper's λ
    #[arg(long, value_name = "X")]
    pub lambda: Option<f64>,
    /// Weight of J3, the paper's η
    #[arg(long, value_name = "X")]
    pub eta: Option<f64>,
    /// How J1 and J3 measure: rows, as the authors' code does, or frobenius, as the paper prints [default: rows]
    #[arg(long, value_name = "NAME")]
    pub norm: Option<String>,
    /// How J1 compares: regression, the paper's, or cross-entropy [default: regression]
    #[arg(long, value_name = "NAME")]
    pub discrimination: Option<String>,
    /// Power to which picture features are raised before they are standardised, above 0 up to 1
    #[arg(long, value_name = "P")]
    pub image_power: Option<f64>,
    /// Passes without a better validation score after which the training of a part ends
    #[arg(long, value_name = "N")]
    pub patience: Option<usize>,
}

/// Settings of `evaluate`.
#[derive(Debug, Clone, Args)]
pub struct EvaluateArgs {
    /// Lines of {"query": "words", "label": "class"}: also print precision@10 of these words on the test pictures, and of
    /// the pictures of each class on the test captions
    #[arg(long, value_name = "FILE", conflicts_with = "features")]
    pub queries: Option<PathBuf>,
    /// Also write a page for people to this file: tables with intervals, curves, a map of the common space, the worst queries,
    /// labels and captions that may be wrong
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// A model of given features (`train --features`) in place of the active one: the folder that holds the matrices
    #[arg(long, value_name = "DIR")]
    pub features: Option<PathBuf>,
    /// Where that model lies [default: model in the folder of the features]
    #[arg(long, value_name = "DIR", requires = "features")]
    pub model: Option<PathBuf>,
}

/// Settings of `search`.
#[derive(Debug, Clone, Args)]
pub struct SearchArgs {
    /// Words to search pictures with
    #[arg(required_unless_present = "image", conflicts_with = "image")]
    pub words: Vec<String>,
    /// A picture to search captions with
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// How many results
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub limit: usize,
}
