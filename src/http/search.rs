//! Searches by words, by a picture, by an item, by several of them, and what else is made of words and pictures.

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{
        FromRequest, Path, Request, State,
        rejection::{JsonRejection, PathRejection},
    },
    http::header,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{
    App,
    error::{Code, Outcome, Problem},
    options::{AddressParameters, Options, Wishes, as_json, few_values, read},
    request::RequestId,
    view::AnswerView,
};
use crate::search::{Answer, SearchError, Target, Term, json_kind as kind};

/// A body that is a JSON object.
type Body = Result<Json<Map<String, Value>>, JsonRejection>;

/// `POST /v1/search/text`: words in, pictures (or captions) out.
pub(super) async fn text(
    State(app): State<App>,
    Extension(RequestId(id)): Extension<RequestId>,
    body: Body,
) -> Outcome<Json<AnswerView>> {
    let Json(mut body) = body?;
    let words = body.remove("query");
    let wishes = Options::of(body)?.wishes(Target::Image, false)?;
    answer(&app, asked("query", words, &wishes)?, wishes, id).await
}

/// `GET /v1/search?q=`: as [`text`], for a link. Keywords count as well, unless `hybrid=false`.
pub(super) async fn by_address(
    State(app): State<App>,
    Extension(RequestId(id)): Extension<RequestId>,
    parameters: AddressParameters,
) -> Outcome<Json<AnswerView>> {
    let axum::extract::Query(parameters) = parameters?;
    let mut parameters = as_json(parameters);
    let words = parameters.remove("q");
    let wishes = Options::of(parameters)?.wishes(Target::Image, true)?;
    answer(&app, asked("q", words, &wishes)?, wishes, id).await
}

/// `POST /v1/search/image`: a picture in, captions (or pictures) out.
pub(super) async fn image(
    State(app): State<App>,
    Extension(RequestId(id)): Extension<RequestId>,
    parameters: AddressParameters,
    request: Request,
) -> Outcome<Json<AnswerView>> {
    let axum::extract::Query(parameters) = parameters?;
    let (picture, fields) = picture(&app, request, as_json(parameters)).await?;
    let wishes = Options::of(fields)?.wishes(Target::Text, false)?;
    answer(&app, vec![(Term::Picture(picture), 1.0)], wishes, id).await
}

/// `POST /v1/search`: several terms at once, each with its weight.
pub(super) async fn composed(
    State(app): State<App>,
    Extension(RequestId(id)): Extension<RequestId>,
    request: Request,
) -> Outcome<Json<AnswerView>> {
    let mut body = object(&app, request).await?;
    let terms = match body.remove("terms") {
        Some(Value::Array(terms)) => terms,
        Some(other) => return Err(malformed(&format!("the field \"terms\" is {}; a list is expected", kind(&other)))),
        None if body.contains_key("cursor") => Vec::new(),
        None => return Err(malformed("the field \"terms\" is missing")),
    };
    let wishes = Options::of(body)?.wishes(Target::Image, false)?;
    let terms = terms.into_iter().enumerate().map(|(at, term)| weighed(at, term)).collect::<Outcome<_>>()?;
    answer(&app, terms, wishes, id).await
}

/// `GET /v1/items/{id}/similar`: what lies near an item.
pub(super) async fn similar(
    State(app): State<App>,
    Extension(RequestId(id)): Extension<RequestId>,
    item: Result<Path<String>, PathRejection>,
    parameters: AddressParameters,
) -> Outcome<Json<AnswerView>> {
    let Path(item) = item?;
    let wishes = Options::of_parameters(parameters)?.wishes(Target::Image, false)?;
    answer(&app, vec![(Term::Item(item), 1.0)], wishes, id).await
}

