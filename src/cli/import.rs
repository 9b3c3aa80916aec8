//! `diptych import PATH`

use std::process::ExitCode;

use anyhow::Context;

use super::{context::Shared, output::stopped};
use crate::{
    config::ImportArgs,
    dataset,
    training::{ImportSummary, import},
};

pub(super) async fn run(shared: &Shared, args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let collection = shared.collection().await?;
    let records =
        dataset::read(&args.path).with_context(|| format!("{} could not be imported", args.path.display()))?;
    let summary = import(&collection, Box::new(records), None, shared.bars.as_ref(), &shared.stop.flag()).await?;
    shared.bars.finish();
    print(&summary);
    collection.catalog.close().await;
    if summary.stopped {
        return Ok(stopped("the same command goes on from here"));
    }
    println!("next: diptych train");
    Ok(ExitCode::SUCCESS)
}

/// The summary: counts, then a line for each record that could not be taken.
pub(super) fn print(summary: &ImportSummary) {
    println!("taken {}, unchanged {}, rejected {}", summary.taken, summary.unchanged, summary.rejected);
    for line in &summary.rejections {
        println!("  rejected: {line}");
    }
    let unnamed = summary.rejected.saturating_sub(summary.rejections.len() as u64);
    if unnamed > 0 {
        println!("  and {unnamed} more; `diptych status` lists them");
    }
}
