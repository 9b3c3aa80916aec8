//! One pass over the training split compared with PyTorch and the authors' loss; and time and memory by size of the
//! collection.
//!
//! `cargo bench --profile dev --bench training` prints the comparison as a Markdown table. It needs Linux and `python3`
//! with `venv`; the first run needs a package index and some gigabytes of disk for PyTorch. `-- --scale` prints the
//! second table and needs Linux only. Features are random, which does not change the cost of a step.

mod peers;

use std::{
    error::Error,
    path::Path,
    process::Command,
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use cpu_time::ProcessTime;
use diptych::{
    dataset::Split,
    model::{self, Event, FeatureMatrix, Head, Objective, Schedule, TrainSettings, TrainingData},
};
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use peers::{Peer, median};

/// The allocator of the diptych binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Shape of UCM-Captions' training split: 1680 images with five captions each.
const PAIRS: usize = 8400;
const IMAGE: usize = 1280;
const TEXT: usize = 384;
const CLASSES: usize = 21;

const ROUNDS: usize = 7;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|a| a == "--pairs").map(|at| arguments[at + 1].parse::<usize>()) {
        Some(pairs) => return measure_size(pairs?),
        None if arguments.iter().any(|a| a == "--scale") => return scale(),
        None => {}
    }
    // The thread pools of rayon and of candle's matrix product read this variable once.
    let Ok(threads) = std::env::var("RAYON_NUM_THREADS") else {
        println!("| threads | diptych, s of wall; CPU | PyTorch, Adam | ratio | PyTorch, fused Adam | ratio |");
        println!("|---|---|---|---|---|---|");
        for threads in ["1", "2"] {
            let status = Command::new(std::env::current_exe()?).env("RAYON_NUM_THREADS", threads).status()?;
            if !status.success() {
                return Err("the measuring process failed".into());
            }
        }
        return Ok(());
    };
    compare(&threads)
}

/// Wall and CPU seconds of an epoch: diptych, PyTorch's Adam, PyTorch's fused Adam.
type Round = [(f64, f64); 3];

/// Compares epochs of diptych and PyTorch in interleaved rounds.
fn compare(threads: &str) -> Outcome<()> {
    let settings = authors();
    let optimizer = &settings.class.optimizer;
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("torch-venv");
    let mut peers = Vec::new();
    for fused in [false, true] {
        let mut peer = Peer::start("torch_dscmr.py", &[&venv, Path::new(threads)])?;
        peer.request(&json!({
            "op": "data", "pairs": PAIRS, "image": IMAGE, "text": TEXT, "classes": CLASSES,
            "hidden": optimizer.hidden, "dims": optimizer.dims, "batch": optimizer.batch, "fused": fused,
        }))?;
        peers.push(peer);
    }
    let data = synthetic(PAIRS);
    let mut rounds: Vec<Round> = Vec::new();
    // The first round is a warm-up.
    for _ in 0..=ROUNDS {
        let ours = epochs(&data, &settings)?[0];
        let mut theirs = |at: usize| -> Outcome<(f64, f64)> {
            let answer = peers[at].request(&json!({"op": "epoch"}))?;
            let number = |name: &str| answer.get(name).and_then(Value::as_f64).ok_or("a number was expected");
            Ok((number("wall")?, number("cpu")?))
        };
        rounds.push([(ours.wall.as_secs_f64(), ours.cpu.as_secs_f64()), theirs(0)?, theirs(1)?]);
    }
    let middle = |of: &dyn Fn(&Round) -> f64| median(rounds[1..].iter().map(of).collect());
    let cell = |at: usize| format!("{:.2}; {:.2}", middle(&|r| r[at].0), middle(&|r| r[at].1));
    // The ratio within each round, so that other load on the machine affects both sides.
    let ratio = |at: usize| format!("{:.2}", middle(&|r| r[0].1 / r[at].1));
    println!("| {threads} | {} | {} | {} | {} | {} |", cell(0), cell(1), ratio(1), cell(2), ratio(2));
    Ok(())
}

