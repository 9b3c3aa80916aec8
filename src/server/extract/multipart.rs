//! Forms with an image.

use axum::{
    body::Bytes,
    extract::{FromRequest, Multipart, Request},
};

use super::body::BodyLimit;
use crate::server::error::{ApiResult, Problem};

/// The fields of a form that has these two, either of which may be missing, and no others.
pub(crate) async fn read_form(request: Request, names: [&str; 2]) -> ApiResult<[Option<Bytes>; 2]> {
    let limit = BodyLimit::of(&request);
    let mut form = Multipart::from_request(request, &()).await.map_err(|e| Problem::malformed(e.body_text()))?;
    let mut fields = [None, None];
    while let Some(field) = form.next_field().await.map_err(|e| limit.problem(e.status(), &e.body_text()))? {
        let name = field.name().unwrap_or_default().to_owned();
        let Some(position) = names.iter().position(|known| *known == name) else {
            let detail = format!("unknown field {name:?}; the form has the fields {:?} and {:?}", names[0], names[1]);
            return Err(Problem::malformed(detail));
        };
        if fields[position].is_some() {
            return Err(Problem::malformed(format!("the field {name:?} is given twice")));
        }
        let bytes = field.bytes().await.map_err(|e| limit.problem(e.status(), &e.body_text()))?;
        fields[position] = Some(bytes);
    }
    Ok(fields)
}
