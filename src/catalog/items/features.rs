//! Features of images and captions, keyed by content hash and encoder. Stored as f16: half the bytes, with a rounding
//! error (2⁻¹¹ relative) too small to matter for the model.

use half::f16;
use sqlx::{FromRow, Sqlite, Transaction};

use crate::catalog::{connection::Catalog, error::CatalogError};

/// What features describe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Images of items.
    Images,
    /// Captions of items.
    Captions,
}

/// An image or a caption without features of an encoder.
#[derive(Debug, Clone, FromRow)]
pub struct MissingFeature {
    /// blake3 of its bytes.
    pub hash: Vec<u8>,
    /// One of the paths of the image, or the caption.
    pub source: String,
}

impl Catalog {
    /// Images or captions without features of `encoder`, each content once, ordered by hash: at most `limit` of those
    /// after `after` (empty for the first page).
    ///
    /// # Errors
    /// If the database fails.
    pub async fn content_without_features(
        &self,
        content: Content,
        encoder: &str,
        after: &[u8],
        limit: u32,
    ) -> Result<Vec<MissingFeature>, CatalogError> {
        let missing = match content {
            Content::Images => {
                "select content_hash as hash, min(image_path) as source from items
                 where content_hash > ? and image_error is null
                   and not exists (select 1 from features f where f.encoder = ? and f.hash = items.content_hash)
                 group by content_hash order by content_hash limit ?"
            }
            Content::Captions => {
                "select text_hash as hash, min(text) as source from captions
                 where text_hash > ?
                   and not exists (select 1 from features f where f.encoder = ? and f.hash = captions.text_hash)
                 group by text_hash order by text_hash limit ?"
            }
        };
        Ok(sqlx::query_as(missing).bind(after).bind(encoder).bind(limit).fetch_all(&self.readers).await?)
    }

    /// Numbers of images and of texts without features of `image_encoder` and `text_encoder`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn missing_features(&self, image_encoder: &str, text_encoder: &str) -> Result<(u64, u64), CatalogError> {
        let (images, texts): (i64, i64) = sqlx::query_as(
            "select (select count(distinct content_hash) from items
                     where content_hash is not null and image_error is null
                       and not exists (select 1 from features f where f.encoder = ? and f.hash = items.content_hash)),
                    (select count(distinct text_hash) from captions
                     where not exists (select 1 from features f where f.encoder = ? and f.hash = captions.text_hash))",
        )
        .bind(image_encoder)
        .bind(text_encoder)
        .fetch_one(&self.readers)
        .await?;
        Ok((images.unsigned_abs(), texts.unsigned_abs()))
    }

    /// Stores features, and marks images that can no longer be read (`failures`, with the reasons), in one transaction.
    ///
    /// # Errors
    /// If the database fails; then nothing is stored.
    pub async fn put_features(
        &self,
        encoder: &str,
        features: &[(Vec<u8>, Vec<f32>)],
        failures: &[(Vec<u8>, String)],
    ) -> Result<(), CatalogError> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        for (hash, vector) in features {
            put_feature(&mut tx, encoder, hash, vector).await?;
        }
        for (hash, reason) in failures {
            sqlx::query("update items set image_error = ? where content_hash = ?")
                .bind(reason)
                .bind(hash)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// Stores features unless they are stored already.
pub(super) async fn put_feature(
    tx: &mut Transaction<'_, Sqlite>,
    encoder: &str,
    hash: &[u8],
    vector: &[f32],
) -> Result<(), CatalogError> {
    sqlx::query("insert into features (hash, encoder, vector) values (?, ?, ?) on conflict do nothing")
        .bind(hash)
        .bind(encoder)
        .bind(to_bytes(vector))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect()
}

/// Decodes stored features of length `dims`.
pub(super) fn from_bytes(bytes: &[u8], dims: usize) -> Result<Vec<f32>, CatalogError> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if pairs.len() != dims || !rest.is_empty() {
        return Err(CatalogError::Damaged {
            place: "features.vector",
            reason: format!("{} bytes where {} were expected", bytes.len(), 2 * dims),
        });
    }
    Ok(pairs.iter().map(|&pair| f16::from_le_bytes(pair).to_f32()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn stored_features_are_equal_to_half_precision(vector in prop::collection::vec(-60_000f32..60_000.0, 1..64)) {
            let stored = from_bytes(&to_bytes(&vector), vector.len()).map_err(|e| TestCaseError::fail(e.to_string()))?;
            for (a, b) in vector.iter().zip(&stored) {
                prop_assert!((a - b).abs() <= a.abs() / 2048.0 + 1e-7);
            }
        }
    }

    #[test]
    fn features_of_another_length_are_an_error() {
        let err = from_bytes(&[0; 7], 4).expect_err("7 bytes are not 4 numbers");
        assert!(err.to_string().contains("7 bytes where 8 were expected"), "{err}");
    }
}
