//! Searches by words, by a picture, by an item, by several of them, and what else is made of words and pictures.

use std::{sync::Arc, time::Instant};

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
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::server::{
    error::{Code, Outcome, Problem},
    extract::bodies::{Binary, ComposedBody, EmbedBody, ImageBody, ImageForm, PictureForm, TextBody, WordsOrPicture},
    extract::filter,
    extract::search_params::{
        AddressParameters, FilterParameter, OptionParameters, Options, Wishes, as_json, few_values, read,
    },
    middleware::request_context::RequestId,
    responses::{AnswerView, FacetsView, LabelCounts},
    state::App,
};
use crate::{
    engine::{Answer, EngineError, PredictedLabel, Target, Term},
    util::json::kind,
};

/// A body that is a JSON object.
type Body = Result<Json<Map<String, Value>>, JsonRejection>;

/// The parameters of `GET /v1/facets`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FacetOptions {
    filter: Option<Value>,
}

/// Classes with their probabilities.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClassesView {
    model: String,
    /// Most probable first.
    labels: Vec<PredictedLabel>,
}

/// Unit vectors of the common space.
#[derive(Serialize, ToSchema)]
pub(crate) struct VectorsView {
    /// The model whose space it is; vectors of two models cannot be compared.
    model: String,
    /// Numbers of a vector; null if there are no vectors.
    dims: Option<usize>,
    /// In the order of the inputs.
    vectors: Vec<Vec<f32>>,
}

/// Counts of items.
#[derive(Serialize, ToSchema)]
pub(crate) struct FacetsAnswer {
    facets: FacetsView,
}

/// Search by words
///
/// Words find pictures, or captions. `GET /v1/search?q=` does the same for a link.
#[utoipa::path(post, path = "/v1/search/text", tag = "search", request_body = TextBody,
    responses((status = 200, description = "What was found, best first", body = AnswerView)))]
pub(crate) async fn text(
    State(app): State<App>,
    Extension(RequestId(id)): Extension<RequestId>,
    body: Body,
) -> Outcome<Json<AnswerView>> {
    let Json(mut body) = body?;
    let words = body.remove("query");
    let wishes = Options::of(body)?.wishes(&app, Target::Image, false)?;
    answer(&app, asked("query", words, &wishes)?, wishes, id).await
}

/// Search by words in an address
///
/// As `POST /v1/search/text`, for a link. Keywords count as well, unless `hybrid=false`.
#[utoipa::path(get, path = "/v1/search", tag = "search",
    params(("q" = Option<String>, Query, nullable = false, description = "The words. A cursor makes them needless."), OptionParameters),
    responses((status = 200, description = "What was found, best first", body = AnswerView)))]
pub(crate) async fn by_address(
    State(app): State<App>,
    Extension(RequestId(id)): Extension<RequestId>,
    parameters: AddressParameters,
) -> Outcome<Json<AnswerView>> {
    let mut parameters = as_json(parameters)?;
    let words = parameters.remove("q");
    let wishes = Options::of(parameters)?.wishes(&app, Target::Image, true)?;
    answer(&app, asked("q", words, &wishes)?, wishes, id).await
}

/// Search by a picture
///
/// A picture finds captions, or pictures like it. It comes as a form, as JSON in base64, or as it is, then with options in the
/// address.
#[utoipa::path(post, path = "/v1/search/image", tag = "search", params(OptionParameters),
    request_body(content(
        (ImageForm = "multipart/form-data"),
        (ImageBody = "application/json"),
        (Binary = "image/png"),
        (Binary = "image/jpeg"),
        (Binary = "application/octet-stream"),
    )),
    responses((status = 200, description = "What was found, best first", body = AnswerView)))]
pub(crate) async fn image(
    State(app): State<App>,
    Extension(RequestId(id)): Extension<RequestId>,
    parameters: AddressParameters,
    request: Request,
) -> Outcome<Json<AnswerView>> {
    let (picture, fields) = picture(&app, request, as_json(parameters)?).await?;
    let wishes = Options::of(fields)?.wishes(&app, Target::Text, false)?;
    answer(&app, vec![(Term::Picture(picture), 1.0)], wishes, id).await
}

/// Search by several terms
///
/// Words, pictures and items at once, each with its weight.
#[utoipa::path(post, path = "/v1/search", tag = "search", request_body = ComposedBody,
    responses((status = 200, description = "What was found, best first", body = AnswerView)))]
pub(crate) async fn composed(
    State(app): State<App>,
    Extension(RequestId(id)): Extension<RequestId>,
    request: Request,
) -> Outcome<Json<AnswerView>> {
    let mut body = object(&app, request).await?;
    let terms = match body.remove("terms") {
        Some(Value::Array(terms)) => terms,
        Some(other) => return Err(malformed(&format!("the field \"terms\" is {}; a list is expected", kind(&other)))),
        None if body.contains_key("cursor") => Vec::new(),
        None => return Err(missing("terms", "what to search with")),
    };
    let wishes = Options::of(body)?.wishes(&app, Target::Image, false)?;
    let terms = terms.into_iter().enumerate().map(|(at, term)| weighed(at, term)).collect::<Outcome<_>>()?;
    answer(&app, terms, wishes, id).await
}

/// What lies near an item
#[utoipa::path(get, path = "/v1/items/{id}/similar", tag = "search", params(("id" = String, Path), OptionParameters),
    responses((status = 200, description = "What was found, best first, without the item itself", body = AnswerView)))]
