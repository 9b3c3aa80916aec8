//! The answer to words on the search page for browsers without scripts: a list in HTML, in the place of the page's `noscript`.
//!
//! With scripts the page asks for itself, so the list is made only where the address says `plain`: a form without scripts sends that
//! along, and a link without it offers to.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use crate::server::{error::Problem, extract::search_params::AddressParameters, responses::item_path, state::App};
use crate::{
    collection::THUMBNAIL_SIDE,
    engine::{Answer, EngineError, Hit, Query, Target},
};

/// Results of the list; it has no second page.
const RESULTS: usize = 60;

/// How long the list may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The field of the page that the words stand in, and what the list takes the place of.
const FIELD: &str = "<input id=\"query\"";
const NOSCRIPT: (&str, &str) = ("<noscript id=\"plain\">", "</noscript>");

/// The words that an address asks for, if it does; and whether their answer is wanted as a list.
pub(crate) fn words(parameters: &AddressParameters) -> Option<(&str, bool)> {
    let parameters = parameters.as_ref().ok()?;
    let asked = parameters.iter().find(|(name, words)| name == "q" && !words.trim().is_empty());
    asked.map(|(_, words)| (words.trim(), parameters.iter().any(|(name, _)| name == "plain")))
}

/// The page with a way to the list for those who have no scripts.
pub(crate) fn offered(page: &str, words: &str) -> String {
    let words = Escaped(words);
    let form = format!(
        "<form class=\"notice\" action=\"/\"><input type=\"hidden\" name=\"q\" value=\"{words}\"><input type=\"hidden\" \
         name=\"plain\" value=\"1\"><button type=\"submit\">Show pictures for “{words}”</button></form>"
    );
    with(page, &form)
}

/// The page with the words in its field and their answer, or why there is none.
pub(crate) async fn answered(app: &App, page: &str, words: &str) -> String {
    let list = match answer(app, words).await {
        Ok(Some(answer)) => listed(&answer, words),
        Ok(None) => notice("This needs a key", "With JavaScript this page asks for it and sends it along."),
        Err(error) => {
            let problem = Problem::from(error);
            notice("There is no answer", problem.detail())
        }
    };
    with(page, &list).replacen(FIELD, &format!("{FIELD} value=\"{}\"", Escaped(words)), 1)
}

/// The page with something for those who have no scripts.
fn with(page: &str, plain: &str) -> String {
    let (before, rest) = page.split_once(NOSCRIPT.0).unwrap_or((page, ""));
    let after = rest.split_once(NOSCRIPT.1).map_or(rest, |(_, after)| after);
    format!("{before}{}{plain}{}{after}", NOSCRIPT.0, NOSCRIPT.1)
}

/// Nothing where a key is wanted, for a link has none.
async fn answer(app: &App, words: &str) -> Result<Option<Answer>, EngineError> {
    if app.engine.collection().catalog.keys_required().await? {
        return Ok(None);
    }
    // The page is for everyone at any time; a search takes a place wherever it comes from.
    let _place = app.places.request().ok_or(EngineError::Overloaded)?;
    let query = Query {
        keyword_weight: Query::KEYWORD_WEIGHT,
        deadline: Some(Instant::now() + PATIENCE),
        ..Query::text(words, Target::Image, RESULTS)
    };
    let search = app.engine.queries().search(query);
    tokio::time::timeout(PATIENCE, search).await.unwrap_or(Err(EngineError::TimedOut)).map(Some)
}

fn listed(answer: &Answer, words: &str) -> String {
    let mut html = String::new();
    let (shown, total) = (answer.results.len(), answer.total);
    let _ = write!(html, "<h2>Pictures for “{}”</h2>", Escaped(words));
    if answer.no_confident_match {
        html +=
            &notice("Nothing here looks like this", "No match is probably right; what follows is only the nearest.");
    }
    let _ = write!(html, "<p class=\"notice\">The best {shown} of {total}</p><ol class=\"plates\">");
    for found in &answer.results {
        plate(&mut html, found);
    }
    html + "</ol>"
}

fn plate(html: &mut String, found: &Hit) {
    let item = &found.item;
    let path = item_path(&item.id);
    let caption = item.captions.first().map_or("", |caption| caption.text.as_str());
    let name = if caption.is_empty() { &item.id } else { caption };
    let size = match (item.width, item.height) {
        (Some(width), Some(height)) => format!(" width=\"{width}\" height=\"{height}\""),
        _ => String::new(),
    };
    let _ = write!(
        html,
        "<li class=\"plate\"><a href=\"{path}/image\"><span class=\"mat\"><img class=\"there\" src=\"{path}/thumbnail?w={THUMBNAIL_SIDE}\" \
         alt=\"\" loading=\"lazy\"{size}></span><span class=\"plate-caption\" dir=\"auto\">{}</span></a><p class=\"meta\">\
         <span class=\"number\">{}</span><span class=\"tags\">",
        Escaped(name),
        found.rank,
    );
    for label in &item.labels {
        let _ = write!(html, "<span class=\"tag\" dir=\"auto\">{}</span>", Escaped(label));
    }
    let _ = write!(html, "</span><span class=\"score\">{:.0}\u{a0}%</span></p></li>", found.relevance * 100.0);
}

fn notice(title: &str, detail: &str) -> String {
    format!(
        "<section class=\"notice\"><h3 class=\"notice-title\">{}</h3><p class=\"notice-detail\">{}</p></section>",
        Escaped(title),
        Escaped(detail)
    )
}

/// Text as it may stand in an element or between the quotes of an attribute.
struct Escaped<'t>(&'t str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for char in self.0.chars() {
            match char {
                '&' => out.write_str("&amp;")?,
                '<' => out.write_str("&lt;")?,
                '>' => out.write_str("&gt;")?,
                '"' => out.write_str("&quot;")?,
                '\'' => out.write_str("&#39;")?,
                other => out.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_words_stays_words() {
        let hostile = "\"><img src=x onerror='alert(1)'>&";
        assert_eq!(Escaped(hostile).to_string(), "&quot;&gt;&lt;img src=x onerror=&#39;alert(1)&#39;&gt;&amp;");
        assert!(notice(hostile, hostile).matches('<').count() == 6);
    }
}
