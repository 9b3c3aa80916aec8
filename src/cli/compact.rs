//! `diptych compact`

use std::process::ExitCode;

use super::{
    context::Context,
    output::{megabytes, seconds, stopped},
};
use crate::maintenance::{Removed, compact};

pub(super) async fn run(context: &Context) -> anyhow::Result<ExitCode> {
    let collection = context.existing_collection().await?;
    let done = compact(&collection, &context.job()).await;
    let done = context.finished(done)?;
    collection.catalog.close().await;
    let Some(done) = done else { return Ok(stopped("run the same command again to continue")) };
    let Removed { features, pictures, thumbnails, generations, temporaries } = done.removed;
    println!(
        "removed {features} features, {pictures} images, {thumbnails} thumbnails, {generations} generations of the \
         index, {temporaries} temporary files"
    );
    let (before, after) = (megabytes(done.bytes_before), megabytes(done.bytes_after));
    println!("{before} before, {after} after, in {}", seconds(done.seconds));
    done.notes.iter().for_each(|note| eprintln!("{note}"));
    Ok(ExitCode::SUCCESS)
}
