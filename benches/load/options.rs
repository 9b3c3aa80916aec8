//! Command line of the load test.

use std::{
    error::Error,
    path::{Path, PathBuf},
    time::Duration,
};

pub(crate) type BenchResult<T> = Result<T, Box<dyn Error>>;

/// Options of the command line.
pub(crate) struct Options {
    pub(crate) collection: PathBuf,
    pub(crate) binary: PathBuf,
    pub(crate) models: PathBuf,
    /// Length of a round.
    pub(crate) seconds: Duration,
    pub(crate) rounds: usize,
    pub(crate) only: Option<String>,
    pub(crate) soak: Option<usize>,
}

impl Options {
    pub(crate) fn parse() -> BenchResult<Self> {
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

    /// Whether a part of the test is selected.
    pub(crate) fn includes(&self, part: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == part)
    }
}
