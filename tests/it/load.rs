//! Overload: excess queries are rejected, abandoned ones are not computed, and other requests are still served. Results
//! do not depend on concurrent queries or on the cache.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::{
    common::{Server, copy_collection, trained_collection, wait_for},
    search::drawn_picture,
};

/// A text of the maximum length that the encoder reads, unique to its number.
fn long_text(number: usize) -> String {
    (0..250).map(|at| ["bird", "tree", "boat", "house", "cat"][(number * 7 + at * (number + 1)) % 5]).fold(
        format!("number {number}"),
        |mut text, word| {
            text.push(' ');
            text.push_str(word);
            text
        },
    )
}

async fn search(client: &Client, server: &Server, body: Value) -> Response {
    client.post(format!("{}/v1/search/text", server.base)).json(&body).send().await.expect("a response")
}

async fn json(response: Response) -> Value {
    response.json().await.expect("JSON")
}

/// The value of a Prometheus metric, or 0 if it does not exist.
async fn metric(client: &Client, server: &Server, name: &str) -> f64 {
    let metrics = client.get(format!("{}/metrics", server.base)).send().await.expect("a response");
    let metrics = metrics.text().await.expect("text");
    metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0.0)
}

const QUEUED_TEXTS: &str = "diptych_query_queue_depth{encoder=\"text\"}";
const ENCODED_TEXTS: &str = "diptych_query_batch_texts_sum";

