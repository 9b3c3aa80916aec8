//! What queries are made of: texts, images and items.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use utoipa::ToSchema;

use super::json::Object;
use crate::{
    engine::Term,
    server::error::{ApiResult, Code, Problem},
};

/// An image of one pixel (GIF) for examples.
pub(crate) const IMAGE_EXAMPLE: &str = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";

/// A text, an image or an item.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, try_from = "Object<InputFields>")]
#[schema(as = Input)]
pub(crate) enum InputRequest {
    Text(TextInput),
    Image(ImageInput),
    Item(ItemInput),
}

/// A text.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TextInput {
    text: String,
}

/// An image.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImageInput {
    /// The image's file in base64.
    #[schema(format = Byte)]
    image_base64: String,
}

/// An item.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ItemInput {
    /// Its id.
    item: String,
}

/// A text, an image or an item with its weight.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, try_from = "Object<TermFields>")]
#[schema(as = Term)]
pub(crate) enum TermRequest {
    Text(TextTerm),
    Image(ImageTerm),
    Item(ItemTerm),
}

/// A text with its weight.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TextTerm {
    text: String,
    #[schema(minimum = -10, maximum = 10, default = 1, nullable = false)]
    weight: Option<f32>,
}

/// An image with its weight.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImageTerm {
    /// The image's file in base64.
    #[schema(format = Byte)]
    image_base64: String,
    #[schema(minimum = -10, maximum = 10, default = 1, nullable = false)]
    weight: Option<f32>,
}

/// An item with its weight.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ItemTerm {
    /// Its id.
    item: String,
    #[schema(minimum = -10, maximum = 10, default = 1, nullable = false)]
    weight: Option<f32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InputFields {
    text: Option<String>,
    image_base64: Option<String>,
    item: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TermFields {
    text: Option<String>,
    image_base64: Option<String>,
    item: Option<String>,
    weight: Option<f32>,
}

impl TryFrom<Object<InputFields>> for InputRequest {
    type Error = &'static str;

    fn try_from(Object(fields): Object<InputFields>) -> Result<Self, Self::Error> {
        match (fields.text, fields.image_base64, fields.item) {
            (Some(text), None, None) => Ok(Self::Text(TextInput { text })),
            (None, Some(image_base64), None) => Ok(Self::Image(ImageInput { image_base64 })),
            (None, None, Some(item)) => Ok(Self::Item(ItemInput { item })),
            _ => Err("expected exactly one of text, image_base64 and item"),
        }
    }
}

impl TryFrom<Object<TermFields>> for TermRequest {
    type Error = &'static str;

    fn try_from(Object(fields): Object<TermFields>) -> Result<Self, Self::Error> {
        let TermFields { text, image_base64, item, weight } = fields;
        Ok(match InputRequest::try_from(Object(InputFields { text, image_base64, item }))? {
            InputRequest::Text(TextInput { text }) => Self::Text(TextTerm { text, weight }),
            InputRequest::Image(ImageInput { image_base64 }) => Self::Image(ImageTerm { image_base64, weight }),
            InputRequest::Item(ItemInput { item }) => Self::Item(ItemTerm { item, weight }),
        })
    }
}

impl InputRequest {
    /// The term at a place of the request.
    pub(crate) fn into_term(self, pointer: &str) -> ApiResult<Term> {
        match self {
            Self::Text(TextInput { text }) => Ok(Term::Text(text)),
            Self::Item(ItemInput { item }) => Ok(Term::Item(item)),
            Self::Image(ImageInput { image_base64 }) => {
                decode_base64(&image_base64, &format!("{pointer}/image_base64")).map(Term::Picture)
            }
        }
    }
}

impl TermRequest {
    /// The term at a place of the request, with its weight.
    pub(crate) fn into_weighted_term(self, pointer: &str) -> ApiResult<(Term, f32)> {
        let (input, weight) = match self {
            Self::Text(TextTerm { text, weight }) => (InputRequest::Text(TextInput { text }), weight),
            Self::Image(ImageTerm { image_base64, weight }) => {
                (InputRequest::Image(ImageInput { image_base64 }), weight)
            }
            Self::Item(ItemTerm { item, weight }) => (InputRequest::Item(ItemInput { item }), weight),
        };
        Ok((input.into_term(pointer)?, weight.unwrap_or(1.0)))
    }
}

/// The bytes of an image in base64 at a place of the request.
pub(crate) fn decode_base64(text: &str, pointer: &str) -> ApiResult<Vec<u8>> {
    STANDARD
        .decode(text.trim())
        .map_err(|e| Problem::new(Code::BadBase64, format!("{pointer}: not valid base64: {e}")).with_pointer(pointer))
}
