//! Response with label issues.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    item::{ItemResponse, etag},
    timestamp::timestamp,
};
use crate::catalog::{Issue, OpenIssue, OpenIssues};

/// Labels and captions that may be wrong.
#[derive(Serialize, ToSchema)]
pub(crate) struct LabelIssueList {
    /// When an evaluation last checked the whole collection; null if none has.
    #[schema(format = DateTime)]
    looked_at: Option<String>,
    /// Labels before captions, most confident first; at most 60 of each kind.
    entries: Vec<LabelIssue>,
}

/// A label or caption that may be wrong.
#[derive(Serialize, ToSchema)]
struct LabelIssue {
    id: i64,
    #[serde(flatten)]
    issue: IssueKind,
    item: ItemResponse,
    /// ETag of the item as shown here, for the header `If-Match` of a change.
    etag: String,
}

/// What may be wrong.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum IssueKind {
    /// Similar items have another label.
    Label {
        /// The label of the similar items.
        suggested: String,
        /// How much more the neighbors vote for `suggested` than for the item's own label, in (0, 1].
        lead: f64,
    },
    /// The caption is far from the image.
    Caption {
        caption: String,
        /// Distance ‖u − v‖ of the two vectors, in [0, 2].
        distance: f64,
    },
}

impl From<OpenIssues> for LabelIssueList {
    fn from(OpenIssues { evaluated_at, issues }: OpenIssues) -> Self {
        Self { looked_at: evaluated_at.map(timestamp), entries: issues.into_iter().map(LabelIssue::from).collect() }
    }
}

impl From<OpenIssue> for LabelIssue {
    fn from(OpenIssue { key, item, issue }: OpenIssue) -> Self {
        Self {
            id: key,
            issue: match issue {
                Issue::Label { labels: _, suggested, margin } => IssueKind::Label { suggested, lead: margin },
                Issue::Caption { text, distance } => IssueKind::Caption { caption: text, distance },
            },
            etag: etag(&item),
            item: ItemResponse::new(item, None),
        }
    }
}
