//! `diptych demo`: from nothing to a searchable collection. Each stage looks at what is there and does what is missing,
//! so a second start goes straight to the end.

use std::{process::ExitCode, time::Instant};

use anyhow::Context;

use super::{
    context::Shared,
    import::print,
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

/// The fact that says which demo collection is in the catalog.
const IMPORTED: &str = "demo_imported";

/// Counts up when the curator's rules change, so that a collection of older rules is imported again.
const IMPORTED_FORM: &str = "1";

/// The fact that keeps how long each stage took when it was done.
const STAGES: &str = "demo_stages";

pub(super) async fn run(shared: &Shared, args: DemoArgs) -> anyhow::Result<ExitCode> {
    // What cannot be used is refused before minutes of fetching and encoding.
    let settings = train::settings(&args.train)?;
    let collection = shared.collection().await?;
    let mut stages = Stages::load(&collection).await?;

    let began = Instant::now();
    let encoders = shared.encoders(&collection).await?;
    stages.did("encoders", began);

    if !fill_collection(shared, &collection, &args, &mut stages).await? {
        return Ok(stopped("`diptych demo` goes on from here"));
    }
    if !model(shared, &collection, &encoders, settings, &mut stages).await? {
        return Ok(stopped("`diptych demo` goes on from here"));
    }
    stages.keep(&collection).await?;
    table(&collection, &stages).await?;

    if args.no_serve {
        collection.catalog.close().await;
        return Ok(ExitCode::SUCCESS);
    }
    serve(shared, &args.serve, collection, encoders).await
}

/// Fetches, curates and imports the pictures, unless they are there. `false` if somebody stopped it.
async fn fill_collection(
    shared: &Shared,
    collection: &Collection,
    args: &DemoArgs,
    stages: &mut Stages,
) -> anyhow::Result<bool> {
    let wanted = format!("{IMPORTED_FORM}, per class {:?}", args.per_class);
    if collection.catalog.property(IMPORTED).await?.as_ref() == Some(&wanted) {
        return Ok(true);
    }
    let folder = args.packages.clone().unwrap_or_else(|| collection.data_dir.demo());
    let folder = std::path::absolute(&folder)?;
    let (bars, per_class) = (std::sync::Arc::clone(&shared.bars), args.per_class);

    let began = Instant::now();
    let records = tokio::task::spawn_blocking(move || {
        let mut downloading = false;
        dataset::demo::fetch(&folder, &mut |progress| match progress {
            FetchProgress::Downloading { done, total } => {
                if !downloading {
                    downloading = true;
                    bars.begin("fetch pictures", "byte", Some(total));
                }
                bars.advance(done);
            }
            FetchProgress::Unpacking { package } => bars.begin(&format!("unpack {package}"), "package", Some(1)),
        })?;
        bars.finish();
        let records = dataset::demo::collect(&folder)?;
        Ok::<_, dataset::DatasetError>(match per_class {
            Some(n) => first_of_each_class(records, n),
            None => records,
        })
    })
    .await??;
    stages.did("fetch and curate", began);

    let began = Instant::now();
    let total = records.len() as u64;
    let records = Box::new(records.into_iter().map(Ok));
    let summary = import(collection, records, Some(total), shared.bars.as_ref(), &shared.stop.flag()).await?;
    shared.bars.finish();
    print(&summary);
    if summary.stopped {
        return Ok(false);
    }
    stages.did("import", began);
    collection.catalog.set_property(IMPORTED, &wanted).await?;
    Ok(true)
}

fn first_of_each_class(records: Vec<Record>, n: usize) -> Vec<Record> {
    let mut taken = std::collections::HashMap::<Vec<String>, usize>::new();
    let mut keep = |record: &Record| {
        let count = taken.entry(record.labels.clone()).or_default();
        *count += 1;
        *count <= n
    };
    records.into_iter().filter(|record| keep(record)).collect()
}

/// Encodes and trains, unless there is a model. `false` if somebody stopped it.
async fn model(
    shared: &Shared,
    collection: &Collection,
    encoders: &Encoders,
    settings: TrainSettings,
    stages: &mut Stages,
) -> anyhow::Result<bool> {
    if collection.catalog.active_model().await?.is_some() {
        return Ok(true);
    }
    let began = Instant::now();
    let encoded = train::encode(shared, collection, encoders).await?;
    if !encoded {
        return Ok(false);
    }
    stages.did("encode", began);
    let began = Instant::now();
    let trained = train::learn(
        shared,
        collection,
        encoders,
        settings,
        PromotionPolicy { force: true, ..PromotionPolicy::default() },
    )
    .await?;
    stages.did("train", began);
    let Some(trained) = trained else { return Ok(false) };
    // Nothing answers without a first model, so what speaks against it has to be said.
    train::passed(&trained.record.version, &trained.verdict);
    Ok(true)
}

/// What the demo made: how much, how long, how good.
async fn table(collection: &Collection, stages: &Stages) -> anyhow::Result<()> {
    let counts = collection.catalog.counts().await?;
    let model = collection.catalog.active_model().await?.context("the demo has trained a model")?;
    let report: crate::evaluation::Report = serde_json::from_value(model.report)?;
    println!();
    println!("pictures   {}", counts.images);
    println!("captions   {}", counts.captions);
    println!("classes    {}", counts.labels);
    for (stage, took) in &stages.0 {
        println!("{stage:<18} {}", seconds(*took));
    }
    println!("\nmodel {}, on test pictures that it never saw\n{report}", model.version);
    Ok(())
}

/// How long each stage took when it was done: kept, so that a second start can show the same table.
struct Stages(Vec<(String, f64)>);

impl Stages {
    async fn load(collection: &Collection) -> anyhow::Result<Self> {
        let kept = collection.catalog.property(STAGES).await?;
        Ok(Self(kept.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()))
    }

    /// Notes a stage, unless an earlier start did it already.
    fn did(&mut self, stage: &str, began: Instant) {
        if !self.0.iter().any(|(name, _)| name == stage) {
            self.0.push((stage.to_owned(), began.elapsed().as_secs_f64()));
        }
    }

    async fn keep(&self, collection: &Collection) -> anyhow::Result<()> {
        Ok(collection.catalog.set_property(STAGES, &serde_json::to_string(&self.0)?).await?)
    }
}
