//! `diptych backup [FILE]`

use std::{path::Path, process::ExitCode};

use super::{
    context::Shared,
    output::{megabytes, seconds, stopped},
};
use crate::maintenance::{BackupTo, backup};

pub(super) async fn run(shared: &Shared, file: Option<&Path>, replace: bool) -> anyhow::Result<ExitCode> {
    let collection = shared.existing_library().await?;
    let made = backup(&collection, BackupTo { path: file, replace }, shared.progress(), shared.stop.flag()).await;
    let made = shared.finished(made)?;
    collection.catalog.close().await;
    let Some(made) = made else { return Ok(stopped("there is no backup, and nothing is left of it")) };
    // Where the backup lies in the data folder it is named from there.
    println!("backup    {}", collection.data_dir.root().join(&made.file).display());
    println!("holds     {} items, {} pictures", made.items, made.pictures);
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
