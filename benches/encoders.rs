//! Compares both encoders to onnxruntime: the same weights, one thread, measured alternately in one run.
//!
//! `cargo bench --bench encoders` prints a Markdown table. It needs Linux (for CPU times), `python3` with `venv`, and
//! a package index for the first run. Missing encoders are pulled into `DIPTYCH_MODELS` or `models/`.

mod peers;

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use diptych::{
    core::Picture,
    encoders::{Registry, Views},
};
use serde_json::{Value, json};

use peers::{Peer, median};

const ROUNDS: usize = 15;
const IMAGE: &str = "efficientnet-lite0";
const TEXT: &str = "all-minilm-l6-v2";
/// Words of one token each, so that a text of fourteen has sixteen tokens with the two special ones.
const WORDS: [&str; 20] = [
    "a", "bird", "on", "the", "branch", "of", "an", "old", "tree", "sings", "while", "two", "dogs", "run", "along",
    "beach", "at", "night", "with", "children",
];

type BenchResult<T> = Result<T, Box<dyn Error>>;

fn main() -> BenchResult<()> {
    let dir = std::env::var_os("DIPTYCH_MODELS").map(PathBuf::from);
    let registry = Registry::open(dir.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("models")))?;
    if std::env::args().any(|argument| argument == "--memory") {
        return memory(&registry);
    }
    // The thread pools of rayon and of candle's matrix product read this before their first use.
    if std::env::var_os("RAYON_NUM_THREADS").is_none_or(|threads| threads != "1") {
        let status = Command::new(std::env::current_exe()?).env("RAYON_NUM_THREADS", "1").status()?;
        return if status.success() { Ok(()) } else { Err("the benchmark process failed".into()) };
    }
    for id in [IMAGE, TEXT] {
        registry.pull(id, &mut |_| {})?;
    }
    let (images, texts) = (registry.open_image(IMAGE)?, registry.open_text(TEXT)?);
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut peer = Peer::start("onnx_encoders.py", &[&scratch.join("onnx-venv"), registry.dir()])?;

    println!("| network | CPU ms | onnxruntime | ratio | wall ms | onnxruntime | ratio |");
    println!("|---|---|---|---|---|---|---|");
    let picture = test_picture(224, 224);
    let path = scratch.join("encoders-bench.rgb");
    fs::write(&path, picture.rgb())?;
    let repeats = 10;
    let request = json!({"op": "picture", "path": path, "repeats": repeats});
    let pictures = [picture];
    // The network alone is what both have.
    let upright = registry.open_image_views(IMAGE, Views::Upright)?;
    let ours = || Ok(upright.encode(&pictures)?);
    race("EfficientNet-Lite0, one view, 224×224, batch 1", repeats, 1, &ours, &mut peer, &request)?;

    for (name, batch, repeats) in
        [("MiniLM, text of 16 tokens, batch 32", 32, 3), ("MiniLM, text of 16 tokens, batch 1", 1, 20)]
    {
        let words: Vec<Vec<&str>> =
            (0..batch).map(|n| (0..14).map(|at| WORDS[(n * 3 + at * (n + 1)) % WORDS.len()]).collect()).collect();
        let sentences: Vec<String> = words.iter().map(|words| words.join(" ")).collect();
        let sentences: Vec<&str> = sentences.iter().map(String::as_str).collect();
        let request = json!({"op": "sentences", "words": words, "repeats": repeats});
        let ours = || Ok(texts.encode(&sentences)?);
        race(name, repeats, batch, &ours, &mut peer, &request)?;
    }

    println!();
    for (width, height) in [(256, 256), (640, 480), (4000, 3000)] {
        let pictures = [test_picture(width, height)];
        let (_, cpu) = timed(3, &|| Ok(images.encode(&pictures)?))?;
        println!("A picture of {width}×{height} takes {:.1} ms of CPU with resizing and all views.", cpu * 1e3 / 3.0);
    }
    let output = Command::new(std::env::current_exe()?).arg("--memory").env("RAYON_NUM_THREADS", "1").output()?;
    print!("{}", String::from_utf8(output.stdout)?);
    Ok(())
}

