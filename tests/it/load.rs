//! More queries than the machine can answer: each is answered or refused in order, what nobody waits for is not
//! computed, and everything else goes on. And whether a query was alone, in a crowd or asked before shows in nothing
//! but its time.

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

/// A text as long as the encoder reads, which no other number gives.
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

async fn ask(client: &Client, server: &Server, body: Value) -> Response {
    client.post(format!("{}/v1/search/text", server.base)).json(&body).send().await.expect("a response")
}

async fn json(response: Response) -> Value {
    response.json().await.expect("JSON")
}

/// A number that Prometheus is told.
async fn metric(client: &Client, server: &Server, name: &str) -> f64 {
    let metrics = client.get(format!("{}/metrics", server.base)).send().await.expect("a response");
    let metrics = metrics.text().await.expect("text");
    metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0.0)
}

const WAITING: &str = "diptych_query_queue_depth{encoder=\"text\"}";
const ENCODED: &str = "diptych_query_batch_texts_sum";

async fn until_nobody_waits(client: &Client, server: &Server) {
    wait_for("an empty queue", Duration::from_secs(60), async || {
        (metric(client, server, WAITING).await == 0.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn overload_gets_503_and_probes_are_still_served() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let client = Client::new();
    let over = AtomicBool::new(false);
    let watch = async {
        let (mut slowest, mut looks) = (Duration::ZERO, 0);
        while !over.load(Ordering::Relaxed) || looks == 0 {
            for path in ["/healthz", "/readyz", "/metrics", "/v1/info", "/v1/tasks", "/v1/models"] {
                let began = Instant::now();
                let response = client.get(format!("{}{path}", server.base)).send().await.expect("a response");
                assert_eq!(response.status(), 200, "{path} while searches are refused");
                response.bytes().await.expect("a body");
                slowest = slowest.max(began.elapsed());
                looks += 1;
            }
        }
        slowest
    };
    let flood = async {
        let asked = (0..160).map(async |n| {
            let mut body = json!({"query": long_text(n)});
            if n % 8 == 7 {
                body["timeout_ms"] = json!(400);
            }
            let response = ask(&client, &server, body).await;
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
        let statuses = join_all(asked).await;
        over.store(true, Ordering::Relaxed);
        statuses
    };
    let (statuses, slowest) = tokio::join!(flood, watch);
    let count = |status: u16| statuses.iter().filter(|s| **s == status).count();
    // As many as the queue holds were not refused; of those, some ran out of their own time.
    let (answered, refused, late) = (count(200), count(503), count(504));
    assert!(answered + late >= 60 && answered >= 40 && refused > 0, "200: {answered}, 503: {refused}, 504: {late}");
    assert!(slowest < Duration::from_secs(5), "the slowest of all else took {slowest:?}");

    until_nobody_waits(&client, &server).await;
    let response = ask(&client, &server, json!({"query": "a bird on a branch"})).await;
    assert_eq!(response.status(), 200, "afterwards all is as before");
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
    // The service has asked itself something to be warm.
    let before = metric(&client, &server, ENCODED).await;
    let patient = (0..40).map(|n| ask(&client, &server, json!({"query": long_text(n)})));
    let hurried = async {
        wait_for("a queue", Duration::from_secs(20), async || {
            (metric(&client, &server, WAITING).await > 30.0).then_some(())
        })
        .await;
        let began = Instant::now();
        let late = (100..120).map(|n| ask(&client, &server, json!({"query": long_text(n), "timeout_ms": 50})));
        for response in join_all(late).await {
            assert_eq!(response.status(), 504);
            let body = json(response).await;
            assert!(body["detail"].as_str().is_some_and(|detail| detail.ends_with("its timeout_ms of 50")), "{body}");
        }
        assert!(began.elapsed() < Duration::from_secs(5), "they were told after {:?}", began.elapsed());
    };
    let (responses, ()) = tokio::join!(join_all(patient), hurried);
    assert!(responses.iter().all(|response| response.status() == 200), "who waits is answered");
    assert_eq!(metric(&client, &server, ENCODED).await - before, 40.0, "and nothing else was encoded");

    // Clients that hang up.
    let gone = Client::new();
    let asked = join_all((200..240).map(|n| ask(&gone, &server, json!({"query": long_text(n)}))));
    tokio::select! {
        _ = asked => panic!("forty long texts take longer than that"),
        () = wait_for("a queue", Duration::from_secs(20), async || {
            (metric(&client, &server, WAITING).await > 30.0).then_some(())
        }) => {}
    }
    drop(gone);
    let began = Instant::now();
    until_nobody_waits(&client, &server).await;
    let encoded = metric(&client, &server, ENCODED).await - before - 40.0;
    assert!(encoded <= 25.0, "{encoded} texts were encoded for nobody in {:?}", began.elapsed());
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
    // Forty pictures take seconds; a word among them waits for none of them.
    let words = async {
        wait_for("a queue of pictures", Duration::from_secs(20), async || {
            (metric(&client, &server, "diptych_query_queue_depth{encoder=\"image\"}").await > 20.0).then_some(())
        })
        .await;
        let response = json(ask(&client, &server, json!({"query": "a bird"})).await).await;
        let behind = metric(&client, &server, "diptych_query_queue_depth{encoder=\"image\"}").await;
        assert!(response["took_ms"]["queue"].as_f64().is_some_and(|ms| ms < 500.0), "{response}");
        assert!(behind > 0.0, "the pictures were through before the word was");
    };
    let (pictures, ()) = tokio::join!(join_all((0..40).map(picture)), words);
    assert!(pictures.iter().all(|response| response.status() == 200));
    // And a picture waits for none of forty long texts.
    let one = async {
        wait_for("a queue of texts", Duration::from_secs(20), async || {
            (metric(&client, &server, WAITING).await > 20.0).then_some(())
        })
        .await;
        let response = json(picture(0).await).await;
        assert!(response["took_ms"]["queue"].as_f64().is_some_and(|ms| ms < 500.0), "{response}");
        assert!(metric(&client, &server, WAITING).await > 0.0, "the texts were through before the picture was");
    };
    let (texts, ()) =
        tokio::join!(join_all((0..60).map(|n| ask(&client, &server, json!({"query": long_text(n)})))), one);
    assert!(texts.iter().all(|response| response.status() == 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_do_not_depend_on_concurrent_or_cached_queries() {
    let Some(collection) = trained_collection() else { return };
    let (first, second) = (copy_collection(collection), copy_collection(collection));
    let (alone, crowded) = (Server::start(first.path()).await, Server::start(second.path()).await);
    let client = Client::new();
    let text = |n: usize| {
        let words = ["a bird", "two dogs on the beach", "a red boat", "an old house among trees", "x"];
        format!("{} {}", words[n % 5], "and another ".repeat(n / 5))
    };
    let told = async |server: &Server, text: &str| {
        let response = json(ask(&client, server, json!({"query": text, "target": "any", "limit": 50})).await).await;
        let encode = response["took_ms"]["encode"].as_f64().expect("a time");
        (response["results"].clone(), response["query"].clone(), encode)
    };
    // The service has asked itself something to be warm.
    let counted = async || {
        let [hits, misses] = ["hits", "misses"].map(|what| format!("diptych_query_cache_{what}_total"));
        [
            metric(&client, &alone, &hits).await,
            metric(&client, &alone, &misses).await,
            metric(&client, &alone, ENCODED).await,
        ]
    };
    let warm = counted().await;
    let mut expected = Vec::new();
    for n in 0..40 {
        expected.push(told(&alone, &text(n)).await);
    }
    let texts: Vec<String> = (0..40).map(text).collect();
    let together = join_all(texts.iter().map(|text| told(&crowded, text))).await;
    for ((n, expected), together) in (0..).zip(&expected).zip(&together) {
        assert_eq!((&expected.0, &expected.1), (&together.0, &together.1), "text {n}, to the last digit");
    }
    let batches = metric(&client, &crowded, "diptych_query_batch_texts_count").await;
    assert!(batches < 40.0, "forty texts at once came in {batches} batches");

    // The same words otherwise written are the same words.
    assert_eq!(counted().await[0], warm[0]);
    let mut times = Vec::new();
    for (text, first) in texts.iter().zip(&expected) {
        let again = told(&alone, &format!(" {} ", text.to_uppercase().replace(' ', "  "))).await;
        assert_eq!((&again.0, &again.1), (&first.0, &first.1), "{text}");
        times.push(again.2);
    }
    // One may be held up by whatever else the machine does; most are not.
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let (first, again) = (median(expected.iter().map(|told| told.2).collect()), median(times));
    assert!(again < first / 4.0, "encoding took {first} ms, and {again} ms again");
    let after = counted().await;
    assert_eq!([0, 1, 2].map(|at| after[at] - warm[at]), [40.0; 3], "from {warm:?} to {after:?}");
}
