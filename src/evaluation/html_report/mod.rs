//! The report that people look at: one HTML file that needs nothing else.

mod plots;

use std::fmt::{self, Write};

use super::{ClassPrecision, Examination, Found, Place, Recall, Report};

/// Items that are shown of each list of what may be wrong.
pub const LISTED: usize = 60;

/// Classes of a confusion matrix that is still readable.
const READABLE: usize = 40;

/// What the page is about.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// The model's name.
    pub model: &'a str,
    /// Name and value of what a reader should know of it.
    pub facts: &'a [(&'a str, String)],
    /// What was found.
    pub examination: &'a Examination,
}

/// How a picture or a caption is shown.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// The item's id.
    pub id: String,
    /// The caption, or the picture's first.
    pub text: String,
    /// The item's classes.
    pub labels: String,
    /// The item's picture as a `data:` address.
    pub picture: Option<String>,
}

/// Writes the page. `shown` says how a picture or caption looks.
///
/// # Errors
/// If a plot cannot be drawn.
pub fn page(page: &Page<'_>, shown: &dyn Fn(Place) -> Shown) -> Result<String, String> {
    let Page { model, facts, examination } = page;
    let Examination { report, split, .. } = examination;
    let mut html = String::new();
    let title = format!("diptych: model {}", escaped(model));
    let style = include_str!("style.css");
    write!(
        html,
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{style}</style>\n<header><h1>Model {}</h1><dl>",
        escaped(model)
    )
    .map_err(failed)?;
    for (name, value) in *facts {
        write!(html, "<div><dt>{}</dt><dd>{}</dd></div>", escaped(name), escaped(value)).map_err(failed)?;
    }
    html += "</dl></header><main>";
    html += &numbers(report, split);
    html += &per_class(&report.per_class);
    html += &confusion(examination);
    html += "<section><h2>Is the order good, and does relevance mean what it says?</h2><p>Left: precision among the results up \
             to the point where a part of all relevant ones is found, mean over all queries. Right: of results to which a \
             probability was promised, the part that shares a class with the query; on the diagonal all promises are \
             kept.</p><div class=\"plots\">";
    html += &plots::precision_recall(examination)?;
    html += &plots::reliability(examination)?;
    html += "</div></section><section><h2>How was it learned?</h2><p>Loss on the training split and scores of each part of \
             the space alone on the validation split, by epoch. The epoch with the best score was kept.</p>\
             <div class=\"plots\">";
    for curve in &examination.training {
        html += &plots::training(curve)?;
    }
    html += "</div></section>";
    html += &plots::map(examination, shown);
    html += &worst(examination, shown);
    html += &suspects(examination, shown);
    html += &mismatches(examination, shown);
    html += "</main></html>\n";
    Ok(html)
}

fn failed(error: fmt::Error) -> String {
    error.to_string()
}

/// Text that cannot be taken for markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

fn numbers(report: &Report, split: &str) -> String {
    let Report { pictures, captions, classes, .. } = report;
    let row = |name: &str, map: f64, [low, high]: [f64; 2], chance: f64, recall: Recall, accuracy: f64, error: f64| {
        let Recall { at_1, at_5, at_10 } = recall;
        let [at_1, at_5, at_10] = [at_1, at_5, at_10].map(|r| 100.0 * r);
        format!(
            "<tr><th>{name}</th><td><b>{map:.3}</b> <small>{low:.3} – {high:.3}</small></td><td>{chance:.3}</td>\
             <td>{at_1:.1}</td><td>{at_5:.1}</td><td>{at_10:.1}</td><td>{accuracy:.3}</td><td>{error:.3}</td></tr>"
        )
    };
    let there = row(
        "picture → text",
        report.map_image_to_text,
        report.interval_image_to_text,
        report.chance_image_to_text,
        report.recall_image_to_text,
        report.label_accuracy_image,
        report.calibration_error_image_to_text,
    );
    let back = row(
        "text → picture",
        report.map_text_to_image,
        report.interval_text_to_image,
        report.chance_text_to_image,
        report.recall_text_to_image,
        report.label_accuracy_text,
        report.calibration_error_text_to_image,
    );
    format!(
        "<section><h2>How good is it?</h2><p>{pictures} pictures and {captions} captions of the {split} split, {classes} \
         classes. A result is relevant if it shares a class with the query (mAP); R@K counts queries that find their own \
         counterpart among the first K.</p><table class=\"numbers\"><tr><th></th><th>mAP <small>95 %</small></th>\
         <th>by chance</th><th>R@1</th><th>R@5</th><th>R@10</th><th>label accuracy</th><th>calibration error</th></tr>\
         {there}{back}</table><p>Mean mAP <b>{:.3}</b>, mR <b>{:.2}</b>.</p></section>",
        report.map(),
        report.mean_recall()
    )
}

