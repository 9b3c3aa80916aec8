//! `diptych models`

use std::process::ExitCode;

use super::context::Shared;
use crate::{
    config::ModelsVerb,
    evaluation::Report,
    training::{PromotionDecision, activate, roll_back},
};

pub(super) async fn run(shared: &Shared, verb: ModelsVerb) -> anyhow::Result<ExitCode> {
    let collection = shared.collection().await?;
    match verb {
        ModelsVerb::List => {
            let active = collection.catalog.active_model().await?.map(|model| model.version);
            println!(
                "| model | answers | validation mAP | test mAP image → text, text → image | mR | s | at the gate |"
            );
            println!("|---|---|---|---|---|---|---|");
            for model in collection.catalog.models().await? {
                let verdict: Option<PromotionDecision> = serde_json::from_value(model.promotion.clone()).ok();
                let report: Option<Report> = serde_json::from_value(model.report.clone()).ok();
                let validation = verdict.as_ref().map(|v| format!("{:.3}", v.validation.quality.mean_map()));
                let test = report.map(|r| {
                    (
                        format!("{:.3}, {:.3}", r.map_image_to_text, r.map_text_to_image),
                        format!("{:.2}", r.mean_recall()),
                    )
                });
                let (test, recall) = test.unwrap_or_default();
                let gate = verdict.map_or_else(String::new, |v| match v.objections.is_empty() {
                    true => "let through".to_owned(),
                    false => v.objections.join("; "),
                });
                println!(
                    "| {} | {} | {} | {test} | {recall} | {:.0} | {gate} |",
                    model.version,
                    if active.as_ref() == Some(&model.version) { "yes" } else { "" },
                    validation.unwrap_or_default(),
                    model.seconds,
                );
            }
        }
        ModelsVerb::Activate { version } => {
            let encoders = shared.encoders_of(collection.catalog.model(&version).await?).await?;
            tell(&activate(&collection, &encoders, &version).await?.version);
        }
        ModelsVerb::Rollback => {
            let encoders = shared.encoders_of(collection.catalog.previous_model().await?).await?;
            tell(&roll_back(&collection, &encoders).await?.version);
        }
    }
    collection.catalog.close().await;
    Ok(ExitCode::SUCCESS)
}

fn tell(version: &str) {
    println!("model {version} answers; a service that runs takes it up when it starts or reindexes");
}