/// The authors' settings: one epoch of the paper's objective in batches of 100, without dropout and noise.
fn authors() -> TrainSettings {
    let mut settings = TrainSettings::of(Objective::Dscmr);
    let optimizer = &mut settings.class.optimizer;
    (optimizer.batch, optimizer.max_epochs) = (100, Some(1));
    (optimizer.dropout, optimizer.noise) = (0.0, 0.0);
    (optimizer.learning_rate, optimizer.beta1, optimizer.schedule) = (1e-4, 0.5, Schedule::Constant);
    settings
}

/// Measures collections of several sizes, each in its own process, because peak memory is a property of a process.
fn scale() -> Outcome<()> {
    println!(
        "| pairs | features, MB | class head, s per epoch | pair head, s per epoch | peak memory, MB | \
         without features, MB |"
    );
    println!("|---|---|---|---|---|---|");
    for pairs in ["1000", "10000", "100000"] {
        let status = Command::new(std::env::current_exe()?).args(["--pairs", pairs]).status()?;
        if !status.success() {
            return Err("the measuring process failed".into());
        }
    }
    Ok(())
}

fn measure_size(pairs: usize) -> Outcome<()> {
    let data = synthetic(pairs);
    let mut settings = TrainSettings::default();
    settings.class.optimizer.max_epochs = Some(1);
    settings.pair.optimizer.max_epochs = Some(1);
    let measured = epochs(&data, &settings)?;
    let of = |head| measured.iter().find(|epoch| epoch.head == head).map_or(0.0, |epoch| epoch.wall.as_secs_f64());
    let features = ((data.images.values().len() + data.texts.values().len()) * 4) as f64 / 1e6;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    let peak = peak.ok_or("this system does not report peak memory")? * 1024.0 / 1e6;
    let (class, pair) = (of(Head::Class), of(Head::Pair));
    println!("| {pairs} | {features:.0} | {class:.1} | {pair:.1} | {peak:.0} | {:.0} |", peak - features);
    Ok(())
}

#[derive(Clone, Copy)]
struct EpochTime {
    head: Head,
    wall: Duration,
    cpu: Duration,
}

/// Trains and returns the duration of each epoch.
fn epochs(data: &TrainingData, settings: &TrainSettings) -> Outcome<Vec<EpochTime>> {
    let mut found = Vec::new();
    let (mut wall, mut cpu) = (Instant::now(), ProcessTime::now());
    let encoders = ("random".to_owned(), "random".to_owned());
    model::train(data, settings, &encoders, None, &AtomicBool::new(false), &mut |event| match event {
        Event::HeadStarted { .. } => (wall, cpu) = (Instant::now(), ProcessTime::now()),
        Event::Epoch(epoch) => {
            found.push(EpochTime { head: epoch.head, wall: wall.elapsed(), cpu: cpu.elapsed() });
            (wall, cpu) = (Instant::now(), ProcessTime::now());
        }
    })?;
    Ok(found)
}

/// A collection with this many training pairs, five captions per item. The validation split has a tenth as many pairs,
/// and at most 100, so that it hardly affects the time.
fn synthetic(pairs: usize) -> TrainingData {
    let (training, validation) = (pairs.div_ceil(5), pairs.div_ceil(50).min(20));
    let items = training + validation;
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    let mut random = |rows: usize, cols: usize| {
        let values = (0..rows * cols).map(|_| rng.random_range(0.0f32..1.0)).collect();
        FeatureMatrix::new(cols, values).expect("whole rows")
    };
    TrainingData {
        images: random(items, IMAGE),
        texts: random(items * 5, TEXT),
        text_items: (0..items as u32 * 5).map(|text| text / 5).collect(),
        labels: (0..items).map(|item| vec![(item % CLASSES) as u32]).collect(),
        splits: (0..items).map(|item| if item < training { Split::Train } else { Split::Validation }).collect(),
        classes: (0..CLASSES).map(|class| class.to_string()).collect(),
        token_embeddings: None,
    }
}