async fn wait_for_empty_queue(client: &Client, server: &Server) {
    wait_for("an empty queue", Duration::from_secs(60), async || {
        (metric(client, server, QUEUED_TEXTS).await == 0.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn overload_gets_503_and_probes_are_still_served() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let client = Client::new();
    let done = AtomicBool::new(false);
    let probe = async {
        let (mut slowest, mut probes) = (Duration::ZERO, 0);
        while !done.load(Ordering::Relaxed) || probes == 0 {
            for path in ["/healthz", "/readyz", "/metrics", "/v1/info", "/v1/tasks", "/v1/models"] {
                let began = Instant::now();
                let response = client.get(format!("{}{path}", server.base)).send().await.expect("a response");
                assert_eq!(response.status(), 200, "{path} while searches are rejected");
                response.bytes().await.expect("a body");
                slowest = slowest.max(began.elapsed());
                probes += 1;
            }
        }
        slowest
    };
    let searches = async {
        let requests = (0..160).map(async |n| {
            let mut body = json!({"query": long_text(n)});
            if n % 8 == 7 {
                body["timeout_ms"] = json!(400);
            }
            let response = search(&client, &server, body).await;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = json(response).await;
            match status {
                200 => assert!(body["results"].as_array().is_some_and(|results| !results.is_empty()), "{body}"),
                503 => {
                    assert_eq!(body["code"], "overloaded");
                    assert!(headers["retry-after"].to_str().is_ok_and(|s| s.parse::<u32>().is_ok()), "{headers:?}");
                }
                504 => assert!(n % 8 == 7 && body["code"] == "timeout", "{body}"),
                other => panic!("{other}: {body}"),
            }
            status
        });
        let statuses = join_all(requests).await;
        done.store(true, Ordering::Relaxed);
        statuses
    };
    let (statuses, slowest) = tokio::join!(searches, probe);
    let count = |status: u16| statuses.iter().filter(|s| **s == status).count();
    // The queue accepts a fixed number; some of these exceed their own timeout.
    let (answered, refused, timed_out) = (count(200), count(503), count(504));
    assert!(
        answered + timed_out >= 60 && answered >= 40 && refused > 0,
        "200: {answered}, 503: {refused}, 504: {timed_out}"
    );
    assert!(slowest < Duration::from_secs(5), "the slowest other request took {slowest:?}");

    wait_for_empty_queue(&client, &server).await;
    let response = search(&client, &server, json!({"query": "a bird on a branch"})).await;
    assert_eq!(response.status(), 200, "searches succeed afterwards");
    let metrics = client.get(format!("{}/metrics", server.base)).send().await.expect("a response");
    let metrics = metrics.text().await.expect("text");
    for stage in ["queue", "encode", "search", "hydrate"] {
        assert!(metrics.contains(&format!("diptych_query_stage_seconds_bucket{{stage=\"{stage}\",le=\"0.001\"}}")));
    }
    for name in
        ["diptych_query_batch_texts_bucket{le=\"4\"}", "diptych_query_cache_bytes", "diptych_query_cache_entries"]
    {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn abandoned_queries_are_not_encoded() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let client = Client::new();
    // The warm-up encodes queries too.
    let before = metric(&client, &server, ENCODED_TEXTS).await;
    let searches = (0..40).map(|n| search(&client, &server, json!({"query": long_text(n)})));
    let impatient_searches = async {
        wait_for("a queue", Duration::from_secs(20), async || {
            (metric(&client, &server, QUEUED_TEXTS).await > 30.0).then_some(())
        })
        .await;
        let began = Instant::now();
        let timed_out = (100..120).map(|n| search(&client, &server, json!({"query": long_text(n), "timeout_ms": 50})));
        for response in join_all(timed_out).await {
            assert_eq!(response.status(), 504);
            let body = json(response).await;
            assert!(body["detail"].as_str().is_some_and(|detail| detail.ends_with("its timeout_ms of 50")), "{body}");
        }
        assert!(began.elapsed() < Duration::from_secs(5), "they timed out after {:?}", began.elapsed());
    };
    let (responses, ()) = tokio::join!(join_all(searches), impatient_searches);
    assert!(responses.iter().all(|response| response.status() == 200), "clients that wait get a response");
    assert_eq!(metric(&client, &server, ENCODED_TEXTS).await - before, 40.0, "abandoned queries are not encoded");

    // Clients that disconnect.
    let short_lived_client = Client::new();
    let requests = join_all((200..240).map(|n| search(&short_lived_client, &server, json!({"query": long_text(n)}))));
    tokio::select! {
        _ = requests => panic!("forty long texts take longer than that"),
        () = wait_for("a queue", Duration::from_secs(20), async || {
            (metric(&client, &server, QUEUED_TEXTS).await > 30.0).then_some(())
        }) => {}
    }
    drop(short_lived_client);
    let began = Instant::now();
    wait_for_empty_queue(&client, &server).await;
    let encoded = metric(&client, &server, ENCODED_TEXTS).await - before - 40.0;
    assert!(encoded <= 25.0, "{encoded} abandoned texts were encoded in {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn image_and_text_queries_do_not_block_each_other() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let client = Client::new();
    let picture = async |_: usize| {
        let post = client.post(format!("{}/v1/search/image", server.base)).header("content-type", "image/bmp");
        post.body(drawn_picture()).send().await.expect("a response")
    };
    // Forty pictures take seconds; a text query does not wait for them.
    let search_text = async {
        wait_for("a queue of pictures", Duration::from_secs(20), async || {
            (metric(&client, &server, "diptych_query_queue_depth{encoder=\"image\"}").await > 20.0).then_some(())
        })
        .await;
        let response = json(search(&client, &server, json!({"query": "a bird"})).await).await;
        let queued_images = metric(&client, &server, "diptych_query_queue_depth{encoder=\"image\"}").await;
        assert!(response["took_ms"]["queue"].as_f64().is_some_and(|ms| ms < 500.0), "{response}");
        assert!(queued_images > 0.0, "the pictures were encoded before the text");
    };
    let (pictures, ()) = tokio::join!(join_all((0..40).map(picture)), search_text);
    assert!(pictures.iter().all(|response| response.status() == 200));
    // An image query does not wait for long texts.
    let search_image = async {
        wait_for("a queue of texts", Duration::from_secs(20), async || {
            (metric(&client, &server, QUEUED_TEXTS).await > 20.0).then_some(())
        })
        .await;
        let response = json(picture(0).await).await;
        assert!(response["took_ms"]["queue"].as_f64().is_some_and(|ms| ms < 500.0), "{response}");
        assert!(metric(&client, &server, QUEUED_TEXTS).await > 0.0, "the texts were encoded before the picture");
    };
    let (texts, ()) =
        tokio::join!(join_all((0..60).map(|n| search(&client, &server, json!({"query": long_text(n)})))), search_image);
    assert!(texts.iter().all(|response| response.status() == 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_do_not_depend_on_concurrent_or_cached_queries() {
    let Some(collection) = trained_collection() else { return };
    let (first, second) = (copy_collection(collection), copy_collection(collection));
    let (idle_server, loaded_server) = (Server::start(first.path()).await, Server::start(second.path()).await);
    let client = Client::new();
    let text = |n: usize| {
        let phrases = ["a bird", "two dogs on the beach", "a red boat", "an old house among trees", "x"];
        format!("{} {}", phrases[n % 5], "and another ".repeat(n / 5))
    };
    let search_result = async |server: &Server, text: &str| {
        let response = json(search(&client, server, json!({"query": text, "target": "any", "limit": 50})).await).await;
        let encode = response["took_ms"]["encode"].as_f64().expect("a time");
        (response["results"].clone(), response["query"].clone(), encode)
    };
    // The warm-up encodes queries too.
    let cache_counters = async || {
        let [hits, misses] = ["hits", "misses"].map(|what| format!("diptych_query_cache_{what}_total"));
        [
            metric(&client, &idle_server, &hits).await,
            metric(&client, &idle_server, &misses).await,
            metric(&client, &idle_server, ENCODED_TEXTS).await,
        ]
    };
    let initial = cache_counters().await;
    let mut expected = Vec::new();
    for n in 0..40 {
        expected.push(search_result(&idle_server, &text(n)).await);
    }
    let texts: Vec<String> = (0..40).map(text).collect();
    let concurrent = join_all(texts.iter().map(|text| search_result(&loaded_server, text))).await;
    for ((n, expected), concurrent) in (0..).zip(&expected).zip(&concurrent) {
        assert_eq!((&expected.0, &expected.1), (&concurrent.0, &concurrent.1), "text {n} has exactly the same results");
    }
    let batches = metric(&client, &loaded_server, "diptych_query_batch_texts_count").await;
    assert!(batches < 40.0, "forty concurrent texts were encoded in {batches} batches");

    // Case and whitespace do not matter to the cache.
    assert_eq!(cache_counters().await[0], initial[0]);
    let mut times = Vec::new();
    for (text, first) in texts.iter().zip(&expected) {
        let repeated = search_result(&idle_server, &format!(" {} ", text.to_uppercase().replace(' ', "  "))).await;
        assert_eq!((&repeated.0, &repeated.1), (&first.0, &first.1), "{text}");
        times.push(repeated.2);
    }
    // The median is robust against other load on the machine.
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let (first, repeated) = (median(expected.iter().map(|result| result.2).collect()), median(times));
    assert!(repeated < first / 4.0, "encoding took {first} ms, and {repeated} ms again");
    let after = cache_counters().await;
    assert_eq!([0, 1, 2].map(|at| after[at] - initial[at]), [40.0; 3], "from {initial:?} to {after:?}");
}
