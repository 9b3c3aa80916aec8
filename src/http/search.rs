//! `POST /v1/search/text` and `POST /v1/search/image`.

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{
        FromRequest, Query as Parameters, Request, State,
        rejection::{JsonRejection, QueryRejection},
    },
    http::header,
};
use serde::Deserialize;

use super::{
    App,
    error::{Code, Outcome, Problem},
    request::RequestId,
    view::AnswerView,
};
use crate::search::{Filter, Query, Target};

/// Results of an answer unless the query says otherwise.
const DEFAULT_LIMIT: usize = 20;

/// Parts of a query that words and pictures share.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    target: Option<TargetName>,
    limit: Option<usize>,
    min_relevance: Option<f32>,
    #[serde(default)]
    exact: bool,
    #[serde(default)]
    filter: FilterBody,
}

/// The body of a text query. Its fields are spelt out because an unknown one must be an error that lists them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TextBody {
    query: String,
    target: Option<TargetName>,
    limit: Option<usize>,
    min_relevance: Option<f32>,
    #[serde(default)]
    exact: bool,
    #[serde(default)]
    filter: FilterBody,
}

/// Which items may be in the answer: all conditions of `must` hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FilterBody {
    #[serde(default)]
    must: Vec<Condition>,
}

/// A condition on one field.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Condition {
    key: FilterKey,
    r#match: Match,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FilterKey {
    Label,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Match {
    any: Vec<String>,
}

impl FilterBody {
    fn filter(self) -> Filter {
        let labels = |Condition { key: FilterKey::Label, r#match }| r#match.any;
        Filter { any_of: self.must.into_iter().map(labels).collect() }
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TargetName {
    Image,
    Text,
}

impl Options {
    fn query(self, default: Target) -> Query {
        let target = match self.target {
            Some(TargetName::Image) => Target::Image,
            Some(TargetName::Text) => Target::Text,
            None => default,
        };
        Query {
            target,
            limit: self.limit.unwrap_or(DEFAULT_LIMIT),
            min_relevance: self.min_relevance,
            exact: self.exact,
            filter: self.filter.filter(),
        }
    }
}

/// Words in, pictures (or captions) out.
pub(super) async fn text(
    State(app): State<App>,
    Extension(RequestId(id)): Extension<RequestId>,
    body: Result<Json<TextBody>, JsonRejection>,
) -> Outcome<Json<AnswerView>> {
    let Json(TextBody { query: words, target, limit, min_relevance, exact, filter }) = body?;
    let query = Options { target, limit, min_relevance, exact, filter }.query(Target::Image);
    let answer = app.engine.search_text(&words, query).await?;
    Ok(Json(AnswerView::new(answer, id)))
}

/// A picture in, captions (or pictures) out.
pub(super) async fn image(
    State(app): State<App>,
    Extension(RequestId(id)): Extension<RequestId>,
    parameters: Result<Parameters<Options>, QueryRejection>,
    request: Request,
) -> Outcome<Json<AnswerView>> {
    let Parameters(options) = parameters?;
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (bytes, options) = if media_type == "multipart/form-data" {
        from_form(&app, request, options).await?
    } else if media_type.starts_with("image/") || media_type == "application/octet-stream" {
        let body = Bytes::from_request(request, &()).await.map_err(|e| app.body_problem(&e.body_text(), e.status()))?;
        (body.to_vec(), options)
    } else {
        let found = if content_type.is_empty() { "none".to_owned() } else { format!("{content_type:?}") };
        let detail = format!(
            "the Content-Type is {found}; accepted are multipart/form-data with a field \"image\", image/* and \
             application/octet-stream with the picture's bytes"
        );
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    };
    let answer = app.engine.search_image(bytes, options.query(Target::Text)).await?;
    Ok(Json(AnswerView::new(answer, id)))
}

/// The field `image`, and `params` (JSON) instead of the parameters in the address.
async fn from_form(app: &App, request: Request, mut options: Options) -> Outcome<(Vec<u8>, Options)> {
    let malformed = |detail: String| Problem::new(Code::MalformedRequest, detail);
    let [picture, params] = app.form(request, ["image", "params"]).await?;
    if let Some(params) = params {
        options = serde_json::from_slice(&params).map_err(|e| malformed(format!("field \"params\": {e}")))?;
    }
    let picture = picture.ok_or_else(|| malformed("the form has no field \"image\"".into()))?;
    Ok((picture.to_vec(), options))
}
