//! `diptych index`

use std::{process::ExitCode, sync::Arc, time::Instant};

use super::{Shared, stopped};
use crate::search::{Generation, IndexKind, Progress, SearchError};

pub(super) async fn run(shared: &Shared) -> anyhow::Result<ExitCode> {
    let library = shared.library().await?;
    let encoders = shared.encoders().await?;
    let began = Instant::now();
    let progress: Arc<dyn Progress> = Arc::clone(&shared.bars) as Arc<dyn Progress>;
    let built = Generation::build(&library, &encoders, 1, IndexKind::BySize, progress, shared.stop.flag()).await;
    shared.bars.finish();
    let generation = match built {
        Ok(generation) => generation,
        Err(SearchError::Stopped) => return Ok(stopped("nothing was changed")),
        Err(error) => return Err(error.into()),
    };
    let took = began.elapsed().as_secs_f64();
    println!("model {}, built in {}", generation.record.version, super::seconds(took));
    let agreement = tokio::task::spawn_blocking(move || generation.agreement()).await??;
    println!("| index | points | strategy | recall@10 against the scan |\n|---|---|---|---|");
    for row in agreement {
        let strategy = serde_json::to_value(row.strategy)?;
        println!("| {} | {} | {} | {:.4} |", row.name, row.points, strategy.as_str().unwrap_or("?"), row.recall_at_10);
    }
    println!("the index lives in memory: `diptych serve` builds the same one at its start");
    library.catalog.close().await;
    Ok(ExitCode::SUCCESS)
}
