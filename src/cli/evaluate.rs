//! `diptych evaluate`

use std::{path::Path, process::ExitCode};

use anyhow::Context as _;

use super::context::Context;
use crate::{
    collection::CollectionError,
    config::EvaluateArgs,
    dataset::Split,
    evaluation::Report,
    model::{self, Model, TrainingData},
    training::{
        JudgedQuery, LabelPrecision, QueryPrecision, ReportPage, keep_report, load_features, load_training_set,
        precision_at_10, report_page, report_page_of_features,
    },
    util::fs::write_atomic_unsynced,
};

pub(super) async fn run(context: &Context, args: EvaluateArgs) -> anyhow::Result<ExitCode> {
    if let Some(folder) = &args.features {
        return on_features(folder, &args).await;
    }
    let collection = context.collection().await?;
    let encoders = context.encoders(&collection).await?;
    let record = collection.catalog.active_model().await?.ok_or(CollectionError::NoModel)?;
    let report = match &args.report {
        Some(file) => {
            let found = report_page(&collection, &encoders, &record).await?;
            keep_report(&collection, &record.version, &found).await?;
            write_report(file, &found.html)?;
            found.report
        }
        None => {
            let seed = record.settings["seed"].as_u64().unwrap_or(0);
            let data = load_training_set(&collection, &encoders, seed).await?.data;
            let model = Model::load(&collection.data_dir.model(&record.version))?;
            let report = measure(model, data).await?;
            collection.catalog.set_report(&record.version, &serde_json::json!(report)).await?;
            report
        }
    };
    println!("model {}, test split\n{report}", record.version);

    if let Some(file) = args.queries {
        let queries = read_queries(&file)?;
        let found = precision_at_10(&collection, &encoders, queries).await?;
        println!("\n| query | label | test images with the label | precision@10 |\n|---|---|---|---|");
        for QueryPrecision { query, relevant, precision } in &found.words {
            println!("| {} | {} | {relevant} | {precision:.1} |", query.query, query.label);
        }
        let mean = found.words.iter().map(|r| r.precision).sum::<f64>() / found.words.len().max(1) as f64;
        println!("| **mean of {}** | | | **{mean:.2}** |", found.words.len());
        println!("\n| images with label | test images | precision@10 of captions |\n|---|---|---|");
        for LabelPrecision { label, pictures, precision } in &found.pictures {
            println!("| {label} | {pictures} | {precision:.2} |");
        }
    }
    collection.catalog.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Evaluates a model that was trained on precomputed features.
async fn on_features(folder: &Path, args: &EvaluateArgs) -> anyhow::Result<ExitCode> {
    let model = args.model.clone().unwrap_or_else(|| folder.join("model"));
    let name = model.display();
    let report = match &args.report {
        Some(file) => {
            let ReportPage { report, html, .. } = report_page_of_features(folder, &model).await?;
            write_report(file, &html)?;
            report
        }
        None => {
            let model = Model::load(&model)?;
            let data = load_features(folder, model.settings().seed).await?;
            measure(model, data).await?
        }
    };
    println!("model {name}, test split\n{report}");
    Ok(ExitCode::SUCCESS)
}

/// Evaluates a model on the test split.
async fn measure(model: Model, data: TrainingData) -> anyhow::Result<Report> {
    Ok(tokio::task::spawn_blocking(move || model::evaluate(&model, &data, Split::Test)).await??)
}

fn write_report(file: &Path, html: &str) -> anyhow::Result<()> {
    write_atomic_unsynced(file, html.as_bytes()).with_context(|| format!("cannot write {}", file.display()))?;
    eprintln!("the report is in {}", file.display());
    Ok(())
}

fn read_queries(file: &Path) -> anyhow::Result<Vec<JudgedQuery>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    lines
        .map(|(line, number)| {
            serde_json::from_str(line).with_context(|| {
                format!("{}:{number}: each line must be {{\"query\": \"text\", \"label\": \"label\"}}", file.display())
            })
        })
        .collect()
}
