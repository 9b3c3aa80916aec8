//! `diptych backup [FILE]`

use std::{path::Path, process::ExitCode};

use super::{
    context::Context,
    output::{megabytes, seconds, stopped},
};
use crate::maintenance::{BackupTo, backup};

pub(super) async fn run(context: &Context, file: Option<&Path>, replace: bool) -> anyhow::Result<ExitCode> {
    let collection = context.existing_collection().await?;
    let made = backup(&collection, BackupTo { path: file, replace }, &context.job()).await;
    let made = context.finished(made)?;
    collection.catalog.close().await;
    let Some(made) = made else { return Ok(stopped("there is no backup and no files remain")) };
    // The path is relative to the data folder if the backup is in there.
    println!("backup    {}", collection.data_dir.root().join(&made.file).display());
    println!("contains  {} items, {} images", made.items, made.pictures);
    println!("size      {}, written in {}", megabytes(made.bytes), seconds(made.seconds));
    println!("sha256    {}", made.sha256);
    if made.missing > 0 {
        eprintln!("{} files are missing from it, because they could not be read:", made.missing);
        for absent in &made.missing_files {
            eprintln!("  {}: {}", absent.path, absent.reason);
        }
    }
    Ok(ExitCode::SUCCESS)
}
