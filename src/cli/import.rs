//! `diptych import PATH`

use std::process::ExitCode;

use anyhow::Context as _;

use super::{context::Context, output::stopped};
use crate::{
    config::ImportArgs,
    dataset,
    training::{ImportSummary, import},
};

pub(super) async fn run(context: &Context, args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let collection = context.collection().await?;
    let records =
        dataset::read(&args.path).with_context(|| format!("{} could not be imported", args.path.display()))?;
    let summary = import(&collection, Box::new(records), None, &context.job()).await?;
    context.progress.finish();
    print_summary(&summary);
    collection.catalog.close().await;
    if summary.stopped {
        return Ok(stopped("run the same command again to continue"));
    }
    println!("next: diptych train");
    Ok(ExitCode::SUCCESS)
}

/// Prints the numbers of records, and a line for each rejected one.
pub(super) fn print_summary(summary: &ImportSummary) {
    println!("imported {}, unchanged {}, rejected {}", summary.taken, summary.unchanged, summary.rejected);
    for line in &summary.rejections {
        println!("  rejected: {line}");
    }
    let unlisted = summary.rejected.saturating_sub(summary.rejections.len() as u64);
    if unlisted > 0 {
        println!("  and {unlisted} more; `diptych status` lists them");
    }
}
