//! Searches: by text, by image, by several terms, and for items similar to an item.

use std::sync::Arc;

use axum::{Extension, Json, extract::State};
use utoipa_axum::routes;

use crate::{
    engine::{EngineError, Query, Target, Term},
    server::{
        ApiResult, App, Code, Problem, RoutePolicy, Routes,
        extract::{
            image::{ImageBytes, ImageSearch, ImageSearchForm},
            json,
            path::Path,
            query::JsonQuery,
            search_request::{
                ImageSearchRequest, SearchParams, SharedParams, TermSearchRequest, TextSearchParams, TextSearchRequest,
            },
        },
        middleware::request_context::RequestId,
        responses::search::SearchResponse,
    },
};

pub(crate) fn routes() -> Routes {
    Routes::new()
        .route(RoutePolicy::SEARCH, routes!(search_text))
        .route(RoutePolicy::SEARCH, routes!(search_get))
        .route(RoutePolicy::SEARCH.with_images(), routes!(search_terms))
        .route(RoutePolicy::SEARCH.with_images(), routes!(search_image))
        .route(RoutePolicy::SEARCH, routes!(similar_items))
}

/// Search by text
///
/// Finds images (the default), captions or both.
#[utoipa::path(post, path = "/v1/search/text", tag = "search", request_body = TextSearchRequest,
    responses((status = 200, description = "Results, most relevant first", body = SearchResponse)))]
async fn search_text(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    json::Json(mut request): json::Json<TextSearchRequest>,
) -> ApiResult<Json<SearchResponse>> {
    let text = request.query.take();
    let params = request.shared();
    run(&app, text_terms("query", text, &params)?, params, (Target::Image, 0.0), id).await
}

/// Search by text, as a link
///
/// Like `POST /v1/search/text`, but keywords count as well, unless `hybrid=false`.
#[utoipa::path(get, path = "/v1/search", tag = "search", params(TextSearchParams),
    responses((status = 200, description = "Results, most relevant first", body = SearchResponse)))]
async fn search_get(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    JsonQuery(mut params): JsonQuery<TextSearchParams>,
) -> ApiResult<Json<SearchResponse>> {
    let text = params.q.take();
    let params = params.shared();
    run(&app, text_terms("q", text, &params)?, params, (Target::Image, Query::KEYWORD_WEIGHT), id).await
}

/// Search by image
///
/// Finds captions (the default), images or both. The image is sent as a form, as base64 in JSON, or as the bytes of its
/// file with the parameters in the address.
#[utoipa::path(post, path = "/v1/search/image", tag = "search", params(SearchParams),
    request_body(content(
        (ImageSearchForm = "multipart/form-data"),
        (ImageSearchRequest = "application/json"),
        (ImageBytes = "image/png"),
        (ImageBytes = "image/jpeg"),
        (ImageBytes = "application/octet-stream"),
    )),
    responses((status = 200, description = "Results, most relevant first", body = SearchResponse)))]
async fn search_image(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    ImageSearch { image, params }: ImageSearch,
) -> ApiResult<Json<SearchResponse>> {
    run(&app, vec![(Term::Picture(image), 1.0)], params, (Target::Text, 0.0), id).await
}

/// Search by several terms
///
/// Texts, images and items, each with its weight.
#[utoipa::path(post, path = "/v1/search", tag = "search", request_body = TermSearchRequest,
    responses((status = 200, description = "Results, most relevant first", body = SearchResponse)))]
async fn search_terms(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    json::Json(mut request): json::Json<TermSearchRequest>,
) -> ApiResult<Json<SearchResponse>> {
    let terms = request.terms.take();
    let params = request.shared();
    let terms = match terms {
        Some(terms) => terms,
        None if params.cursor.is_some() => Vec::new(),
        None => return Err(missing("terms", "the terms to search with")),
    };
    let terms = terms.into_iter().enumerate();
    let terms = terms.map(|(index, term)| term.into_weighted_term(&format!("/terms/{index}")));
    run(&app, terms.collect::<ApiResult<_>>()?, params, (Target::Image, 0.0), id).await
}

/// Find similar items
#[utoipa::path(get, path = "/v1/items/{id}/similar", tag = "search",
    params(("id" = String, Path, description = "Id of the item"), SearchParams),
    responses((status = 200, description = "Results, most relevant first, without the item itself",
        body = SearchResponse)))]
async fn similar_items(
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    Path(item): Path<String>,
    JsonQuery(params): JsonQuery<SearchParams>,
) -> ApiResult<Json<SearchResponse>> {
    run(&app, vec![(Term::Item(item), 1.0)], params, (Target::Image, 0.0), id).await
}

/// Answers a search, or the next page of an earlier one. The defaults are the target and the weight of keywords.
async fn run(
    app: &App,
    terms: Vec<(Term, f32)>,
    mut params: SearchParams,
    (target, keyword_weight): (Target, f32),
    RequestId(id): RequestId,
) -> ApiResult<Json<SearchResponse>> {
    let (cursor, timeout_ms, explain) = (params.cursor.take(), params.timeout_ms, params.explain.unwrap_or_default());
    let query = params.into_query(app, terms, target, keyword_weight)?;
    let (engine, deadline) = (Arc::clone(&app.engine), query.deadline);
    let search = async move {
        match cursor {
            // The first page stored the ranking with its parameters.
            Some(cursor) => engine.queries().next_page(&cursor, query.limit).await,
            None => engine.queries().search(query).await,
        }
    };
    let answer = match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline.into(), search).await.unwrap_or(Err(EngineError::TimedOut)),
        None => search.await,
    };
    match (answer, timeout_ms) {
        (Err(EngineError::TimedOut), Some(ms)) => {
            Err(Problem::new(Code::Timeout, format!("the search took longer than its timeout_ms of {ms}")))
        }
        (answer, _) => Ok(Json(SearchResponse::new(answer?, id, explain))),
    }
}

/// The text of a search, which a search with a cursor does not need.
fn text_terms(field: &str, text: Option<String>, params: &SearchParams) -> ApiResult<Vec<(Term, f32)>> {
    match text {
        Some(text) => Ok(vec![(Term::Text(text), 1.0)]),
        None if params.cursor.is_some() => Ok(Vec::new()),
        None => Err(missing(field, "the text to search with")),
    }
}

fn missing(field: &str, what: &str) -> Problem {
    Problem::invalid_field(Code::InvalidQuery, field, format_args!("missing; give {what}, or a cursor"))
}