/// Prints the peak memory that loading the image encoder and encoding one picture adds to a new process.
fn memory(registry: &Registry) -> BenchResult<()> {
    let picture = [test_picture(640, 480)];
    let before = status("VmRSS:")?;
    let encoder = registry.open_image(IMAGE)?;
    encoder.encode(&picture)?;
    let peak = status("VmHWM:")?;
    println!("Peak memory of the image encoder at batch 1, including loading: {} MB.", (peak - before) / 1_000_000);
    Ok(())
}

/// Measures `ours` and the peer alternately and prints a row of medians. Both must compute the same features.
fn race(
    name: &str,
    repeats: usize,
    items: usize,
    ours: &dyn Fn() -> BenchResult<Vec<Vec<f32>>>,
    peer: &mut Peer,
    request: &Value,
) -> BenchResult<()> {
    let theirs: Vec<Vec<f32>> = serde_json::from_value(peer.request(request)?["features"].take())?;
    for (a, b) in ours()?.iter().zip(&theirs) {
        let cosine = cosine(a, b);
        if a.len() != b.len() || cosine.is_nan() || cosine < 0.999 {
            return Err(format!("{name}: the features differ, cosine {cosine}").into());
        }
    }
    let mut rounds = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        let (wall, cpu) = timed(repeats, ours)?;
        let answer = peer.request(request)?;
        let number = |key: &str| answer[key].as_f64().ok_or("the peer returned no seconds");
        for (times, time) in rounds.iter_mut().zip([cpu, number("cpu")?, wall, number("wall")?]) {
            times.push(time * 1e3 / (repeats * items) as f64);
        }
    }
    let [cpu, their_cpu, wall, their_wall] = rounds.map(median);
    println!(
        "| {name} | {cpu:.2} | {their_cpu:.2} | {:.2} | {wall:.2} | {their_wall:.2} | {:.2} |",
        cpu / their_cpu,
        wall / their_wall
    );
    Ok(())
}

/// Wall and CPU time of all repeats together, in seconds.
fn timed(repeats: usize, work: &dyn Fn() -> BenchResult<Vec<Vec<f32>>>) -> BenchResult<(f64, f64)> {
    let (wall, cpu) = (Instant::now(), cpu_seconds()?);
    for _ in 0..repeats {
        std::hint::black_box(work()?);
    }
    Ok((wall.elapsed().as_secs_f64(), cpu_seconds()? - cpu))
}

/// CPU time of all threads of this process.
fn cpu_seconds() -> BenchResult<f64> {
    let mut nanoseconds = 0u64;
    for task in fs::read_dir("/proc/self/task")? {
        let stat = fs::read_to_string(task?.path().join("schedstat"))?;
        nanoseconds += stat.split(' ').next().ok_or("schedstat has no time")?.parse::<u64>()?;
    }
    Ok(nanoseconds as f64 * 1e-9)
}

/// A value of /proc/self/status in bytes.
fn status(key: &str) -> BenchResult<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)).ok_or("/proc/self/status lacks the line")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Coloured rings on a gradient: smooth areas, edges and texture.
fn test_picture(width: u32, height: u32) -> Picture {
    let pixel = |x: u32, y: u32| {
        let (dx, dy) = (i64::from(x) - i64::from(width / 2), i64::from(y) - i64::from(height / 2));
        let ring = (dx * dx + dy * dy) / 97 % 256;
        [(x * 255 / width) as u8, (y * 255 / height) as u8, ring as u8]
    };
    let rgb = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).flat_map(|(x, y)| pixel(x, y)).collect();
    Picture::new(width, height, rgb).expect("both sides are above 0")
}
