//! Texts to ask: sentences like the collection's captions, of which no two read the same.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::{
    Outcome,
    client::{Connection, get, post},
};

/// Captions that are looked at, at most.
const LOOKED_AT: usize = 2000;

/// What the collection is made of.
pub(crate) struct Material {
    captions: Vec<Vec<String>>,
    words: Vec<String>,
    /// Files of pictures.
    pub(crate) pictures: Vec<Vec<u8>>,
    state: Mutex<(ChaCha8Rng, HashSet<String>)>,
}

impl Material {
    /// Out of a running service.
    pub(crate) fn of(connection: &mut Connection, pictures: usize) -> Outcome<Self> {
        let (mut captions, mut files) = (Vec::new(), Vec::new());
        let mut cursor = String::new();
        while captions.len() < LOOKED_AT {
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

    /// A sentence that was not given before: a caption with one of its words replaced and one more behind it.
    pub(crate) fn sentence(&self) -> String {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (rng, given) = &mut *state;
        loop {
            let mut words = self.captions.choose(rng).cloned().unwrap_or_default();
            let any = |rng: &mut ChaCha8Rng| self.words.choose(rng).cloned().unwrap_or_default();
            if !words.is_empty() {
                let at = rng.random_range(0..words.len());
                words[at] = any(rng);
            }
            words.push(any(rng));
            let sentence = words.join(" ");
            if given.insert(sentence.clone()) {
                return sentence;
            }
        }
    }

    /// A picture of the collection.
    pub(crate) fn picture(&self) -> &[u8] {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.pictures.choose(&mut state.0).map_or(&[], Vec::as_slice)
    }
}

/// The request that asks for a text.
pub(crate) fn ask(text: &str) -> Vec<u8> {
    post("/v1/search/text", &json!({ "query": text }))
}
