//! How answers look in JSON: a type for each, so that the document of the API says what is sent.

mod answer;
mod item;
mod task;
mod timestamp;

pub(crate) use answer::{AnswerView, FacetsView, LabelCounts};
pub(crate) use item::{ItemList, ItemView, content_name, item_path};
pub(crate) use task::{Accepted, ProgressView, TaskList, TaskView, status};
pub(crate) use timestamp::timestamp;
