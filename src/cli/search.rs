//! `diptych search WORDS` and `diptych search --image FILE`

use std::process::ExitCode;

use anyhow::Context as _;

use super::context::Context;
use crate::{
    config::{Limits, SearchArgs},
    dataset,
    engine::{Engine, Query, Target},
};

pub(super) async fn run(context: &Context, args: SearchArgs) -> anyhow::Result<ExitCode> {
    let collection = context.collection().await?;
    let catalog = collection.catalog.clone();
    let limits = collection.limits;
    let encoders = context.encoders(&collection).await?;
    let engine = Engine::new(collection, encoders, Limits::default())?;
    engine.serving().open().await?;
    let query = match &args.image {
        Some(file) => {
            let bytes = dataset::read_file(file, &limits).with_context(|| file.display().to_string())?;
            Query::image(bytes, Target::Text, args.limit)
        }
        None => Query::text(args.words.join(" "), Target::Image, args.limit),
    };
    let answer = engine.queries().search(Query { exact: true, ..query }).await?;
    for found in &answer.results {
        let caption = found.item.captions.get(found.caption.unwrap_or(0)).map_or("", |c| c.text.as_str());
        let labels = found.item.labels.join(", ");
        println!("{:>4.0} %  {:<28}  [{labels}]  {caption}", found.relevance * 100.0, found.item.id);
    }
    if answer.no_confident_match {
        eprintln!("no result is a confident match");
    }
    catalog.close().await;
    Ok(ExitCode::SUCCESS)
}
