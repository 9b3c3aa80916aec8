//! `diptych demo`: creates a searchable collection from scratch.
//!
//! Each stage does only what is missing, so a second run goes straight to serving.

use std::{process::ExitCode, time::Instant};

use anyhow::Context as _;

use super::{
    context::Context,
    import::print_summary as print_import_summary,
    output::{seconds, stopped},
    serve::serve,
    train,
};
use crate::{
    collection::{Collection, Encoders, Progress},
    config::DemoArgs,
    dataset::{self, Record, demo::FetchProgress},
    model::TrainSettings,
    training::{PromotionPolicy, import},
};

/// Property with the demo collection that was imported.
const IMPORTED: &str = "demo_imported";

/// Incremented when the curation rules change, so that a collection curated by older rules is imported again.
const RULES_VERSION: &str = "1";

/// Property with the durations of the stages.
const STAGES: &str = "demo_stages";

pub(super) async fn run(context: &Context, args: DemoArgs) -> anyhow::Result<ExitCode> {
    // Reject invalid settings before minutes of downloading and encoding.
    let settings = train::settings(&args.train)?;
    let collection = context.collection().await?;
    let mut stages = Stages::load(&collection).await?;

    let started = Instant::now();
    let encoders = context.encoders(&collection).await?;
    stages.record("encoders", started);

    if !fill_collection(context, &collection, &args, &mut stages).await? {
        return Ok(stopped("run `diptych demo` again to continue"));
    }
    if !train_model(context, &collection, &encoders, settings, &mut stages).await? {
        return Ok(stopped("run `diptych demo` again to continue"));
    }
    stages.save(&collection).await?;
    print_summary(&collection, &stages).await?;

    if args.no_serve {
        collection.catalog.close().await;
        return Ok(ExitCode::SUCCESS);
    }
    serve(context, &args.serve, collection, encoders).await
}

/// Downloads, curates and imports the images, unless that is done. Returns `false` if it was stopped.
async fn fill_collection(
    context: &Context,
    collection: &Collection,
    args: &DemoArgs,
    stages: &mut Stages,
) -> anyhow::Result<bool> {
    let wanted = format!("{RULES_VERSION}, per class {:?}", args.per_class);
    if collection.catalog.property(IMPORTED).await?.as_ref() == Some(&wanted) {
        return Ok(true);
    }
    let folder = args.packages.clone().unwrap_or_else(|| collection.data_dir.demo());
    let folder = std::path::absolute(&folder)?;
    let (progress, per_class) = (std::sync::Arc::clone(&context.progress), args.per_class);

    let started = Instant::now();
    let records = tokio::task::spawn_blocking(move || {
        let mut downloading = false;
        dataset::demo::fetch(&folder, &mut |step| match step {
            FetchProgress::Downloading { done, total } => {
                if !downloading {
                    downloading = true;
                    progress.begin("download images", "byte", Some(total));
                }
                progress.advance(done);
            }
            FetchProgress::Unpacking { package } => progress.begin(&format!("unpack {package}"), "package", Some(1)),
        })?;
        progress.finish();
        let records = dataset::demo::collect(&folder)?;
        Ok::<_, dataset::DatasetError>(match per_class {
            Some(n) => first_of_each_label(records, n),
            None => records,
        })
    })
    .await??;
    stages.record("fetch and curate", started);

    let started = Instant::now();
    let total = records.len() as u64;
    let records = Box::new(records.into_iter().map(Ok));
    let summary = import(collection, records, Some(total), &context.job()).await?;
    context.progress.finish();
    print_import_summary(&summary);
    if summary.stopped {
        return Ok(false);
    }
    stages.record("import", started);
    collection.catalog.set_property(IMPORTED, &wanted).await?;
    Ok(true)
}

fn first_of_each_label(records: Vec<Record>, n: usize) -> Vec<Record> {
    let mut counts = std::collections::HashMap::<Vec<String>, usize>::new();
    let mut is_kept = |record: &Record| {
        let count = counts.entry(record.labels.clone()).or_default();
        *count += 1;
        *count <= n
    };
    records.into_iter().filter(|record| is_kept(record)).collect()
}

/// Encodes and trains, unless there is a model. Returns `false` if it was stopped.
async fn train_model(
    context: &Context,
    collection: &Collection,
    encoders: &Encoders,
    settings: TrainSettings,
    stages: &mut Stages,
) -> anyhow::Result<bool> {
    if collection.catalog.active_model().await?.is_some() {
        return Ok(true);
    }
    let started = Instant::now();
    let encoded = train::encode(context, collection, encoders).await?;
    if !encoded {
        return Ok(false);
    }
    stages.record("encode", started);
    let started = Instant::now();
    let trained = train::learn(
        context,
        collection,
        encoders,
        settings,
        PromotionPolicy { force: true, ..PromotionPolicy::default() },
    )
    .await?;
    stages.record("train", started);
    let Some(trained) = trained else { return Ok(false) };
    // The first model is activated in any case, so only report what the promotion checks found.
    train::report_promotion(&trained.record.version, &trained.verdict);
    Ok(true)
}

/// Prints the size of the collection, the durations of the stages and the evaluation.
async fn print_summary(collection: &Collection, stages: &Stages) -> anyhow::Result<()> {
    let counts = collection.catalog.counts().await?;
    let model = collection.catalog.active_model().await?.context("the demo has trained a model")?;
    let report: crate::evaluation::Report = serde_json::from_value(model.report)?;
    println!();
    println!("images     {}", counts.images);
    println!("captions   {}", counts.captions);
    println!("labels     {}", counts.labels);
    for (stage, took) in &stages.0 {
        println!("{stage:<18} {}", seconds(*took));
    }
    println!("\nmodel {}, test split\n{report}", model.version);
    Ok(())
}

/// Durations of the stages, stored so that a later run can print them too.
struct Stages(Vec<(String, f64)>);

impl Stages {
    async fn load(collection: &Collection) -> anyhow::Result<Self> {
        let stored = collection.catalog.property(STAGES).await?;
        Ok(Self(stored.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()))
    }

    /// Records the duration of a stage, unless an earlier run did it.
    fn record(&mut self, stage: &str, started: Instant) {
        if !self.0.iter().any(|(name, _)| name == stage) {
            self.0.push((stage.to_owned(), started.elapsed().as_secs_f64()));
        }
    }

    async fn save(&self, collection: &Collection) -> anyhow::Result<()> {
        Ok(collection.catalog.set_property(STAGES, &serde_json::to_string(&self.0)?).await?)
    }
}
