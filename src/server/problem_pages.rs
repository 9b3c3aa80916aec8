//! Pages that explain the error codes: `GET /problems/{code}`. The `type` of every problem names one.

use axum::response::Response;
use maud::{DOCTYPE, Markup, html};

use super::{ApiResult, Code, Problem, assets, error_code::ErrorInfo, extract::path::Path};

/// `GET /problems/{code}`
pub(crate) async fn problem(Path(code): Path<String>) -> ApiResult<Response> {
    let errors = Code::ALL.iter().map(|code| code.info());
    let error = errors.into_iter().find(|error| error.code == code);
    let error = error.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no error code {code:?}")))?;
    Ok(assets::document(page(&error).into_string()))
}

fn page(error: &ErrorInfo) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (error.title) " – diptych" }
                link rel="icon" href="/static/favicon.svg";
                link rel="stylesheet" href="/static/styles/base.css";
                link rel="stylesheet" href="/static/styles/docs.css";
            }
            body {
                main {
                    h1 { (error.title) }
                    p { code { (error.code) } ", status " (error.status.as_u16()) }
                    h2 { "What it means" }
                    p { (text(error.meaning)) }
                    h2 { "What to do" }
                    p { (text(error.remedy)) }
                    p { a href="/docs" { "API documentation" } }
                }
            }
        }
    }
}

/// Text with code between backticks.
fn text(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_page_with_its_meaning_and_remedy() {
        for code in Code::ALL {
            let error = code.info();
            let page = page(&error).into_string();
            assert!(page.contains(error.title) && page.contains(error.code), "{page}");
            assert_eq!(
                (error.meaning.matches('`').count() % 2, error.remedy.matches('`').count() % 2),
                (0, 0),
                "{page}"
            );
        }
    }
}
