//! Forms that carry a picture.

use axum::{
    body::Bytes,
    extract::{FromRequest, Multipart, Request},
    http::StatusCode,
};

use crate::server::{
    error::{Code, Outcome, Problem},
    state::App,
};

impl App {
    /// The fields of a form that has these two, either of which may be missing, and no other.
    pub(crate) async fn form(&self, request: Request, names: [&str; 2]) -> Outcome<[Option<Bytes>; 2]> {
        let malformed = |detail: String| Problem::new(Code::MalformedRequest, detail);
        let mut form = Multipart::from_request(request, &()).await.map_err(|e| malformed(e.body_text()))?;
        let mut fields = [None, None];
        while let Some(field) = form.next_field().await.map_err(|e| self.body_problem(&e.body_text(), e.status()))? {
            let name = field.name().unwrap_or_default().to_owned();
            let Some(place) = names.iter().position(|known| *known == name) else {
                let detail = format!("field {name:?} is unknown; the form has {:?} and {:?}", names[0], names[1]);
                return Err(malformed(detail));
            };
            if fields[place].is_some() {
                return Err(malformed(format!("field {name:?} is given twice")));
            }
            let bytes = field.bytes().await.map_err(|e| self.body_problem(&e.body_text(), e.status()))?;
            fields[place] = Some(bytes);
        }
        Ok(fields)
    }

    /// The problem with a body that could not be read to its end.
    pub(crate) fn body_problem(&self, detail: &str, status: StatusCode) -> Problem {
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            let most = self.limits.picture_bytes;
            Problem::new(Code::BodyTooLarge, format!("a picture may have at most {most} bytes"))
        } else {
            Problem::new(Code::MalformedRequest, detail)
        }
    }
}
