//! The first queries after a start are slow: pages of the index and of the weights are not in memory, threads are not
//! started, and the database cache is empty. The service therefore sends queries itself before it reports ready.

use std::time::Instant;

use crate::engine::{EngineError, Query, QueryService, Target};

/// A text for every collection.
const TEXT: &str = "a picture of something";

/// Side of the picture, in pixels.
const SIDE: u32 = 64;

/// Sends text and image queries for pictures and captions, with the index and with a scan.
///
/// # Errors
/// If a query fails.
pub(in crate::engine) async fn warm_up(queries: &QueryService) -> Result<(), EngineError> {
    let began = Instant::now();
    for exact in [false, true] {
        for query in [Query::text(TEXT, Target::Any, 1), Query::image(picture(), Target::Any, 1)] {
            match queries.search(Query { exact, ..query }).await {
                // If the queue is full, the queries in it warm the service up.
                Ok(_) | Err(EngineError::Overloaded) => {}
                Err(error) => return Err(error),
            }
        }
    }
    tracing::debug!(ms = began.elapsed().as_secs_f64() * 1000.0, "warm");
    Ok(())
}

/// A picture as a BMP file: a gradient, so that no part of the network sees zeros only.
fn picture() -> Vec<u8> {
    const HEADER: u32 = 54;
    let size = HEADER + SIDE * SIDE * 3;
    let mut bmp = b"BM".to_vec();
    for field in [size, 0, HEADER, 40, SIDE, SIDE] {
        bmp.extend(field.to_le_bytes());
    }
    // One plane of 24 bits a pixel, and six fields that may be zero.
    bmp.extend([1, 0, 24, 0]);
    bmp.extend([0; 24]);
    bmp.extend((0..SIDE * SIDE).flat_map(|at| [at % SIDE * 4, at / SIDE * 4, 128].map(|value| value as u8)));
    bmp
}

#[cfg(test)]
mod tests {
    use crate::dataset::{self, PictureLimits};

    #[test]
    fn the_picture_can_be_decoded() {
        let decoded = dataset::decode(&super::picture(), &PictureLimits::default()).expect("a picture");
        assert_eq!((decoded.original_width, decoded.original_height), (super::SIDE, super::SIDE));
    }
}
