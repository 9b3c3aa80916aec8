//! The first query of a service pays for what all later ones find there: pages of the index and of the weights that nobody has
//! touched, threads that are not started, a database that has nothing in memory. So the first ones are our own.

use std::time::Instant;

use crate::engine::{
    engine::Engine,
    error::EngineError,
    query::request::{Query, Target},
};

/// Words that every collection may be asked with.
const WORDS: &str = "a picture of something";

/// Side of the picture, in pixels.
const SIDE: u32 = 64;

impl Engine {
    /// Asks with words and with a picture, for pictures and captions, and looks at every point.
    ///
    /// # Errors
    /// If a query fails.
    pub(in crate::engine) async fn warm_up(&self) -> Result<(), EngineError> {
        let began = Instant::now();
        let walked = Query::top(Target::Any, 1);
        let scanned = Query { exact: true, ..walked.clone() };
        for query in [walked, scanned] {
            for asked in [self.search_text(WORDS, query.clone()).await, self.search_image(picture(), query).await] {
                match asked {
                    // A full queue is full of other people's queries: those warm up as well.
                    Ok(_) | Err(EngineError::Overloaded) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        tracing::debug!(ms = began.elapsed().as_secs_f64() * 1000.0, "warm");
        Ok(())
    }
}

/// A picture as a BMP file: a gradient, so that every part of the network has something to do.
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
    fn the_picture_is_one() {
        let decoded = dataset::decode(&super::picture(), &PictureLimits::default()).expect("a picture");
        assert_eq!((decoded.original_width, decoded.original_height), (super::SIDE, super::SIDE));
    }
}
