//! Requests that carry an image: as a form, as base64 in JSON, or as the bytes of its file.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
};
use utoipa::ToSchema;

use super::{
    body::{is_json, media_type, read_body},
    json::{Object, from_slice, object_from_slice},
    multipart::read_form,
    query::JsonQuery,
    search_request::{ImageSearchRequest, SearchParams, SharedParams},
    term::{InputRequest, decode_base64},
};
use crate::{
    engine::Term,
    server::error::{ApiResult, Code, Problem},
};

/// A form with an image to search with.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImageSearchForm {
    /// The image's file.
    #[schema(value_type = String, format = Binary)]
    image: Bytes,
    #[schema(nullable = false)]
    params: Option<SearchParams>,
}

/// A form with an image alone.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImageForm {
    /// The image's file.
    #[schema(value_type = String, format = Binary)]
    image: Bytes,
}

/// The bytes of an image's file.
#[derive(Debug, ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(crate) struct ImageBytes(Bytes);

/// An image to search with, and the parameters of the search.
pub(crate) struct ImageSearch {
    pub(crate) image: Vec<u8>,
    pub(crate) params: SearchParams,
}

impl<S: Send + Sync> FromRequest<S> for ImageSearch {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> ApiResult<Self> {
        let (mut parts, body) = request.into_parts();
        let JsonQuery(address) = JsonQuery::<SearchParams>::from_request_parts(&mut parts, state).await?;
        let request = Request::from_parts(parts, body);
        let media_type = media_type(&request);
        let (image, params) = if is_json(&media_type) {
            let body: ImageSearchRequest = object_from_slice(&read_body(request).await?)?;
            (decode_base64(&body.image_base64, "/image_base64")?, Some(body.shared()))
        } else if media_type == "multipart/form-data" {
            let ImageSearchForm { image, params } = read_image_form(request).await?;
            (image.to_vec(), params)
        } else {
            let ImageBytes(image) = read_image(request, &media_type).await?;
            (image.to_vec(), None)
        };
        let params = params.unwrap_or_default().merge(address).map_err(|name| {
            let reason = "it is given in the address and in the body; give it once";
            Problem::invalid_field(Code::InvalidQuery, name, reason)
        })?;
        Ok(Self { image, params })
    }
}

/// A text, an image or an item; an image in any form that [`ImageSearch`] takes, but without parameters.
pub(crate) struct Input(pub(crate) Term);

impl<S: Send + Sync> FromRequest<S> for Input {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> ApiResult<Self> {
        let media_type = media_type(&request);
        if is_json(&media_type) {
            let input: InputRequest = from_slice(&read_body(request).await?)?;
            return input.into_term("").map(Self);
        }
        let image = if media_type == "multipart/form-data" {
            let [image, _] = read_form(request, ["image", "image"]).await?;
            ImageForm { image: image.ok_or_else(missing_image)? }.image
        } else {
            read_image(request, &media_type).await?.0
        };
        Ok(Self(Term::Picture(image.to_vec())))
    }
}

async fn read_image_form(request: Request) -> ApiResult<ImageSearchForm> {
    let [image, params] = read_form(request, ["image", "params"]).await?;
    let params = params.map(|params| from_slice::<Option<Object<SearchParams>>>(&params)).transpose()?;
    let params = params.flatten().map(Object::into_inner);
    Ok(ImageSearchForm { image: image.ok_or_else(missing_image)?, params })
}

async fn read_image(request: Request, media_type: &str) -> ApiResult<ImageBytes> {
    if media_type.starts_with("image/") || media_type == "application/octet-stream" {
        return read_body(request).await.map(ImageBytes);
    }
    let found = if media_type.is_empty() { "missing".to_owned() } else { format!("{media_type:?}") };
    let detail = format!(
        "the Content-Type is {found}; accepted are multipart/form-data with a field \"image\", application/json with \
         \"image_base64\", and image/* or application/octet-stream with the bytes of the image's file"
    );
    Err(Problem::new(Code::UnsupportedMediaType, detail))
}

fn missing_image() -> Problem {
    Problem::malformed("the form has no field \"image\"")
}
