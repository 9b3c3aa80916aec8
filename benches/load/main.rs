//! The service under load: the built binary, over HTTP, on a trained collection.
//!
//! ```text
//! cargo bench --profile dev --bench load -- --data data                 everything, about five minutes
//! cargo bench --profile dev --bench load -- --data data --seconds 10 --rounds 5
//! cargo bench --profile dev --bench load -- --data data --only text     only text, picture, ingest, busy or check
//! cargo bench --profile dev --bench load -- --data data --soak 200000   memory during so many mixed requests
//! ```
//!
//! Prints tables in Markdown, medians over the rounds. The collection is copied, and only the copy changes. It needs
//! Linux (for CPU time and memory) and the encoders' weights in `DIPTYCH_MODELS` or `models/`; `--binary FILE` measures
//! another build.
//!
//! Clients are threads that only write requests and read responses: every query with a new text needs a body of its
//! own. They share the cores with the service, and the first table has their share. `wrk` cross-checks one figure, if
//! it is installed.

mod client;
mod cross_check;
mod ingest;
mod load_generator;
mod options;
mod query_texts;
mod report;
mod server;
mod soak;
mod stats;

use options::{BenchResult, Options};

fn main() -> BenchResult<()> {
    let options = Options::parse()?;
    if !options.collection.join("catalog.sqlite3").exists() {
        println!(
            "Skipped: there is no collection in {}; `diptych demo --no-serve` creates one in ./data, or pass --data.",
            options.collection.display()
        );
        return Ok(());
    }
    match options.soak {
        Some(requests) => soak::run(&options, requests),
        None => report::run(&options),
    }
}
