//! Memory during many mixed requests.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::{
    client::{get, post, request},
    load_generator::{Until, run_clients},
    options::{BenchResult, Options},
    query_texts::{QueryTexts, text_search},
    server::Server,
};

/// Rows of the table.
const STEPS: usize = 10;

/// Sends `requests` requests. Of ten, four are new texts, two cached texts, one a page of items, one a picture, one a
/// new item and one a removal.
pub(crate) fn run(options: &Options, requests: usize) -> BenchResult<()> {
    let server = Server::start(options)?;
    let texts = QueryTexts::load(&mut server.connect()?, 50)?;
    let number = AtomicUsize::new(0);
    let next = || {
        let n = number.fetch_add(1, Ordering::Relaxed);
        match n % 10 {
            0..4 => text_search(&texts.new_text()),
            4 | 5 => text_search(&format!("a bird number {}", n % 97)),
            6 => get("/v1/items?limit=20"),
            7 => request("POST", "/v1/search/image", "image/png", texts.picture()),
            8 => {
                let item = json!({ "id": format!("soak-{}", n / 10), "captions": [texts.new_text()] });
                post("/v1/items/batch", &item)
            }
            _ => request("DELETE", &format!("/v1/items/soak-{}", (n / 10).saturating_sub(20)), "text/plain", &[]),
        }
    };
    println!("| requests | resident, MB | responses/s | rejected |");
    println!("|---|---|---|---|");
    println!("| 0 | {:.0} | – | – |", server.resident_mb()?);
    for step in 1..=STEPS {
        let stats = run_clients(&server, 8, Until::Requests(requests / STEPS), &next)?;
        let (sent, rejected) = (requests / STEPS * step, stats.rejected.values().sum::<usize>());
        println!("| {sent} | {:.0} | {:.0} | {rejected} |", server.resident_mb()?, stats.rate());
    }
    Ok(())
}