/// Bars with whiskers, worst class first.
fn per_class(classes: &[ClassPrecision]) -> String {
    let mut order: Vec<&ClassPrecision> = classes.iter().filter(|class| class.pictures > 0).collect();
    order.sort_by(|a, b| (a.image_to_text + a.text_to_image).total_cmp(&(b.image_to_text + b.text_to_image)));
    let bar = |value: f64, [low, high]: [f64; 2], side: &str| {
        format!(
            "<div class=\"bar {side}\" title=\"{value:.3}, 95 %: {low:.3} to {high:.3}\"><i style=\"width:{:.1}%\"></i>\
             <s style=\"left:{:.1}%;width:{:.1}%\"></s></div>",
            100.0 * value,
            100.0 * low,
            100.0 * (high - low)
        )
    };
    let row = |class: &ClassPrecision| {
        let there = bar(class.image_to_text, class.interval_image_to_text, "there");
        let back = bar(class.text_to_image, class.interval_text_to_image, "back");
        format!(
            "<tr><th>{}</th><td class=\"count\">{}</td><td class=\"bars\">{there}{back}</td><td>{:.3}</td><td>{:.3}</td></tr>",
            escaped(&class.label),
            class.pictures,
            class.image_to_text,
            class.text_to_image
        )
    };
    let rows: String = order.into_iter().map(row).collect();
    format!(
        "<section><h2>Which classes are hard?</h2><p>Average precision of each class's queries, the hardest first, with its \
         95 % interval: <span class=\"key there\">picture → text</span> <span class=\"key back\">text → picture</span></p>\
         <table class=\"classes\"><tr><th>class</th><th>pictures</th><th></th><th>p → t</th><th>t → p</th></tr>{rows}\
         </table></section>"
    )
}

fn confusion(examination: &Examination) -> String {
    let Examination { classes, confusion, .. } = examination;
    let mut mistaken: Vec<(usize, usize, usize)> = Vec::new();
    for (truth, row) in confusion.iter().enumerate() {
        mistaken.extend(
            (0..).zip(row).filter(|(named, count)| *named != truth && **count > 0).map(|(n, c)| (*c, truth, n)),
        );
    }
    mistaken.sort_by(|a, b| b.0.cmp(&a.0).then(a.cmp(b)));
    let most: String = mistaken
        .iter()
        .take(8)
        .map(|&(count, truth, named)| {
            format!("<li>{count} × <b>{}</b> as {}</li>", escaped(&classes[truth]), escaped(&classes[named]))
        })
        .collect();
    let most = if most.is_empty() { "<p>Not one picture.</p>".to_owned() } else { format!("<ol>{most}</ol>") };
    let matrix = if classes.len() > READABLE { String::new() } else { matrix(classes, confusion) };
    format!(
        "<section><h2>Which classes are mistaken for which?</h2><p>What the label layer names for pictures (columns) of each \
         class (rows).</p><div class=\"sides\">{matrix}<div><h3>Most often</h3>{most}</div></div></section>"
    )
}

fn matrix(classes: &[String], counts: &[Vec<usize>]) -> String {
    let head: String = classes.iter().map(|class| format!("<th><span>{}</span></th>", escaped(class))).collect();
    let row = |(truth, row): (usize, &Vec<usize>)| {
        let all = row.iter().sum::<usize>().max(1);
        let cell = |(named, &count): (usize, &usize)| {
            let kind = if named == truth { "right" } else { "wrong" };
            let shade = count as f64 / all as f64;
            let text = if count == 0 { String::new() } else { count.to_string() };
            let title = format!("{} named {}: {count} of {all}", escaped(&classes[truth]), escaped(&classes[named]));
            format!("<td class=\"{kind}\" style=\"--shade:{shade:.2}\" title=\"{title}\">{text}</td>")
        };
        let cells: String = row.iter().enumerate().map(cell).collect();
        format!("<tr><th>{}</th>{cells}</tr>", escaped(&classes[truth]))
    };
    let rows: String = counts.iter().enumerate().map(row).collect();
    format!("<div class=\"scroll\"><table class=\"matrix\"><tr><th></th>{head}</tr>{rows}</table></div>")
}

/// A picture with what is known of it.
fn picture(shown: &Shown, below: &str) -> String {
    let image = match &shown.picture {
        Some(address) => format!("<img src=\"{}\" alt=\"\" loading=\"lazy\">", escaped(address)),
        None => "<div class=\"blank\"></div>".to_owned(),
    };
    format!("<figure title=\"{}\">{image}<figcaption>{below}</figcaption></figure>", escaped(&shown.id))
}

