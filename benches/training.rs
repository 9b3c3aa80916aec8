//! A pass over the training split against PyTorch with the authors' loss; and time and memory as a collection grows.
//!
//! `cargo bench --profile dev --bench training` prints the first as a table in Markdown; it needs Linux, `python3` with `venv`,
//! and at the first run a package index and some gigabytes of disk for PyTorch. `-- --scale` prints the second and needs Linux
//! alone. Features are random: what they say does not change what a step costs.

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
    model::{self, Event, FeatureMatrix, Objective, Part, Schedule, TrainSettings, TrainingData},
};
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use peers::{Peer, median};

/// What the program allocates with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The form of UCM-Captions' training split: 1680 pictures with five captions each.
const PAIRS: usize = 8400;
const IMAGE: usize = 1280;
const TEXT: usize = 384;
const CLASSES: usize = 21;

const ROUNDS: usize = 7;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|a| a == "--pairs").map(|at| arguments[at + 1].parse::<usize>()) {
        Some(pairs) => return grow(pairs?),
        None if arguments.iter().any(|a| a == "--scale") => return scale(),
        None => {}
    }
    // The thread pools of rayon and of candle's matrix product read this before their first use.
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

/// Seconds of wall and CPU of an epoch here, of PyTorch's Adam and of its fused Adam.
type Round = [(f64, f64); 3];

/// Interleaved rounds of an epoch here and there.
fn compare(threads: &str) -> Outcome<()> {
    let settings = authors();
    let course = &settings.class.course;
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("torch-venv");
    let mut peers = Vec::new();
    for fused in [false, true] {
        let mut peer = Peer::start("torch_dscmr.py", &[&venv, Path::new(threads)])?;
        peer.ask(&json!({
            "op": "data", "pairs": PAIRS, "image": IMAGE, "text": TEXT, "classes": CLASSES,
            "hidden": course.hidden, "dims": course.dims, "batch": course.batch, "fused": fused,
        }))?;
        peers.push(peer);
    }
    let data = synthetic(PAIRS);
    let mut rounds: Vec<Round> = Vec::new();
    // The first round warms up.
    for _ in 0..=ROUNDS {
        let ours = epochs(&data, &settings)?[0];
        let mut theirs = |at: usize| -> Outcome<(f64, f64)> {
            let answer = peers[at].ask(&json!({"op": "epoch"}))?;
            let number = |name: &str| answer.get(name).and_then(Value::as_f64).ok_or("a number was expected");
            Ok((number("wall")?, number("cpu")?))
        };
        rounds.push([(ours.wall.as_secs_f64(), ours.cpu.as_secs_f64()), theirs(0)?, theirs(1)?]);
    }
    let middle = |of: &dyn Fn(&Round) -> f64| median(rounds[1..].iter().map(of).collect());
    let cell = |at: usize| format!("{:.2}; {:.2}", middle(&|r| r[at].0), middle(&|r| r[at].1));
    // Of each round by itself, so that what else the machine does weighs on both.
    let ratio = |at: usize| format!("{:.2}", middle(&|r| r[0].1 / r[at].1));
    println!("| {threads} | {} | {} | {} | {} | {} |", cell(0), cell(1), ratio(1), cell(2), ratio(2));
    Ok(())
}

/// The authors' settings: one epoch of the paper's objective in batches of 100, nothing left out, nothing added.
fn authors() -> TrainSettings {
    let mut settings = TrainSettings::of(Objective::Dscmr);
    let course = &mut settings.class.course;
    (course.batch, course.max_epochs) = (100, Some(1));
    (course.dropout, course.noise) = (0.0, 0.0);
    (course.learning_rate, course.beta1, course.schedule) = (1e-4, 0.5, Schedule::Constant);
    settings
}

/// Grows a collection, each size in a process of its own, because memory is told of a process as a whole.
fn scale() -> Outcome<()> {
    println!(
        "| pairs | features, MB | class part, s an epoch | pair part, s an epoch | most memory, MB | beyond the features, MB |"
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

fn grow(pairs: usize) -> Outcome<()> {
    let data = synthetic(pairs);
    let mut settings = TrainSettings::default();
    settings.class.course.max_epochs = Some(1);
    settings.pair.course.max_epochs = Some(1);
    let measured = epochs(&data, &settings)?;
    let of = |part| measured.iter().find(|epoch| epoch.part == part).map_or(0.0, |epoch| epoch.wall.as_secs_f64());
    let features = ((data.images.values().len() + data.texts.values().len()) * 4) as f64 / 1e6;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let most =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    let most = most.ok_or("this system does not tell how much memory was taken")? * 1024.0 / 1e6;
    let (class, pair) = (of(Part::Class), of(Part::Pair));
    println!("| {pairs} | {features:.0} | {class:.1} | {pair:.1} | {most:.0} | {:.0} |", most - features);
    Ok(())
}

#[derive(Clone, Copy)]
struct Measured {
    part: Part,
    wall: Duration,
    cpu: Duration,
}

/// Trains, and says how long each epoch took.
fn epochs(data: &TrainingData, settings: &TrainSettings) -> Outcome<Vec<Measured>> {
    let mut found = Vec::new();
    let (mut wall, mut cpu) = (Instant::now(), ProcessTime::now());
    let encoders = ("random".to_owned(), "random".to_owned());
    model::train(data, settings, &encoders, None, &AtomicBool::new(false), &mut |event| match event {
        Event::Part { .. } => (wall, cpu) = (Instant::now(), ProcessTime::now()),
        Event::Epoch(epoch) => {
            found.push(Measured { part: epoch.part, wall: wall.elapsed(), cpu: cpu.elapsed() });
            (wall, cpu) = (Instant::now(), ProcessTime::now());
        }
    })?;
    Ok(found)
}

/// So many training pairs, and a tenth as many for validation, 100 at most so that it hardly counts; five captions an item.
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
