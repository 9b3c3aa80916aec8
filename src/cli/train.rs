//! `diptych train`

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;

use super::{
    context::Context,
    output::{seconds, stopped},
};
use crate::{
    collection::{Collection, Encoders},
    config::TrainArgs,
    evaluation::Report,
    model::TrainSettings,
    training::{PromotionDecision, PromotionPolicy, Trained, ablate, encode_missing, train, train_on_features},
};

pub(super) async fn run(context: &Context, args: TrainArgs, policy: PromotionPolicy) -> anyhow::Result<ExitCode> {
    let settings = settings(&args)?;
    if !(policy.margin >= 0.0 && policy.margin <= 1.0) {
        anyhow::bail!("--margin is {}, but must be from 0 to 1", policy.margin);
    }
    let collection = context.collection().await?;
    let encoders = context.encoders(&collection).await?;
    let trained = match encode(context, &collection, &encoders).await? {
        true => learn(context, &collection, &encoders, settings, policy).await?,
        false => None,
    };
    let Some(trained) = trained else { return Ok(stopped("run the same command again to continue")) };
    let version = &trained.record.version;
    print_result(version, trained.record.seconds, &trained.parts, &trained.report);
    collection.catalog.close().await;
    Ok(report_promotion(version, &trained.verdict))
}

/// Prints the objections of the promotion checks, if any. The exit code is a failure if the model was not activated.
pub(super) fn report_promotion(version: &str, decision: &PromotionDecision) -> ExitCode {
    if decision.objections.is_empty() {
        return ExitCode::SUCCESS;
    }
    let (objections, active) = (decision.objections.join("; "), decision.live.as_deref().unwrap_or("none"));
    if decision.promoted {
        eprintln!("model {version} was activated by --force, although {objections}");
        return ExitCode::SUCCESS;
    }
    eprintln!(
        "model {version} was saved but not activated, because {objections}; the active model is still {active}. \
         `diptych models activate {version}` activates it"
    );
    ExitCode::FAILURE
}

/// Trains on precomputed features, without a collection.
pub(super) async fn on_features(
    context: &Context,
    args: &TrainArgs,
    folder: &Path,
    out: Option<PathBuf>,
) -> anyhow::Result<ExitCode> {
    let settings = settings(args)?;
    let out = out.unwrap_or_else(|| folder.join("model"));
    let trained = train_on_features(folder, &out, settings, &context.job()).await;
    let Some(trained) = context.finished(trained)? else {
        return Ok(stopped("run the same command again to continue"));
    };
    print_result(&out.display().to_string(), trained.seconds, &trained.parts, &trained.report);
    Ok(ExitCode::SUCCESS)
}

/// Prints the result of a training.
fn print_result(name: &str, took: f64, parts: &str, report: &Report) {
    println!("model {name} after {}; weights in a cosine: {parts}\n{report}", seconds(took));
}

/// Trains the paper's objective with and without each term and prints the results.
pub(super) async fn ablation(context: &Context, mut args: TrainArgs) -> anyhow::Result<ExitCode> {
    args.objective = Some("dscmr".into());
    let settings = settings(&args)?;
    let collection = context.collection().await?;
    let encoders = context.encoders(&collection).await?;
    if !encode(context, &collection, &encoders).await? {
        return Ok(stopped("run the same command again to continue"));
    }
    let rows = ablate(&collection, &encoders, settings, &context.job()).await;
    let Some(rows) = context.finished(rows)? else { return Ok(stopped("the ablation starts over when run again")) };
    println!("| objective | mAP image → text | mAP text → image | mean |\n|---|---|---|---|");
    for (name, report) in &rows {
        let (image_to_text, text_to_image, mean) =
            (report.map_image_to_text, report.map_text_to_image, report.mean_map());
        println!("| {name} | {image_to_text:.3} | {text_to_image:.3} | {mean:.3} |");
    }
    collection.catalog.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Training settings: flags take precedence over the settings file, and the file over the defaults.
pub(super) fn settings(args: &TrainArgs) -> anyhow::Result<TrainSettings> {
    let file = match &args.settings {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
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
    let mut tables = vec![file];
    for (path, value) in flags {
        let Some(value) = value else { continue };
        let nested =
            path.iter().rev().fold(value, |value, key| toml::Table::from_iter([((*key).to_owned(), value)]).into());
        tables.extend(nested.as_table().cloned());
    }
    Ok(TrainSettings::from_tables(tables)?)
}

/// Computes missing features. Returns `false` if it was stopped; the same call continues from there.
pub(super) async fn encode(context: &Context, collection: &Collection, encoders: &Encoders) -> anyhow::Result<bool> {
    let encoded = encode_missing(collection, encoders, &context.job()).await?;
    context.progress.finish();
    if encoded.unreadable > 0 {
        eprintln!("{} images can no longer be read; `diptych status` counts the readable ones", encoded.unreadable);
    }
    Ok(!encoded.stopped)
}

/// Trains a model. Returns `None` if it was stopped; the same call continues from there.
pub(super) async fn learn(
    context: &Context,
    collection: &Collection,
    encoders: &Encoders,
    settings: TrainSettings,
    policy: PromotionPolicy,
) -> anyhow::Result<Option<Trained>> {
    context.finished(train(collection, encoders, settings, policy, &context.job()).await)
}
