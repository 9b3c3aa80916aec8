//! The service under load: the built binary, over HTTP, on a trained collection.
//!
//! ```text
//! cargo bench --profile dev --bench load -- --data data                 all of it, some five minutes
//! cargo bench --profile dev --bench load -- --data data --seconds 10 --rounds 5
//! cargo bench --profile dev --bench load -- --data data --only text     text, picture, ingest, busy or check alone
//! cargo bench --profile dev --bench load -- --data data --soak 200000   memory after so many mixed requests
//! ```
//!
//! Prints tables in Markdown, medians over the rounds. The collection is copied, and the copy is what changes. It needs Linux (for
//! CPU time and memory) and the encoders' weights in `DIPTYCH_MODELS` or `models/`; `--binary FILE` measures another build.
//!
//! Clients are threads that write requests and read answers, and nothing else: a text that nobody asked before needs a body of its
//! own for each request. They share the cores with the service, and the first table says how much of these they take. `wrk` checks one
//! figure, where it is installed.

mod client;
mod cross_check;
mod ingest;
mod load_generator;
mod query_texts;
mod report;
mod server;
mod soak;

use std::{
    error::Error,
    path::{Path, PathBuf},
    time::Duration,
};

use server::Server;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What was asked for on the command line.
pub(crate) struct Wishes {
    pub(crate) collection: PathBuf,
    pub(crate) binary: PathBuf,
    pub(crate) models: PathBuf,
    pub(crate) seconds: Duration,
    pub(crate) rounds: usize,
    pub(crate) only: Option<String>,
    pub(crate) soak: Option<usize>,
}

impl Wishes {
    fn read() -> Outcome<Self> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let option =
            |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1)).cloned();
        let number = |name: &str, default: usize| option(name).map_or(Ok(default), |text| text.parse());
        let models = std::env::var_os("DIPTYCH_MODELS").map(PathBuf::from);
        let models = models.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("models"));
        Ok(Self {
            collection: option("--data").unwrap_or_else(|| "data".into()).into(),
            binary: option("--binary").map_or_else(|| env!("CARGO_BIN_EXE_diptych").into(), PathBuf::from),
            models: std::path::absolute(models)?,
            seconds: Duration::from_secs(number("--seconds", 4)? as u64),
            rounds: number("--rounds", 3)?,
            only: option("--only"),
            soak: option("--soak").map(|text| text.parse()).transpose()?,
        })
    }

    pub(crate) fn wants(&self, what: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == what)
    }

    /// A service on a copy of the collection.
    pub(crate) fn serve(&self) -> Outcome<Server> {
        let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("load-{}", std::process::id()));
        Server::start(&self.binary, &self.collection, &data, &self.models)
    }
}

fn main() -> Outcome<()> {
    let wishes = Wishes::read()?;
    if !wishes.collection.join("catalog.sqlite3").exists() {
        println!(
            "Skipped: there is no collection in {}; `diptych demo --no-serve` makes one in ./data, and --data names another.",
            wishes.collection.display()
        );
        return Ok(());
    }
    match wishes.soak {
        Some(requests) => soak::soak(&wishes, requests),
        None => report::all(&wishes),
    }
}
