//! Query texts: sentences like the captions of the collection, every one of them new.

use std::collections::HashSet;

use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::{
    client::{Connection, get, post},
    options::BenchResult,
};

/// Maximum number of captions that are loaded.
const MAX_CAPTIONS: usize = 2000;

/// Captions and pictures of a collection, for new queries and items.
pub(crate) struct QueryTexts {
    captions: Vec<Vec<String>>,
    words: Vec<String>,
    /// Image files.
    pictures: Vec<Vec<u8>>,
    state: Mutex<(ChaCha8Rng, HashSet<String>)>,
}

impl QueryTexts {
    /// Loads captions and pictures from a running service.
    pub(crate) fn load(connection: &mut Connection, pictures: usize) -> BenchResult<Self> {
        let (mut captions, mut files) = (Vec::new(), Vec::new());
        let mut cursor = String::new();
        while captions.len() < MAX_CAPTIONS {
            let page = connection.json(&get(&format!("/v1/items?limit=100{cursor}")))?;
            for item in page["items"].as_array().ok_or("no items")? {
                let texts = item["captions"].as_array().into_iter().flatten().filter_map(Value::as_str);
                captions.extend(texts.map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()));
                files.extend(item["image_url"].as_str().map(str::to_owned));
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let words: Vec<String> = captions.iter().flatten().cloned().collect::<HashSet<_>>().into_iter().collect();
        if words.is_empty() || files.is_empty() {
            return Err("the collection has no captions or no pictures".into());
        }
        let step = files.len().div_ceil(pictures);
        let mut bytes = Vec::new();
        for file in files.iter().step_by(step) {
            bytes.push(connection.send(&get(file))?.1.to_vec());
        }
        let state = Mutex::new((ChaCha8Rng::seed_from_u64(5), HashSet::new()));
        Ok(Self { captions, words, pictures: bytes, state })
    }

    /// A sentence that was not returned before: a caption with one word replaced and one word appended.
    pub(crate) fn new_text(&self) -> String {
        let mut state = self.state.lock();
        let (rng, used) = &mut *state;
        loop {
            let mut words = self.captions.choose(rng).cloned().unwrap_or_default();
            let any = |rng: &mut ChaCha8Rng| self.words.choose(rng).cloned().unwrap_or_default();
            if !words.is_empty() {
                let at = rng.random_range(0..words.len());
                words[at] = any(rng);
            }
            words.push(any(rng));
            let sentence = words.join(" ");
            if used.insert(sentence.clone()) {
                return sentence;
            }
        }
    }

    /// A picture of the collection.
    pub(crate) fn picture(&self) -> &[u8] {
        let mut state = self.state.lock();
        self.pictures.choose(&mut state.0).map_or(&[], Vec::as_slice)
    }
}

/// A search request for a text.
pub(crate) fn text_search(text: &str) -> Vec<u8> {
    post("/v1/search/text", &json!({ "query": text }))
}
