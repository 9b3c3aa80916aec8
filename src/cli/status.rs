//! `diptych status`

use std::process::ExitCode;

use super::{context::Context, output::seconds};
use crate::catalog::Filter;

/// Maximum number of rejected records that are listed.
const MAX_REJECTIONS: u32 = 50;

pub(super) async fn run(context: &Context) -> anyhow::Result<ExitCode> {
    let collection = context.collection().await?;
    let counts = collection.catalog.counts().await?;
    println!("collection   {}", collection.data_dir.root().display());
    println!("items        {}", counts.items);
    println!("images       {} readable", counts.images);
    println!("captions     {}", counts.captions);
    println!("labels       {}", counts.labels);
    for label in collection.catalog.label_counts(&Filter::default()).await? {
        println!("             {:>6}  {}", label.count, label.label);
    }
    match collection.catalog.active_model().await? {
        Some(model) => {
            println!("model        {} ({})", model.version, seconds(model.seconds));
            println!("encoders     {} and {}", model.image_encoder, model.text_encoder);
        }
        None => println!("model        none; run `diptych train`"),
    }
    println!("rejected     {}", counts.rejections);
    for rejection in collection.catalog.rejections(MAX_REJECTIONS).await? {
        let line = rejection.line.map(|l| format!(":{l}")).unwrap_or_default();
        println!("             {}{line}: {}", rejection.file, rejection.reason);
    }
    collection.catalog.close().await;
    Ok(ExitCode::SUCCESS)
}
