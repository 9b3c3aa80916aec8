//! Memory after many mixed requests.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::{
    Outcome, Wishes,
    client::{get, post, request},
    load_generator::{Until, drive},
    query_texts::{Material, ask},
};

/// Rows of the table.
const STEPS: usize = 10;

/// Asks so many things, of every ten: four new texts, two known ones, a page of items, a picture, an item that comes and one that goes.
pub(crate) fn soak(wishes: &Wishes, requests: usize) -> Outcome<()> {
    let server = wishes.serve()?;
    let material = Material::of(&mut server.connect()?, 50)?;
    let number = AtomicUsize::new(0);
    let next = || {
        let n = number.fetch_add(1, Ordering::Relaxed);
        match n % 10 {
            0..4 => ask(&material.sentence()),
            4 | 5 => ask(&format!("a bird number {}", n % 97)),
            6 => get("/v1/items?limit=20"),
            7 => request("POST", "/v1/search/image", "image/png", material.picture()),
            8 => {
                post("/v1/items/batch", &json!({ "id": format!("soak-{}", n / 10), "captions": [material.sentence()] }))
            }
            _ => request("DELETE", &format!("/v1/items/soak-{}", (n / 10).saturating_sub(20)), "text/plain", &[]),
        }
    };
    println!("| requests | resident, MB | answers/s | refused |");
    println!("|---|---|---|---|");
    println!("| 0 | {:.0} | – | – |", server.resident_mb()?);
    for step in 1..=STEPS {
        let seen = drive(&server, 8, Until::Asked(requests / STEPS), &next)?;
        let refused: usize = seen.refused.values().sum();
        println!("| {} | {:.0} | {:.0} | {refused} |", requests / STEPS * step, server.resident_mb()?, seen.rate());
    }
    Ok(())
}