fn worst(examination: &Examination, shown: &dyn Fn(Place) -> Shown) -> String {
    let result = |found: &Found| {
        let seen = shown(found.place);
        let kind = if found.relevant { "relevant" } else { "other" };
        let labels = escaped(&seen.labels);
        let inner = match found.place {
            Place::Picture(_) => picture(&seen, &labels),
            Place::Caption(_) => {
                format!("<p title=\"{}\">{}<br><small>{labels}</small></p>", escaped(&seen.id), escaped(&seen.text))
            }
        };
        format!("<li class=\"{kind}\" data-cosine=\"{:.3}\">{inner}</li>", found.cosine)
    };
    let query = |worst: &super::WorstQuery| {
        let seen = shown(worst.query);
        let labels = escaped(&seen.labels);
        let asked = match worst.query {
            Place::Picture(_) => picture(&seen, &labels),
            Place::Caption(_) => format!("<blockquote>{}<br><small>{labels}</small></blockquote>", escaped(&seen.text)),
        };
        let results: String = worst.found.iter().map(result).collect();
        format!(
            "<div class=\"query\"><div>{asked}<small>AP {:.3}</small></div><ol>{results}</ol></div>",
            worst.average_precision
        )
    };
    let queries: String = examination.worst.iter().map(query).collect();
    format!(
        "<section><h2>Which queries went wrong?</h2><p>Those with the lowest average precision, and what they found first; \
         <span class=\"key relevant\">of the query's class</span> <span class=\"key other\">of another</span></p>{queries}\
         </section>"
    )
}

fn suspects(examination: &Examination, shown: &dyn Fn(Place) -> Shown) -> String {
    let one = |suspect: &super::Suspect| {
        let seen = shown(Place::Picture(suspect.item));
        let suggested = escaped(&examination.classes[suspect.suggested as usize]);
        picture(
            &seen,
            &format!("<b>{}</b> → {suggested}?<br><small>{}</small>", escaped(&seen.labels), escaped(&seen.text)),
        )
    };
    let list: String = examination.suspects.iter().take(LISTED).map(one).collect();
    let list = if list.is_empty() { "<p>None.</p>".to_owned() } else { format!("<div class=\"grid\">{list}</div>") };
    format!(
        "<section><h2>Which labels may be wrong?</h2><p>Items whose nearest neighbours, by what they show and by what their \
         captions say, bear another label: the surest first, over all splits. Have a look at the first ones; further down \
         more and more are right as they are.</p>{list}</section>"
    )
}

fn mismatches(examination: &Examination, shown: &dyn Fn(Place) -> Shown) -> String {
    let one = |mismatch: &super::Mismatch| {
        let mut seen = shown(Place::Picture(mismatch.item));
        seen.text = shown(Place::Caption(mismatch.caption)).text;
        let below = format!(
            "{}<br><small>{}, ‖u − v‖ {:.2}</small>",
            escaped(&seen.text),
            escaped(&seen.labels),
            mismatch.distance
        );
        picture(&seen, &below)
    };
    let list: String = examination.mismatches.iter().take(LISTED).map(one).collect();
    format!(
        "<section><h2>Which captions may belong elsewhere?</h2><p>Pictures and captions of one item that lie farthest apart, \
         over all splits, one caption of an item.</p><div class=\"grid\">{list}</div></section>"
    )
}

#[cfg(test)]
mod tests {
    use super::{
        super::{MapPoint, Mismatch, Suspect, TrainingCurve, WorstQuery, reliability},
        *,
    };

    fn examination() -> Examination {
        let recall = Recall { at_1: 0.1, at_5: 0.5, at_10: 0.75 };
        let class = |label: &str| ClassPrecision {
            label: label.into(),
            pictures: 2,
            image_to_text: 0.5,
            text_to_image: 0.625,
            interval_image_to_text: [0.25, 0.75],
            interval_text_to_image: [0.5, 0.875],
        };
        let point = |place, x: f32| MapPoint { place, class: 0, at: [x, -x] };
        Examination {
            split: "test",
            report: Report {
                pictures: 2,
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
            precision_at_recall: [[0.5; super::super::RECALL_LEVELS]; 2],
            reliability: vec![("text", reliability([(0.9, true), (0.2, false), (0.25, true)].into_iter()))],
            training: vec![TrainingCurve {
                part: "class".into(),
                best_epoch: 2,
                losses: vec![("J", vec![2.0, 1.0]), ("J3", vec![0.0, f64::NAN])],
                validation: vec![("mAP", vec![0.5, 0.6])],
            }],
            map: vec![point(Place::Picture(0), 0.5), point(Place::Caption(1), -1.0)],
            worst: vec![WorstQuery {
                query: Place::Caption(1),
                average_precision: 0.125,
                found: vec![Found { place: Place::Picture(0), cosine: 0.75, relevant: false }],
            }],
            suspects: vec![Suspect { item: 0, suggested: 1, lead: 0.5 }],
            mismatches: vec![Mismatch { item: 0, caption: 1, distance: 1.25 }],
        }
    }

    #[test]
    fn everything_is_there_and_nothing_is_taken_for_markup() {
        let shown = |place| Shown {
            id: format!("{place:?}"),
            text: "<img src=x onerror=alert(1)>".into(),
            labels: "barns & \"more\"".into(),
            picture: Some("data:image/jpeg;base64,AAAA".into()),
        };
        let facts = [("trained", "<today>".to_owned())];
        let html = page(&Page { model: "m-1", facts: &facts, examination: &examination() }, &shown).expect("a page");
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
        // One file that needs nothing else: no address but of namespaces, no script.
        let without = html.replace("http://www.w3.org/2000/svg", "");
        assert!(!without.contains("http://") && !without.contains("https://") && !without.contains("<script"));
    }
}
