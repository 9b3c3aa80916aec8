//! What the model makes of texts, images and items: labels and vectors.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::server::{
    ApiResult, App, RoutePolicy, Routes,
    extract::{
        image::{ImageBytes, ImageForm, Input},
        json,
        term::InputRequest,
    },
    responses::{
        inference::{ClassifyResponse, EmbedResponse},
        search::PredictedLabel,
    },
};

/// Texts, images and items to embed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"inputs": [{"text": "a bird"}, {"text": "a flower"}]}))]
struct EmbedRequest {
    #[schema(max_items = 100)]
    inputs: Vec<InputRequest>,
}

pub(crate) fn routes() -> Routes {
    Routes::new()
        .route(RoutePolicy::SEARCH.with_images(), routes!(classify))
        .route(RoutePolicy::SEARCH.with_images(), routes!(embed))
}

/// Classify a text or an image
#[utoipa::path(post, path = "/v1/classify", tag = "search",
    request_body(content(
        (InputRequest = "application/json", example = json!({"text": "a bird on a branch"})),
        (ImageForm = "multipart/form-data"),
        (ImageBytes = "image/png"),
        (ImageBytes = "image/jpeg"),
        (ImageBytes = "application/octet-stream"),
    )),
    responses((status = 200, description = "All labels with their probabilities", body = ClassifyResponse)))]
async fn classify(State(app): State<App>, Input(term): Input) -> ApiResult<Json<ClassifyResponse>> {
    let (model, labels) = app.engine.queries().classify(term).await?;
    Ok(Json(ClassifyResponse { model, labels: labels.into_iter().map(PredictedLabel::from).collect() }))
}

/// Embed texts, images and items
#[utoipa::path(post, path = "/v1/embed", tag = "search", request_body = EmbedRequest,
    responses((status = 200, description = "A unit vector of the common space for each input", body = EmbedResponse)))]
async fn embed(
    State(app): State<App>,
    json::Json(EmbedRequest { inputs }): json::Json<EmbedRequest>,
) -> ApiResult<Json<EmbedResponse>> {
    let inputs = inputs.into_iter().enumerate();
    let terms = inputs.map(|(index, input)| input.into_term(&format!("/inputs/{index}")));
    let (model, vectors) = app.engine.queries().embed(terms.collect::<ApiResult<_>>()?).await?;
    Ok(Json(EmbedResponse {
        model,
        dims: vectors.first().map(|vector| vector.dims()),
        vectors: vectors.iter().map(|vector| vector.as_slice().to_vec()).collect(),
    }))
}
