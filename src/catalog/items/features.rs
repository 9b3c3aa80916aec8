//! Features of pictures and sentences, keyed by the content that they were made from and the encoder that made them.
//! Kept as f16: half the bytes, and a rounding (2⁻¹¹ relative) far below what the subnetworks notice.

use half::f16;
use sqlx::{FromRow, Sqlite, Transaction};

use crate::catalog::{connection::Catalog, error::CatalogError};

/// A picture that an encoder has not seen.
#[derive(Debug, Clone, FromRow)]
pub struct MissingPicture {
    /// blake3 of its bytes.
    pub content_hash: Vec<u8>,
    /// One of the places where it lies.
    pub path: String,
    /// The id of an item that shows it, for messages.
    pub id: String,
}

/// A sentence that an encoder has not seen.
#[derive(Debug, Clone, FromRow)]
pub struct MissingText {
    /// blake3 of its bytes.
    pub text_hash: Vec<u8>,
    /// The sentence.
    pub text: String,
}

impl Catalog {
    /// Pictures without features of `encoder`, each content once, by content hash: at most `limit` of those after
    /// `after` (empty for the first page).
    ///
    /// # Errors
    /// If the database fails.
    pub async fn pictures_without_features(
        &self,
        encoder: &str,
        after: &[u8],
        limit: u32,
    ) -> Result<Vec<MissingPicture>, CatalogError> {
        Ok(sqlx::query_as(
            "select content_hash, min(image_path) as path, min(id) as id from items
             where content_hash > ? and image_error is null
               and not exists (select 1 from features f where f.encoder = ? and f.hash = items.content_hash)
             group by content_hash order by content_hash limit ?",
        )
        .bind(after)
        .bind(encoder)
        .bind(limit)
        .fetch_all(&self.readers)
        .await?)
    }

    /// Captions without features of `encoder`, each text once, by text hash: at most `limit` of those after `after`
    /// (empty for the first page).
    ///
    /// # Errors
    /// If the database fails.
    pub async fn texts_without_features(
        &self,
        encoder: &str,
        after: &[u8],
        limit: u32,
    ) -> Result<Vec<MissingText>, CatalogError> {
        Ok(sqlx::query_as(
            "select text_hash, min(text) as text from captions
             where text_hash > ?
               and not exists (select 1 from features f where f.encoder = ? and f.hash = captions.text_hash)
             group by text_hash order by text_hash limit ?",
        )
        .bind(after)
        .bind(encoder)
        .bind(limit)
        .fetch_all(&self.readers)
        .await?)
    }

    /// How many pictures and texts `image_encoder` and `text_encoder` have not seen.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn missing_features(&self, image_encoder: &str, text_encoder: &str) -> Result<(u64, u64), CatalogError> {
        let (pictures, texts): (i64, i64) = sqlx::query_as(
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
        Ok((pictures.unsigned_abs(), texts.unsigned_abs()))
    }

    /// Keeps a batch of features, all or none. `failures` are pictures that can no longer be read, with the reason.
    ///
    /// # Errors
    /// If the database fails; then nothing of the batch is kept.
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
        fn features_come_back_to_half_precision(vector in prop::collection::vec(-60_000f32..60_000.0, 1..64)) {
            let back = from_bytes(&to_bytes(&vector), vector.len()).map_err(|e| TestCaseError::fail(e.to_string()))?;
            for (a, b) in vector.iter().zip(&back) {
                prop_assert!((a - b).abs() <= a.abs() / 2048.0 + 1e-7);
            }
        }
    }

    #[test]
    fn a_row_of_another_length_is_named() {
        let err = from_bytes(&[0; 7], 4).expect_err("7 bytes are not 4 numbers");
        assert!(err.to_string().contains("7 bytes where 8 were expected"), "{err}");
    }
}