/// `POST /v1/classify`: words or a picture in, classes with their probabilities out.
pub(super) async fn classify(State(app): State<App>, request: Request) -> Outcome<Json<Value>> {
    let term = if media_type(&request) == "application/json" {
        one_term(Value::Object(object(&app, request).await?), "")?
    } else {
        let (picture, fields) = picture(&app, request, Map::new()).await?;
        if let Some(name) = fields.keys().next() {
            return Err(malformed(&format!("the field {name:?} is unknown")));
        }
        Term::Picture(picture)
    };
    let (model, labels) = app.engine.classify(term).await?;
    Ok(Json(json!({ "model": model, "labels": labels })))
}

/// `POST /v1/embed`: words, pictures and items in, unit vectors of the common space out.
pub(super) async fn embed(State(app): State<App>, request: Request) -> Outcome<Json<Value>> {
    let mut body = object(&app, request).await?;
    let inputs = match body.remove("inputs") {
        Some(Value::Array(inputs)) if body.is_empty() => inputs,
        _ => {
            return Err(malformed(
                "the body is {\"inputs\": [{\"text\": …} or {\"image_base64\": …} or {\"item\": …}]}",
            ));
        }
    };
    let terms = inputs.into_iter().enumerate().map(|(at, input)| one_term(input, &format!("/inputs/{at}")));
    let (model, points) = app.engine.embed(terms.collect::<Outcome<_>>()?).await?;
    let dims = points.first().map(|point| point.dims());
    let vectors: Vec<&[f32]> = points.iter().map(|point| point.as_slice()).collect();
    Ok(Json(json!({ "model": model, "dims": dims, "vectors": vectors })))
}

/// `GET /v1/facets?filter=`: how many items that a filter lets through bear each class.
pub(super) async fn facets(State(app): State<App>, parameters: AddressParameters) -> Outcome<Json<Value>> {
    let Wishes { query, .. } = Options::of_parameters(parameters)?.wishes(Target::Image, false)?;
    let facets = app.engine.facets(&query.filter).await?;
    let labels: Map<String, Value> = facets.into_iter().map(|l| (l.label, l.count.into())).collect();
    Ok(Json(json!({ "facets": { "label": labels } })))
}

async fn answer(app: &App, terms: Vec<(Term, f32)>, wishes: Wishes, id: String) -> Outcome<Json<AnswerView>> {
    let engine = Arc::clone(&app.engine);
    let Wishes { query, cursor, timeout, explain } = wishes;
    let work = async move {
        match cursor {
            // The ranking is there already; what the query says beside its cursor was said when it was made.
            Some(cursor) => engine.next_page(&cursor, query.limit).await,
            None => engine.search(terms, query).await,
        }
    };
    let found: Result<Answer, SearchError> = match timeout {
        Some(most) => tokio::time::timeout(most, work).await.map_err(|_| {
            Problem::new(
                Code::Timeout,
                format!("the query was not answered within its timeout_ms of {}", most.as_millis()),
            )
        })?,
        None => work.await,
    };
    Ok(Json(AnswerView::new(found?, id, explain)))
}

/// The picture of a request, and what else it says: a form with `image` and `params`, JSON with `image_base64`, or the bytes.
async fn picture(
    app: &App,
    request: Request,
    mut fields: Map<String, Value>,
) -> Outcome<(Vec<u8>, Map<String, Value>)> {
    let media_type = media_type(&request);
    if media_type == "multipart/form-data" {
        let [picture, params] = app.form(request, ["image", "params"]).await?;
        if let Some(params) = params {
            few_values(&params)?;
            let params: Map<String, Value> =
                serde_json::from_slice(&params).map_err(|e| malformed(&format!("field \"params\": {e}")))?;
            fields.extend(params);
        }
        let picture = picture.ok_or_else(|| malformed("the form has no field \"image\""))?;
        return Ok((picture.to_vec(), fields));
    }
    if media_type == "application/json" {
        let mut body = object(app, request).await?;
        let picture = body.remove("image_base64").ok_or_else(|| malformed("the field \"image_base64\" is missing"))?;
        fields.extend(body);
        return Ok((decoded(picture, "/image_base64")?, fields));
    }
    if media_type.starts_with("image/") || media_type == "application/octet-stream" {
        let body = Bytes::from_request(request, &()).await.map_err(|e| app.body_problem(&e.body_text(), e.status()))?;
        return Ok((body.to_vec(), fields));
    }
    let found = if media_type.is_empty() { "none".to_owned() } else { format!("{media_type:?}") };
    let detail = format!(
        "the Content-Type is {found}; accepted are multipart/form-data with a field \"image\", application/json with \
         \"image_base64\", and image/* or application/octet-stream with the picture's bytes"
    );
    Err(Problem::new(Code::UnsupportedMediaType, detail))
}

