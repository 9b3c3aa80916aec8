//! Search results in HTML for browsers without scripts, in place of the search page's `noscript`.
//!
//! With scripts the page itself sends the search, so the results are rendered only if the address has the parameter
//! `plain`. The form in `noscript` sends it, and a link without it gets that form.

use std::time::{Duration, Instant};

use maud::{Markup, html};

use super::{error::Problem, responses::item::item_path, state::App};
use crate::{
    collection::THUMBNAIL_SIDE,
    engine::{Answer, EngineError, Hit, Query, Target},
};

/// Number of results; there is no second page.
const RESULTS: usize = 60;

/// How long the search may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The page's field for the text, and the element that the results replace.
const FIELD: &str = "<input id=\"query\"";
const NOSCRIPT: (&str, &str) = ("<noscript id=\"plain\">", "</noscript>");

/// The text that an address searches for, and whether the results are wanted in HTML.
pub(crate) fn query(parameters: &[(String, String)]) -> Option<(&str, bool)> {
    let (_, text) = parameters.iter().find(|(name, text)| name == "q" && !text.trim().is_empty())?;
    Some((text.trim(), parameters.iter().any(|(name, _)| name == "plain")))
}

/// The page with a form that requests the results in HTML.
pub(crate) fn with_form(page: &str, text: &str) -> String {
    let form = html! {
        form.notice action="/" {
            input type="hidden" name="q" value=(text);
            input type="hidden" name="plain" value="1";
            button type="submit" { "Show images for “" (text) "”" }
        }
    };
    with_noscript(page, &form)
}

/// The page with the text in its field, and the results or the reason why there are none.
pub(crate) async fn with_results(app: &App, page: &str, text: &str) -> String {
    let content = match search(app, text).await {
        Ok(Some(answer)) => results(&answer, text),
        Ok(None) => notice("An API key is required", "With JavaScript this page asks for one."),
        Err(error) => notice("The search failed", Problem::from(error).detail()),
    };
    let value = html! { input value=(text); }.into_string();
    let value = value.trim_start_matches("<input").trim_end_matches('>');
    with_noscript(page, &content).replacen(FIELD, &format!("{FIELD}{value}"), 1)
}

/// The page with this content in `noscript`.
fn with_noscript(page: &str, content: &Markup) -> String {
    let (before, rest) = page.split_once(NOSCRIPT.0).unwrap_or((page, ""));
    let after = rest.split_once(NOSCRIPT.1).map_or(rest, |(_, after)| after);
    format!("{before}{}{}{}{after}", NOSCRIPT.0, content.0, NOSCRIPT.1)
}

/// `None` if keys are required, for a link has none.
async fn search(app: &App, text: &str) -> Result<Option<Answer>, EngineError> {
    if app.engine.collection().catalog.keys_required().await? {
        return Ok(None);
    }
    // The page is exempt from admission control, but the search is not.
    let _permit = app.admission.request().ok_or(EngineError::Overloaded)?;
    let query = Query {
        keyword_weight: Query::KEYWORD_WEIGHT,
        deadline: Some(Instant::now() + TIMEOUT),
        ..Query::text(text, Target::Image, RESULTS)
    };
    let search = app.engine.queries().search(query);
    tokio::time::timeout(TIMEOUT, search).await.unwrap_or(Err(EngineError::TimedOut)).map(Some)
}

fn results(answer: &Answer, text: &str) -> Markup {
    html! {
        h2 { "Images for “" (text) "”" }
        @if answer.no_confident_match {
            (notice("No confident match", "Probably none of these images is relevant; they are only the nearest."))
        }
        p.notice { "The best " (answer.results.len()) " of " (answer.total) }
        ol.plates {
            @for hit in &answer.results { (result(hit)) }
        }
    }
}

fn result(hit: &Hit) -> Markup {
    let item = &hit.item;
    let path = item_path(&item.id);
    let caption = item.captions.first().map(|caption| caption.text.as_str()).filter(|caption| !caption.is_empty());
    let relevance = format!("{:.0}\u{a0}%", hit.relevance * 100.0);
    html! {
        li.plate {
            a href={ (path) "/image" } {
                span.mat {
                    img.there src={ (path) "/thumbnail?w=" (THUMBNAIL_SIDE) } alt="" loading="lazy"
                        width=[item.width] height=[item.height];
                }
                span.plate-caption dir="auto" { (caption.unwrap_or(&item.id)) }
            }
            p.meta {
                span.number { (hit.rank) }
                span.tags {
                    @for label in &item.labels { span.tag dir="auto" { (label) } }
                }
                span.score { (relevance) }
            }
        }
    }
}

fn notice(title: &str, detail: &str) -> Markup {
    html! {
        section.notice {
            h3.notice-title { (title) }
            p.notice-detail { (detail) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_texts_is_escaped() {
        let hostile = "\"><img src=x onerror='alert(1)'>&";
        let page = format!("{FIELD}>{}{}", NOSCRIPT.0, NOSCRIPT.1);
        let rendered = with_form(&page, hostile);
        assert!(
            !rendered.contains("<img") && rendered.contains("&lt;img") && rendered.contains("&quot;&gt;"),
            "{rendered}"
        );
        assert_eq!(notice(hostile, hostile).0.matches('<').count(), 6);
    }
}
