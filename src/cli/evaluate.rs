//! `diptych evaluate`

use std::{path::Path, process::ExitCode};

use anyhow::Context;

use super::Shared;
use crate::{
    config::EvaluateArgs,
    dataset::Split,
    dscmr::{self, Model},
    search::{EverydayQuery, SearchError, load_training_data, precision_at_10},
};

pub(super) async fn run(shared: &Shared, args: EvaluateArgs) -> anyhow::Result<ExitCode> {
    let library = shared.library().await?;
    let encoders = shared.encoders().await?;
    let record = library.catalog.active_model().await?.ok_or(SearchError::NoModel)?;
    let data = load_training_data(&library, &encoders, record.settings["seed"].as_u64().unwrap_or(0)).await?;
    let folder = library.folder.model(&record.version);
    let report =
        tokio::task::spawn_blocking(move || dscmr::evaluate(&Model::load(&folder)?, &data, Split::Test)).await??;
    library.catalog.set_report(&record.version, &serde_json::json!(report)).await?;
    println!("model {}, test split\n{report}", record.version);

    if let Some(file) = args.queries {
        let queries = read_queries(&file)?;
        let rows = precision_at_10(&library, &encoders, queries).await?;
        println!("| words | class | precision@10 |\n|---|---|---|");
        for row in &rows {
            println!("| {} | {} | {:.1} |", row.query.query, row.query.label, row.precision);
        }
        let mean = rows.iter().map(|r| r.precision).sum::<f64>() / rows.len().max(1) as f64;
        println!("| **mean of {}** | | **{mean:.3}** |", rows.len());
    }
    library.catalog.close().await;
    Ok(ExitCode::SUCCESS)
}

fn read_queries(file: &Path) -> anyhow::Result<Vec<EverydayQuery>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    lines
        .map(|(line, number)| {
            serde_json::from_str(line).with_context(|| {
                format!("{}:{number}: each line is {{\"query\": \"words\", \"label\": \"class\"}}", file.display())
            })
        })
        .collect()
}
