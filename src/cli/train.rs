//! `diptych train`

use std::{process::ExitCode, sync::Arc};

use super::{Shared, stopped};
use crate::{
    config::TrainArgs,
    dscmr::TrainSettings,
    search::{Encoders, Library, Progress, SearchError, Trained, encode_missing, train},
};

pub(super) async fn run(shared: &Shared, args: &TrainArgs) -> anyhow::Result<ExitCode> {
    let library = shared.library().await?;
    let encoders = shared.encoders().await?;
    let trained = match encode(shared, &library, &encoders).await? {
        true => learn(shared, &library, &encoders, settings(args)).await?,
        false => None,
    };
    let Some(trained) = trained else { return Ok(stopped("the same command goes on from here")) };
    println!("model {} after {}\n{}", trained.record.version, super::seconds(trained.record.seconds), trained.report);
    library.catalog.close().await;
    Ok(ExitCode::SUCCESS)
}

/// The defaults with what was asked for in their place.
pub(super) fn settings(args: &TrainArgs) -> TrainSettings {
    let TrainSettings { max_epochs, seed, lambda, eta, dropout, image_power, patience, .. } = TrainSettings::default();
    TrainSettings {
        max_epochs: args.epochs.unwrap_or(max_epochs),
        seed: args.seed.unwrap_or(seed),
        lambda: args.lambda.unwrap_or(lambda),
        eta: args.eta.unwrap_or(eta),
        dropout: args.dropout.unwrap_or(dropout),
        image_power: args.image_power.unwrap_or(image_power),
        patience: args.patience.unwrap_or(patience),
        ..TrainSettings::default()
    }
}

/// Encodes what is missing. `false` if somebody stopped it; the same call goes on from there.
pub(super) async fn encode(shared: &Shared, library: &Library, encoders: &Encoders) -> anyhow::Result<bool> {
    let encoded = encode_missing(library, encoders, shared.bars.as_ref(), &shared.stop.flag()).await?;
    shared.bars.finish();
    if encoded.unreadable > 0 {
        eprintln!("{} pictures can no longer be read; `diptych status` counts them", encoded.unreadable);
    }
    Ok(!encoded.stopped)
}

/// Trains. `None` if somebody stopped it; the same call goes on from there.
pub(super) async fn learn(
    shared: &Shared,
    library: &Library,
    encoders: &Encoders,
    settings: TrainSettings,
) -> anyhow::Result<Option<Trained>> {
    let progress: Arc<dyn Progress> = Arc::clone(&shared.bars) as Arc<dyn Progress>;
    let trained = train(library, encoders, settings, progress, shared.stop.flag()).await;
    shared.bars.finish();
    match trained {
        Ok(trained) => Ok(Some(trained)),
        Err(SearchError::Stopped) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
