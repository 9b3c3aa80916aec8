//! What bodies of searches look like, for the document of the API. They are read by hand, field by field, so that an error says where
//! it is; these types are never made.

#![expect(dead_code, reason = "they say what is read, and are not what reads it")]

use serde_json::{Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::server::extract::search_params::Options;

/// Bodies that have fields beside the options name what these name.
macro_rules! beside_options {
    ($($body:ident),*) => {
        $(impl ToSchema for $body {
            fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                Options::schemas(schemas);
            }
        })*
    };
}

beside_options!(TextBody, ImageBody, ComposedBody);

/// The schema of the body of a search by words.
pub(crate) struct TextBody;

impl PartialSchema for TextBody {
    fn schema() -> RefOr<Schema> {
        let query = json!({ "type": "string", "description": "The words. A cursor makes them needless." });
        Options::schema_with(json!({ "query": query }), &[])
    }
}

/// The schema of the body of a search by a picture.
pub(crate) struct ImageBody;

impl PartialSchema for ImageBody {
    fn schema() -> RefOr<Schema> {
        Options::schema_with(json!({ "image_base64": base64() }), &["image_base64"])
    }
}

/// The schema of the body of a search by several terms.
pub(crate) struct ComposedBody;

impl PartialSchema for ComposedBody {
    fn schema() -> RefOr<Schema> {
        let weight = json!({ "type": "number", "minimum": -10, "maximum": 10, "default": 1 });
        let term = |name: &str, schema: Value| {
            json!({
                "type": "object",
                "properties": { name: schema, "weight": weight },
                "required": [name],
                "additionalProperties": false,
            })
        };
        let text = json!({ "type": "string" });
        let terms = json!({
            "type": "array", "minItems": 1, "maxItems": 16,
            "description": "Each counts as much as it weighs; a negative weight leads away from what it says.",
            "items": { "oneOf": [term("text", text.clone()), term("image_base64", base64()), term("item", text)] },
        });
        Options::schema_with(json!({ "terms": terms }), &[])
    }
}

fn base64() -> Value {
    json!({ "type": "string", "format": "byte", "contentEncoding": "base64", "description": "A picture's file." })
}

/// The schema of the form of a search by a picture.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImageForm {
    /// A picture's file.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
    params: Option<Options>,
}

/// The schema of a form with a picture alone.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PictureForm {
    /// A picture's file.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
}

/// The schema of a body that is a picture's file.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(crate) struct Binary(Vec<u8>);

/// Words, a picture or an item.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum TermBody {
    Text(TextTerm),
    Image(ImageTerm),
    Item(ItemTerm),
}

/// Words.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TextTerm {
    text: String,
}

/// A picture.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImageTerm {
    /// A picture's file in base64.
    #[schema(format = Byte)]
    image_base64: String,
}

/// An item, by its id.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ItemTerm {
    item: String,
}

/// Words or a picture.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum WordsOrPicture {
    Text(TextTerm),
    Image(ImageTerm),
}

/// What is to be put into the common space.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmbedBody {
    #[schema(max_items = 100)]
    inputs: Vec<TermBody>,
}
