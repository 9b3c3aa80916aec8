//! Tables of the report: metrics, classes, confusion.

use maud::{Markup, html};

use crate::evaluation::{ClassPrecision, Diagnostics, Recall, Report};

/// Maximum number of classes of a legible confusion matrix.
const MAX_MATRIX: usize = 40;

/// Most frequent confusions in the list.
const LISTED_CONFUSIONS: usize = 8;

pub(super) fn metrics(report: &Report, split: &str) -> Markup {
    let Report { images, captions, classes, .. } = report;
    let three = |x: f64| format!("{x:.3}");
    let row = |name: &str, map: f64, [low, high]: [f64; 2], chance: f64, recall: Recall, accuracy: f64, error: f64| {
        let Recall { at_1, at_5, at_10 } = recall;
        html! {
            tr {
                th { (name) }
                td { b { (three(map)) } " " small { (three(low)) " – " (three(high)) } }
                td { (three(chance)) }
                @for recall in [at_1, at_5, at_10] { td { (format!("{:.1}", 100.0 * recall)) } }
                td { (three(accuracy)) }
                td { (three(error)) }
            }
        }
    };
    html! {
        section {
            h2 { "How good is it?" }
            p {
                (images) " images and " (captions) " captions of the " (split) " split, " (classes) " classes. "
                "For mAP, a result is relevant if it shares a class with the query. "
                "R@K is the percentage of queries with a counterpart among the first K results."
            }
            table.numbers {
                tr {
                    th {} th { "mAP " small { "95 %" } } th { "by chance" }
                    th { "R@1" } th { "R@5" } th { "R@10" } th { "label accuracy" } th { "calibration error" }
                }
                (row(
                    "image → text",
                    report.map_image_to_text,
                    report.interval_image_to_text,
                    report.chance_image_to_text,
                    report.recall_image_to_text,
                    report.label_accuracy_image,
                    report.calibration_error_image_to_text,
                ))
                (row(
                    "text → image",
                    report.map_text_to_image,
                    report.interval_text_to_image,
                    report.chance_text_to_image,
                    report.recall_text_to_image,
                    report.label_accuracy_text,
                    report.calibration_error_text_to_image,
                ))
            }
            p {
                "Mean mAP " b { (three(report.mean_map())) } ", mR " b { (format!("{:.2}", report.mean_recall())) } "."
            }
        }
    }
}

/// Bars with error bars, worst class first.
pub(super) fn per_class(classes: &[ClassPrecision]) -> Markup {
    let mut order: Vec<&ClassPrecision> = classes.iter().filter(|class| class.images > 0).collect();
    order.sort_by(|a, b| (a.image_to_text + a.text_to_image).total_cmp(&(b.image_to_text + b.text_to_image)));
    let bar = |value: f64, [low, high]: [f64; 2], direction: &str| {
        let interval = format!("left:{:.1}%;width:{:.1}%", 100.0 * low, 100.0 * (high - low));
        html! {
            div.bar.(direction) title=(format!("{value:.3}, 95 %: {low:.3} to {high:.3}")) {
                i style=(format!("width:{:.1}%", 100.0 * value)) {}
                s style=(interval) {}
            }
        }
    };
    html! {
        section {
            h2 { "Which classes are hard?" }
            p {
                "Average precision of the queries of each class with 95 % intervals, the hardest first: "
                span.key.there { "image → text" } " " span.key.back { "text → image" }
            }
            table.classes {
                tr { th { "class" } th { "images" } th {} th { "i → t" } th { "t → i" } }
                @for class in order {
                    tr {
                        th { (class.label) }
                        td.count { (class.images) }
                        td.bars {
                            (bar(class.image_to_text, class.interval_image_to_text, "there"))
                            (bar(class.text_to_image, class.interval_text_to_image, "back"))
                        }
                        td { (format!("{:.3}", class.image_to_text)) }
                        td { (format!("{:.3}", class.text_to_image)) }
                    }
                }
            }
        }
    }
}

pub(super) fn confusion(diagnostics: &Diagnostics) -> Markup {
    let Diagnostics { classes, confusion, .. } = diagnostics;
    let mut mistakes: Vec<(usize, usize, usize)> = Vec::new();
    for (truth, row) in confusion.iter().enumerate() {
        mistakes.extend(
            (0..).zip(row).filter(|(predicted, count)| *predicted != truth && **count > 0).map(|(p, c)| (*c, truth, p)),
        );
    }
    mistakes.sort_by(|a, b| b.0.cmp(&a.0).then(a.cmp(b)));
    html! {
        section {
            h2 { "Which classes are mistaken for which?" }
            p { "Classes that the label layer predicts (columns) for images of each class (rows)." }
            div.sides {
                @if classes.len() <= MAX_MATRIX { (matrix(classes, confusion)) }
                div {
                    h3 { "Most frequent" }
                    @if mistakes.is_empty() { p { "No image is misclassified." } } @else {
                        ol {
                            @for &(count, truth, predicted) in mistakes.iter().take(LISTED_CONFUSIONS) {
                                li { (count) " × " b { (classes[truth]) } " as " (classes[predicted]) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn matrix(classes: &[String], counts: &[Vec<usize>]) -> Markup {
    let cell = |truth: usize, predicted: usize, count: usize, all: usize| {
        let kind = if predicted == truth { "right" } else { "wrong" };
        let shade = format!("--shade:{:.2}", count as f64 / all as f64);
        let title = format!("{} predicted as {}: {count} of {all}", classes[truth], classes[predicted]);
        html! { td.(kind) style=(shade) title=(title) { @if count > 0 { (count) } } }
    };
    html! {
        div.scroll {
            table.matrix {
                tr { th {} @for class in classes { th { span { (class) } } } }
                @for (truth, row) in counts.iter().enumerate() {
                    @let all = row.iter().sum::<usize>().max(1);
                    tr {
                        th { (classes[truth]) }
                        @for (predicted, &count) in row.iter().enumerate() { (cell(truth, predicted, count, all)) }
                    }
                }
            }
        }
    }
}
