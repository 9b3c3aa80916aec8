//! The page as a whole.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{card, card::EntryCard, plots, projection::projection, tables};
use crate::evaluation::{Diagnostics, EntryRef};

/// Content of the report.
#[derive(Debug, Clone, Copy)]
pub struct HtmlReport<'a> {
    /// Name of the model.
    pub model: &'a str,
    /// Facts about the model in the header, as name and value.
    pub facts: &'a [(&'a str, String)],
    /// Diagnostics of the model.
    pub diagnostics: &'a Diagnostics,
}

/// Renders the report. `card` describes an image or a caption.
///
/// # Errors
/// If a plot cannot be drawn.
pub fn render(report: &HtmlReport<'_>, card: &dyn Fn(EntryRef) -> EntryCard) -> Result<String, String> {
    let HtmlReport { model, facts, diagnostics } = report;
    let curves = diagnostics.training.iter().map(plots::training).collect::<Result<Vec<Markup>, _>>()?;
    let (precision_recall, reliability) = (plots::precision_recall(diagnostics)?, plots::reliability(diagnostics)?);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { "diptych: model " (model) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                header {
                    h1 { "Model " (model) }
                    dl { @for (name, value) in *facts { div { dt { (name) } dd { (value) } } } }
                }
                main {
                    (tables::metrics(&diagnostics.report, diagnostics.split))
                    (tables::per_class(&diagnostics.report.per_class))
                    (tables::confusion(diagnostics))
                    section {
                        h2 { "Is the order good, and does relevance mean what it says?" }
                        p {
                            "Left: precision up to the rank where a given fraction of the relevant results is found, \
                             mean over queries. Right: fraction of results that share a class with the query, by \
                             predicted relevance; a perfect calibration is on the diagonal."
                        }
                        div.plots { (precision_recall) (reliability) }
                    }
                    section {
                        h2 { "How was it trained?" }
                        p {
                            "Loss on the training split, and scores of each head alone on the validation split, by \
                             epoch. The weights are those of the epoch with the best score."
                        }
                        div.plots { @for curve in curves { (curve) } }
                    }
                    (projection(diagnostics, card))
                    (card::worst_queries(diagnostics, card))
                    (card::label_issues(diagnostics, card))
                    (card::mismatches(diagnostics, card))
                }
            }
        }
    };
    Ok(page.into_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::{
        ClassPrecision, LabelIssue, Mismatch, ProjectedEntry, RECALL_LEVELS, RankedEntry, Recall, Report,
        TrainingCurve, WorstQuery, reliability_bins,
    };

    fn diagnostics() -> Diagnostics {
        let recall = Recall { at_1: 0.1, at_5: 0.5, at_10: 0.75 };
        let class = |label: &str| ClassPrecision {
            label: label.into(),
            images: 2,
            image_to_text: 0.5,
            text_to_image: 0.625,
            interval_image_to_text: [0.25, 0.75],
            interval_text_to_image: [0.5, 0.875],
        };
        let point = |entry, x: f32| ProjectedEntry { entry, class: 0, position: [x, -x] };
        Diagnostics {
            split: "test",
            report: Report {
                images: 2,
                captions: 2,
                classes: 2,
                map_image_to_text: 0.5,
                map_text_to_image: 0.625,
                interval_image_to_text: [0.4, 0.6],
                interval_text_to_image: [0.5, 0.7],
                chance_image_to_text: 0.1,
                chance_text_to_image: 0.1,
                recall_image_to_text: recall,
                recall_text_to_image: recall,
                duplicate_aware_image_to_text: recall,
                duplicate_aware_text_to_image: recall,
                label_accuracy_image: 0.5,
                label_accuracy_text: 1.0,
                calibration_error_image_to_text: 0.01,
                calibration_error_text_to_image: 0.02,
                per_class: vec![class("barns"), class("<fields>")],
            },
            classes: vec!["barns".into(), "<fields>".into()],
            confusion: vec![vec![1, 1], vec![0, 2]],
            precision_at_recall: [[0.5; RECALL_LEVELS]; 2],
            reliability: vec![("text", reliability_bins([(0.9, true), (0.2, false), (0.25, true)].into_iter()))],
            training: vec![TrainingCurve {
                head: "class".into(),
                best_epoch: 2,
                losses: vec![("J", vec![2.0, 1.0]), ("J3", vec![0.0, f64::NAN])],
                validation: vec![("mAP", vec![0.5, 0.6])],
            }],
            projection: vec![point(EntryRef::Image(0), 0.5), point(EntryRef::Caption(1), -1.0)],
            worst: vec![WorstQuery {
                query: EntryRef::Caption(1),
                average_precision: 0.125,
                results: vec![RankedEntry { entry: EntryRef::Image(0), cosine: 0.75, relevant: false }],
            }],
            label_issues: vec![LabelIssue { item: 0, suggested: 1, margin: 0.5 }],
            mismatches: vec![Mismatch { item: 0, caption: 1, distance: 1.25 }],
        }
    }

    #[test]
    fn report_is_complete_self_contained_and_escaped() {
        let card = |entry| EntryCard {
            id: format!("{entry:?}"),
            text: "<img src=x onerror=alert(1)>".into(),
            labels: "barns & \"more\"".into(),
            image: Some("data:image/jpeg;base64,AAAA".into()),
        };
        let facts = [("trained", "<today>".to_owned())];
        let report = HtmlReport { model: "m-1", facts: &facts, diagnostics: &diagnostics() };
        let html = render(&report, &card).expect("a report");
        for expected in [
            "&lt;today&gt;",
            "0.400 – 0.600",
            "&lt;fields&gt;",
            "1 × <b>barns</b> as &lt;fields&gt;",
            "AP 0.125",
            "‖u − v‖ 1.25",
            "<b>barns &amp; &quot;more&quot;</b> → &lt;fields&gt;?",
            "&lt;img src=x onerror=alert(1)&gt;",
            "data:image/jpeg;base64,AAAA",
        ] {
            assert!(html.contains(expected), "{expected} is missing");
        }
        assert!(!html.contains("<img src=x") && !html.contains("<fields>") && !html.contains("<today>"));
        // One self-contained file: no URLs except XML namespaces, and no scripts.
        let without = html.replace("http://www.w3.org/2000/svg", "");
        assert!(!without.contains("http://") && !without.contains("https://") && !without.contains("<script"));
    }
}
