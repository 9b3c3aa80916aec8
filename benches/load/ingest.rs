//! Throughput of new items.

use std::sync::atomic::{AtomicUsize, Ordering};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    client::{post, request},
    load_generator::{Until, run_clients},
    options::{BenchResult, Options},
    query_texts::QueryTexts,
    server::Server,
    stats::{LoadStats, median, rejections},
};

/// Creates the next request.
type Next<'a> = &'a (dyn Fn() -> Vec<u8> + Sync);

/// Items of a bulk request with captions only.
const CAPTIONS: usize = 50;

/// Items of a bulk request with pictures, which take much longer.
const PICTURES: usize = 10;

pub(crate) fn run(options: &Options, server: &Server, texts: &QueryTexts) -> BenchResult<()> {
    let number = AtomicUsize::new(0);
    let id = || format!("load-{}", number.fetch_add(1, Ordering::Relaxed));
    // A comment after the end of the image data makes each file unique without changing the image.
    let picture = |id: &str| [texts.picture(), format!("<!-- {id} -->").as_bytes()].concat();
    let item = |with_picture: bool| -> Value {
        let id = id();
        let mut item = json!({ "id": id, "captions": [texts.new_text()], "labels": ["load"] });
        if with_picture {
            item["image_base64"] = STANDARD.encode(picture(&id)).into();
        }
        item
    };
    let one_caption = || post("/v1/items", &item(false));
    let one_pair = || {
        let item = item(false);
        let picture = picture(item["id"].as_str().unwrap_or_default());
        const BOUNDARY: &str = "load-boundary-7d1b";
        let head = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"item\"\r\n\r\n{item}\r\n--{BOUNDARY}\r\n\
             content-disposition: form-data; name=\"image\"; filename=\"p\"\r\n\r\n"
        );
        let body = [head.as_bytes(), &picture, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat();
        request("POST", "/v1/items", &format!("multipart/form-data; boundary={BOUNDARY}"), &body)
    };
    let many = |with_picture: bool| {
        let items = if with_picture { PICTURES } else { CAPTIONS };
        let lines: Vec<String> = (0..items).map(|_| item(with_picture).to_string()).collect();
        request("POST", "/v1/items/batch", "application/jsonl", lines.join("\n").as_bytes())
    };
    let cases: [(&str, usize, Next<'_>); 4] = [
        ("captions, one per request", 1, &one_caption),
        ("pictures with a caption, one per request", 1, &one_pair),
        ("captions, 50 per request", CAPTIONS, &|| many(false)),
        ("pictures with a caption, 10 per request", PICTURES, &|| many(true)),
    ];
    println!("\n| new items, 4 clients | items/s | p50 of a request, ms | p99, ms | rejected |");
    println!("|---|---|---|---|---|");
    for (name, items, next) in cases {
        let mut rounds = Vec::new();
        for _ in 0..options.rounds {
            rounds.push(run_clients(server, 4, Until::For(options.seconds), next)?);
        }
        let of = |what: &dyn Fn(&LoadStats) -> f64| median(rounds.iter().map(what));
        let rejected = rejections(&rounds);
        println!(
            "| {name} | {:.0} | {:.1} | {:.1} | {rejected} |",
            of(&LoadStats::rate) * items as f64,
            of(&|stats| stats.quantile_ms(0.5)),
            of(&|stats| stats.quantile_ms(0.99))
        );
    }
    Ok(())
}