/// A body that is a JSON object and may hold pictures.
async fn object(app: &App, request: Request) -> Outcome<Map<String, Value>> {
    let media_type = media_type(&request);
    if media_type != "application/json" {
        return Err(Problem::new(Code::UnsupportedMediaType, "this route reads Content-Type: application/json"));
    }
    let body = Bytes::from_request(request, &()).await.map_err(|e| app.body_problem(&e.body_text(), e.status()))?;
    few_values(&body)?;
    serde_json::from_slice(&body).map_err(|e| malformed(&e.to_string()))
}

/// The media type of a request's body, without parameters, in lower case.
pub(super) fn media_type(request: &Request) -> String {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The words of a query, which a cursor makes needless.
fn asked(name: &str, words: Option<Value>, wishes: &Wishes) -> Outcome<Vec<(Term, f32)>> {
    match words {
        Some(words) => Ok(vec![(Term::Text(as_text(name, words)?), 1.0)]),
        None if wishes.cursor.is_some() => Ok(Vec::new()),
        None => Err(malformed(&format!("{name:?} is missing: the words to search with"))),
    }
}

/// A term with its weight, 1 unless it says otherwise.
fn weighed(at: usize, value: Value) -> Outcome<(Term, f32)> {
    let at = format!("/terms/{at}");
    let Value::Object(mut fields) = value else {
        return Err(malformed(&format!("{at} is {}; an object is expected", kind(&value))).at(&at));
    };
    let weight = fields.remove("weight").map(read).transpose()?.unwrap_or(1.0);
    Ok((one_term(Value::Object(fields), &at)?, weight))
}

/// `{"text": …}`, `{"image_base64": …}` or `{"item": …}`
fn one_term(value: Value, at: &str) -> Outcome<Term> {
    let expected = || {
        let place = if at.is_empty() { "the body" } else { at };
        malformed(&format!("{place} is none of {{\"text\": …}}, {{\"image_base64\": …}} and {{\"item\": …}}")).at(at)
    };
    let Value::Object(fields) = value else { return Err(expected()) };
    let mut fields = fields.into_iter();
    match (fields.next(), fields.next()) {
        (Some((name, value)), None) => match name.as_str() {
            "text" => Ok(Term::Text(as_text("text", value)?)),
            "item" => Ok(Term::Item(as_text("item", value)?)),
            "image_base64" => Ok(Term::Picture(decoded(value, &format!("{at}/image_base64"))?)),
            _ => Err(expected()),
        },
        _ => Err(expected()),
    }
}

/// The bytes of a picture in base64, which lies at a place of the request.
pub(super) fn decoded(value: Value, at: &str) -> Outcome<Vec<u8>> {
    let text = as_text("image_base64", value)?;
    STANDARD.decode(text.trim()).map_err(|e| Problem::new(Code::BadBase64, format!("{at} is no base64: {e}")).at(at))
}

fn as_text(name: &str, value: Value) -> Outcome<String> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(malformed(&format!("the field {name:?} is {}; a text is expected", kind(&other)))),
    }
}

fn malformed(detail: &str) -> Problem {
    Problem::new(Code::MalformedRequest, detail)
}
