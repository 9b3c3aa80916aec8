//! `diptych restore FILE`

use std::{path::Path, process::ExitCode};

use anyhow::Context as _;

use super::{
    context::Context,
    output::{megabytes, seconds, stopped},
};
use crate::maintenance::restore;

pub(super) async fn run(context: &Context, file: &Path) -> anyhow::Result<ExitCode> {
    let made = restore(file, &context.common.data, &context.job()).await;
    let made = context.finished(made).with_context(|| format!("{} could not be restored", file.display()))?;
    let Some(made) = made else { return Ok(stopped("nothing was restored and no files remain")) };
    let (about, counts) = (&made.about, made.about.counts);
    println!("restored  {}", made.data.display());
    println!("from      {}, by {}", about.created_at, about.program);
    println!("contains  {} items, {} images, {} captions", counts.items, counts.pictures, counts.captions);
    match &about.model {
        Some(model) => println!("models    {}; {model} is active", counts.models),
        None => println!("models    none; run `diptych train`"),
    }
    match about.index_generation {
        Some(number) => println!("index     generation {number}, ready for use"),
        None => println!("index     none; `diptych serve` builds one when it starts"),
    }
    if counts.keys > 0 {
        println!("keys      {}; they are valid here too (`diptych key list`)", counts.keys);
    }
    println!("size      {}, verified and written in {}", megabytes(made.bytes), seconds(made.seconds));
    if counts.missing > 0 {
        eprintln!("{} files were missing when the backup was made:", counts.missing);
        for absent in about.missing.iter().take(20) {
            eprintln!("  {}: {}", absent.path, absent.reason);
        }
    }
    Ok(ExitCode::SUCCESS)
}
