//! `diptych train`

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;

use super::{
    context::Shared,
    output::{seconds, stopped},
};
use crate::{
    collection::{Collection, Encoders},
    config::TrainArgs,
    evaluation::Report,
    model::TrainSettings,
    training::{PromotionDecision, PromotionPolicy, Trained, ablate, encode_missing, train, train_on_features},
};

pub(super) async fn run(shared: &Shared, args: TrainArgs, gate: PromotionPolicy) -> anyhow::Result<ExitCode> {
    let settings = settings(&args)?;
    if !(gate.margin >= 0.0 && gate.margin <= 1.0) {
        anyhow::bail!("--margin is {}; allowed are points of mAP from 0 to 1", gate.margin);
    }
    let collection = shared.collection().await?;
    let encoders = shared.encoders(&collection).await?;
    let trained = match encode(shared, &collection, &encoders).await? {
        true => learn(shared, &collection, &encoders, settings, gate).await?,
        false => None,
    };
    let Some(trained) = trained else { return Ok(stopped("the same command goes on from here")) };
    let version = &trained.record.version;
    tell(version, trained.record.seconds, &trained.parts, &trained.report);
    collection.catalog.close().await;
    Ok(passed(version, &trained.verdict))
}

/// Says what the gate found, if that is anything. A failure if the model does not answer.
pub(super) fn passed(version: &str, verdict: &PromotionDecision) -> ExitCode {
    if verdict.objections.is_empty() {
        return ExitCode::SUCCESS;
    }
    let (objections, live) = (verdict.objections.join("; "), verdict.live.as_deref().unwrap_or("none"));
    if verdict.promoted {
        eprintln!("model {version} answers because that was forced, although {objections}");
        return ExitCode::SUCCESS;
    }
    eprintln!(
        "model {version} is kept but does not answer, because {objections}; {live} answers on. `diptych models activate \
         {version}` makes it answer"
    );
    ExitCode::FAILURE
}

/// Trains on matrices alone.
pub(super) async fn on_features(
    shared: &Shared,
    args: &TrainArgs,
    folder: &Path,
    out: Option<PathBuf>,
) -> anyhow::Result<ExitCode> {
    let settings = settings(args)?;
    let out = out.unwrap_or_else(|| folder.join("model"));
    let trained = train_on_features(folder, &out, settings, shared.progress(), shared.stop.flag()).await;
    let Some(trained) = shared.finished(trained)? else { return Ok(stopped("the same command goes on from here")) };
    tell(&out.display().to_string(), trained.seconds, &trained.parts, &trained.report);
    Ok(ExitCode::SUCCESS)
}

/// Says what a training made.
fn tell(name: &str, took: f64, parts: &str, report: &Report) {
    println!("model {name} after {}; weights in a cosine: {parts}\n{report}", seconds(took));
}

/// Prints what each term of J is worth.
pub(super) async fn ablation(shared: &Shared, mut args: TrainArgs) -> anyhow::Result<ExitCode> {
    args.objective = Some("dscmr".into());
    let settings = settings(&args)?;
    let collection = shared.collection().await?;
    let encoders = shared.encoders(&collection).await?;
    if !encode(shared, &collection, &encoders).await? {
        return Ok(stopped("the same command goes on from here"));
    }
    let rows = ablate(&collection, &encoders, settings, shared.progress(), shared.stop.flag()).await;
    let Some(rows) = shared.finished(rows)? else { return Ok(stopped("an ablation begins anew")) };
    println!("| objective | mAP image → text | mAP text → image | mean |\n|---|---|---|---|");
    for (name, report) in &rows {
        let (there, back, mean) = (report.map_image_to_text, report.map_text_to_image, report.mean_map());
        println!("| {name} | {there:.3} | {back:.3} | {mean:.3} |");
    }
    collection.catalog.close().await;
    Ok(ExitCode::SUCCESS)
}

/// The defaults, what the file says over them, and what flags say over that.
pub(super) fn settings(args: &TrainArgs) -> anyhow::Result<TrainSettings> {
    let file = match &args.settings {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
            toml::from_str(&text).with_context(|| path.display().to_string())?
        }
        None => toml::Table::new(),
    };
    let whole = |number: u64| toml::Value::Integer(number.cast_signed());
    let count = |number: usize| whole(number as u64);
    let flags: [(&[&str], Option<toml::Value>); 12] = [
        (&["objective"], args.objective.clone().map(Into::into)),
        (&["seed"], args.seed.map(whole)),
        (&["device"], args.device.clone().map(Into::into)),
        (&["image_power"], args.image_power.map(Into::into)),
        (&["class", "lambda"], args.lambda.map(Into::into)),
        (&["class", "eta"], args.eta.map(Into::into)),
        (&["class", "norm"], args.norm.clone().map(Into::into)),
        (&["class", "discrimination"], args.discrimination.clone().map(Into::into)),
        (&["class", "optimizer", "max_epochs"], args.epochs.map(count)),
        (&["pair", "optimizer", "max_epochs"], args.epochs.map(count)),
        (&["class", "optimizer", "patience"], args.patience.map(count)),
        (&["pair", "optimizer", "patience"], args.patience.map(count)),
    ];
    let mut given = vec![file];
    for (path, value) in flags {
        let Some(value) = value else { continue };
        let nested =
            path.iter().rev().fold(value, |value, key| toml::Table::from_iter([((*key).to_owned(), value)]).into());
        given.extend(nested.as_table().cloned());
    }
    Ok(TrainSettings::from_tables(given)?)
}

/// Encodes what is missing. `false` if somebody stopped it; the same call goes on from there.
pub(super) async fn encode(shared: &Shared, collection: &Collection, encoders: &Encoders) -> anyhow::Result<bool> {
    let encoded = encode_missing(collection, encoders, shared.bars.as_ref(), &shared.stop.flag()).await?;
    shared.bars.finish();
    if encoded.unreadable > 0 {
        eprintln!("{} pictures can no longer be read; `diptych status` counts them", encoded.unreadable);
    }
    Ok(!encoded.stopped)
}

/// Trains. `None` if somebody stopped it; the same call goes on from there.
pub(super) async fn learn(
    shared: &Shared,
    collection: &Collection,
    encoders: &Encoders,
    settings: TrainSettings,
    gate: PromotionPolicy,
) -> anyhow::Result<Option<Trained>> {
    shared.finished(train(collection, encoders, settings, gate, shared.progress(), shared.stop.flag()).await)
}
