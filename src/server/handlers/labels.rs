//! Labels and how many items have them.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use crate::{
    catalog::Filter,
    server::{
        ApiResult, App, RoutePolicy, Routes,
        extract::{
            filter::{self, FilterRequest},
            json::Object,
            query::JsonQuery,
            search_request::FILTER_EXAMPLE,
        },
        responses::label::{FacetsResponse, LabelCount, LabelList},
    },
};

/// Which items to count.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct FacetParams {
    /// Which items count, as JSON (see the schema `Filter`).
    #[param(value_type = Option<String>, nullable = false, example = json!(FILTER_EXAMPLE))]
    filter: Option<Object<FilterRequest>>,
}

pub(crate) fn routes() -> Routes {
    Routes::new().route(RoutePolicy::SEARCH, routes!(list_labels)).route(RoutePolicy::SEARCH, routes!(count_facets))
}

/// List labels
#[utoipa::path(get, path = "/v1/labels", tag = "search",
    responses((status = 200, description = "All labels with the number of their items", body = LabelList)))]
async fn list_labels(State(app): State<App>) -> ApiResult<Json<LabelList>> {
    let labels = app.engine.collection().catalog.label_counts(&Filter::default()).await?;
    let labels = labels.into_iter().map(|label| LabelCount { label: label.label, count: label.count }).collect();
    Ok(Json(LabelList { labels }))
}

/// Count items by label
#[utoipa::path(get, path = "/v1/facets", tag = "search", params(FacetParams),
    responses((status = 200, description = "Number of items of each label, under the filter", body = FacetsResponse)))]
async fn count_facets(
    State(app): State<App>,
    JsonQuery(FacetParams { filter }): JsonQuery<FacetParams>,
) -> ApiResult<Json<FacetsResponse>> {
    let labels = app.engine.queries().facets(&filter::resolve(filter, &app.limits)?).await?;
    let facets = labels.into_iter().map(|label| (label.label, label.count.unsigned_abs())).collect();
    Ok(Json(FacetsResponse { facets }))
}
