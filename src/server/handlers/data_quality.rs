//! What is amiss with the collection, for whoever owns it.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::catalog::{DuplicateImage, NewRejection, UnreadableImage};
use crate::server::{error::Outcome, state::App};

/// Rejections and unreadable pictures that are named.
const LISTED: u32 = 100;

/// What the collection holds, lacks and refused.
#[derive(Serialize, ToSchema)]
pub(crate) struct HealthView {
    items: i64,
    /// Items with a picture that can be read.
    pictures: i64,
    captions: i64,
    labels: i64,
    /// Items that name no picture.
    without_picture: i64,
    /// Items without a caption.
    without_caption: i64,
    /// Items without a class; no training learns from them.
    without_label: i64,
    unreadable: UnreadableView,
    duplicates: DuplicatesView,
    rejections: RejectionsView,
}

/// Pictures that were once read and can no longer be.
#[derive(Serialize, ToSchema)]
struct UnreadableView {
    total: i64,
    /// The first hundred.
    items: Vec<UnreadableItem>,
}

/// An item whose picture can no longer be read.
#[derive(Serialize, ToSchema)]
struct UnreadableItem {
    id: String,
    reason: String,
}

/// Pictures that more than one item holds, byte for byte.
#[derive(Serialize, ToSchema)]
struct DuplicatesView {
    /// How many such pictures.
    pictures: i64,
    /// Items that could go without a picture being lost.
    spare: i64,
    /// The most frequent fifty.
    groups: Vec<DuplicateGroup>,
}

/// Items that hold the very same picture.
#[derive(Serialize, ToSchema)]
struct DuplicateGroup {
    items: i64,
    /// The first twenty.
    ids: Vec<String>,
}

/// Records of an import that could not be taken. One is forgotten when it is taken later.
#[derive(Serialize, ToSchema)]
struct RejectionsView {
    total: i64,
    /// The first hundred, by file and line.
    records: Vec<RejectedRecord>,
}

/// A record that could not be taken.
#[derive(Serialize, ToSchema)]
struct RejectedRecord {
    /// The file that named it.
    file: String,
    /// Null where the file is the record.
    line: Option<u64>,
    reason: String,
}

/// What is amiss with the collection
///
/// Items that lack a picture, words or a class, pictures that came twice, and records that an import refused, with the reasons.
#[utoipa::path(get, path = "/v1/admin/health", tag = "admin",
    responses((status = 200, description = "All of it", body = HealthView)))]
pub(crate) async fn health(State(app): State<App>) -> Outcome<Json<HealthView>> {
    let catalog = &app.engine.collection().catalog;
    let counts = catalog.counts().await?;
    let quality = catalog.data_quality(LISTED).await?;
    let group = |DuplicateImage { items, ids }| DuplicateGroup { items, ids };
    let record = |NewRejection { file, line, reason }| RejectedRecord { file, line, reason };
    let item = |UnreadableImage { id, reason }| UnreadableItem { id, reason };
    Ok(Json(HealthView {
        items: counts.items,
        pictures: counts.images,
        captions: counts.captions,
        labels: counts.labels,
        without_picture: quality.missing.image,
        without_caption: quality.missing.caption,
        without_label: quality.missing.label,
        unreadable: UnreadableView {
            total: quality.missing.readable_image,
            items: quality.unreadable.into_iter().map(item).collect(),
        },
        duplicates: DuplicatesView {
            pictures: quality.duplicates.images,
            spare: quality.duplicates.redundant_items,
            groups: quality.duplicates.groups.into_iter().map(group).collect(),
        },
        rejections: RejectionsView {
            total: counts.rejections,
            records: quality.rejections.into_iter().map(record).collect(),
        },
    }))
}
