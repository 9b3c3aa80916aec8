//! `diptych models`

use std::process::ExitCode;

use super::context::Context;
use crate::{
    config::ModelsCommand,
    evaluation::Report,
    training::{PromotionDecision, activate, roll_back},
};

pub(super) async fn run(context: &Context, command: ModelsCommand) -> anyhow::Result<ExitCode> {
    let collection = context.collection().await?;
    match command {
        ModelsCommand::List => {
            let active = collection.catalog.active_model().await?.map(|model| model.version);
            println!("| model | active | validation mAP | test mAP image → text, text → image | mR | s | promotion |");
            println!("|---|---|---|---|---|---|---|");
            for model in collection.catalog.models().await? {
                let decision: Option<PromotionDecision> = serde_json::from_value(model.promotion.clone()).ok();
                let report: Option<Report> = serde_json::from_value(model.report.clone()).ok();
                let validation = decision.as_ref().map(|d| format!("{:.3}", d.validation.quality.mean_map()));
                let test = report.map(|r| {
                    (
                        format!("{:.3}, {:.3}", r.map_image_to_text, r.map_text_to_image),
                        format!("{:.2}", r.mean_recall()),
                    )
                });
                let (test, recall) = test.unwrap_or_default();
                let promotion = decision.map_or_else(String::new, |d| match d.objections.is_empty() {
                    true => "passed".to_owned(),
                    false => d.objections.join("; "),
                });
                println!(
                    "| {} | {} | {} | {test} | {recall} | {:.0} | {promotion} |",
                    model.version,
                    if active.as_ref() == Some(&model.version) { "yes" } else { "" },
                    validation.unwrap_or_default(),
                    model.seconds,
                );
            }
        }
        ModelsCommand::Activate { version } => {
            let encoders = context.encoders_of(collection.catalog.model(&version).await?).await?;
            print_active(&activate(&collection, &encoders, &version).await?.version);
        }
        ModelsCommand::Rollback => {
            let encoders = context.encoders_of(collection.catalog.previous_model().await?).await?;
            print_active(&roll_back(&collection, &encoders).await?.version);
        }
    }
    collection.catalog.close().await;
    Ok(ExitCode::SUCCESS)
}

fn print_active(version: &str) {
    println!("model {version} is active; a running service uses it after a restart or a reindex");
}
