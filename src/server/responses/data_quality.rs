//! Response with the quality of the collection's data.

use serde::Serialize;
use utoipa::ToSchema;

use crate::catalog;

/// What the collection holds, lacks and has refused.
#[derive(Serialize, ToSchema)]
pub(crate) struct DataQuality {
    items: i64,
    /// Items with a readable image.
    pictures: i64,
    captions: i64,
    labels: i64,
    /// Items without an image.
    without_picture: i64,
    /// Items without a caption.
    without_caption: i64,
    /// Items without a label; training ignores them.
    without_label: i64,
    unreadable: UnreadableImages,
    duplicates: DuplicateImages,
    rejections: RejectedRecords,
}

/// Images that were readable when they were imported and no longer are.
#[derive(Serialize, ToSchema)]
struct UnreadableImages {
    total: i64,
    /// The first 100.
    items: Vec<UnreadableItem>,
}

/// An item whose image is no longer readable.
#[derive(Serialize, ToSchema)]
struct UnreadableItem {
    id: String,
    reason: String,
}

/// Identical image files of several items.
#[derive(Serialize, ToSchema)]
struct DuplicateImages {
    /// Images that several items share.
    pictures: i64,
    /// Items that could be deleted without losing an image.
    spare: i64,
    /// The 50 most frequent.
    groups: Vec<DuplicateGroup>,
}

/// Items that share an image.
#[derive(Serialize, ToSchema)]
struct DuplicateGroup {
    items: i64,
    /// The first 20.
    ids: Vec<String>,
}

/// Records that imports refused. A record is removed once it is imported.
#[derive(Serialize, ToSchema)]
struct RejectedRecords {
    total: i64,
    /// The first 100, by file and line.
    records: Vec<RejectedRecord>,
}

/// A record that an import refused.
#[derive(Serialize, ToSchema)]
struct RejectedRecord {
    /// File of the record.
    file: String,
    /// Null if the whole file is the record.
    line: Option<u64>,
    reason: String,
}

impl DataQuality {
    pub(crate) fn new(counts: catalog::Counts, quality: catalog::DataQuality) -> Self {
        let catalog::DataQuality { missing, unreadable, duplicates, rejections } = quality;
        Self {
            items: counts.items,
            pictures: counts.images,
            captions: counts.captions,
            labels: counts.labels,
            without_picture: missing.image,
            without_caption: missing.caption,
            without_label: missing.label,
            unreadable: UnreadableImages {
                total: missing.readable_image,
                items: unreadable.into_iter().map(|item| UnreadableItem { id: item.id, reason: item.reason }).collect(),
            },
            duplicates: DuplicateImages {
                pictures: duplicates.images,
                spare: duplicates.redundant_items,
                groups: duplicates
                    .groups
                    .into_iter()
                    .map(|group| DuplicateGroup { items: group.items, ids: group.ids })
                    .collect(),
            },
            rejections: RejectedRecords {
                total: counts.rejections,
                records: rejections
                    .into_iter()
                    .map(|record| RejectedRecord { file: record.file, line: record.line, reason: record.reason })
                    .collect(),
            },
        }
    }
}