pub(crate) async fn similar(
    State(app): State<App>,
    Extension(RequestId(id)): Extension<RequestId>,
    item: Result<Path<String>, PathRejection>,
    parameters: AddressParameters,
) -> Outcome<Json<AnswerView>> {
    let Path(item) = item?;
    let wishes = Options::of_parameters(parameters)?.wishes(&app, Target::Image, false)?;
    answer(&app, vec![(Term::Item(item), 1.0)], wishes, id).await
}

/// Classes of words or of a picture
#[utoipa::path(post, path = "/v1/classify", tag = "search",
    request_body(content(
        (WordsOrPicture = "application/json"),
        (PictureForm = "multipart/form-data"),
        (Binary = "image/png"),
        (Binary = "image/jpeg"),
        (Binary = "application/octet-stream"),
    )),
    responses((status = 200, description = "Every class with its probability", body = ClassesView)))]
pub(crate) async fn classify(State(app): State<App>, request: Request) -> Outcome<Json<ClassesView>> {
    let term = if media_type(&request) == "application/json" {
        one_term(Value::Object(object(&app, request).await?), "")?
    } else {
        let (picture, fields) = picture(&app, request, Map::new()).await?;
        if let Some(name) = fields.keys().next() {
            return Err(malformed(&format!("the field {name:?} is unknown")));
        }
        Term::Picture(picture)
    };
    let (model, labels) = app.engine.queries().classify(term).await?;
    Ok(Json(ClassesView { model, labels }))
}

/// Vectors of words, pictures and items
#[utoipa::path(post, path = "/v1/embed", tag = "search", request_body = EmbedBody,
    responses((status = 200, description = "A unit vector of the common space for each input", body = VectorsView)))]
pub(crate) async fn embed(State(app): State<App>, request: Request) -> Outcome<Json<VectorsView>> {
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
    let (model, points) = app.engine.queries().embed(terms.collect::<Outcome<_>>()?).await?;
    let dims = points.first().map(|point| point.dims());
    let vectors = points.iter().map(|point| point.as_slice().to_vec()).collect();
    Ok(Json(VectorsView { model, dims, vectors }))
}

/// Counts under a filter
///
/// How many items that the filter lets through bear each class.
#[utoipa::path(get, path = "/v1/facets", tag = "search", params(FilterParameter),
    responses((status = 200, description = "Counts", body = FacetsAnswer)))]
pub(crate) async fn facets(State(app): State<App>, parameters: AddressParameters) -> Outcome<Json<FacetsAnswer>> {
    let FacetOptions { filter } = read(Value::Object(as_json(parameters)?))?;
    let filter =
        filter.as_ref().map(|filter| filter::parse(filter, app.limits.filter)).transpose()?.unwrap_or_default();
    let labels = app.engine.queries().facets(&filter).await?;
    let labels: LabelCounts = labels.into_iter().map(|l| (l.label, l.count.unsigned_abs())).collect();
    Ok(Json(FacetsAnswer { facets: labels.into() }))
}

async fn answer(app: &App, terms: Vec<(Term, f32)>, wishes: Wishes, id: String) -> Outcome<Json<AnswerView>> {
    let engine = Arc::clone(&app.engine);
    let Wishes { mut query, cursor, timeout, explain } = wishes;
    query.terms = terms;
    query.deadline = timeout.map(|most| Instant::now() + most);
    let work = async move {
        match cursor {
            // The ranking is there already; what the query says beside its cursor was said when it was made.
            Some(cursor) => engine.queries().next_page(&cursor, query.limit).await,
            None => engine.queries().search(query).await,
        }
    };
    let found: Result<Answer, EngineError> = match timeout {
        Some(most) => match tokio::time::timeout(most, work).await {
            Err(_) | Ok(Err(EngineError::TimedOut)) => {
                let detail = format!("the query was not answered within its timeout_ms of {}", most.as_millis());
                return Err(Problem::new(Code::Timeout, detail));
            }
            Ok(found) => found,
        },
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
            let params: Option<Map<String, Value>> =
                serde_json::from_slice(&params).map_err(|e| malformed(&format!("field \"params\": {e}")))?;
            fields.extend(params.unwrap_or_default());
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
pub(crate) fn media_type(request: &Request) -> String {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The words of a query, which a cursor makes needless.
fn asked(name: &str, words: Option<Value>, wishes: &Wishes) -> Outcome<Vec<(Term, f32)>> {
    match words {
        Some(words) => Ok(vec![(Term::Text(as_text(name, words)?), 1.0)]),
        None if wishes.cursor.is_some() => Ok(Vec::new()),
        None => Err(missing(name, "the words to search with")),
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
pub(crate) fn decoded(value: Value, at: &str) -> Outcome<Vec<u8>> {
    let text = as_text("image_base64", value)?;
    STANDARD.decode(text.trim()).map_err(|e| Problem::new(Code::BadBase64, format!("{at} is no base64: {e}")).at(at))
}

fn as_text(name: &str, value: Value) -> Outcome<String> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(malformed(&format!("the field {name:?} is {}; a text is expected", kind(&other)))),
    }
}

/// A field without which there is no query, unless there is a cursor.
fn missing(name: &str, what: &str) -> Problem {
    Problem::new(Code::InvalidQuery, format!("{name}: it is missing: {what}, or a cursor")).at(&format!("/{name}"))
}

fn malformed(detail: &str) -> Problem {
    Problem::new(Code::MalformedRequest, detail)
}
