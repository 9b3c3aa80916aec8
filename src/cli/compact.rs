//! `diptych compact`

use std::process::ExitCode;

use super::{
    context::Shared,
    output::{megabytes, seconds, stopped},
};
use crate::maintenance::{Removed, compact};

pub(super) async fn run(shared: &Shared) -> anyhow::Result<ExitCode> {
    let collection = shared.existing_library().await?;
    let done = compact(&collection, shared.progress(), shared.stop.flag()).await;
    let done = shared.finished(done)?;
    collection.catalog.close().await;
    let Some(done) = done else { return Ok(stopped("what was given back until then is; the same command goes on")) };
    let Removed { features, pictures, thumbnails, generations, temporaries } = done.removed;
    println!(
        "removed {features} features, {pictures} pictures, {thumbnails} thumbnails, {generations} generations of the index, \
         {temporaries} leftovers"
    );
    let (before, after) = (megabytes(done.bytes_before), megabytes(done.bytes_after));
    println!("{before} before, {after} after, in {}", seconds(done.seconds));
    done.notes.iter().for_each(|note| eprintln!("{note}"));
    Ok(ExitCode::SUCCESS)
}
