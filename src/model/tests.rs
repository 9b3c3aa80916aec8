//! Whole trainings on a small collection of drawn features.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use rand::RngExt;

use super::{
    DscmrError, Event, FeatureMatrix, Model, Objective, Part, TextNetwork, TrainSettings, TrainingData,
    dscmr::network::generator,
    evaluate, train,
    trained_model::{View, softmax},
};
use crate::{dataset::Split, encoders::TokenEmbeddings};

const CLASSES: usize = 4;
const ITEMS: usize = 240;
const CAPTIONS: usize = 2;

/// Items of four classes that differ within their class; pictures and captions show both class and item, each in features of
/// its own.
fn data() -> TrainingData {
    let mut rng = generator(1, "collection");
    let mut draw = |count: usize| -> Vec<f32> { (0..count).map(|_| rng.random_range(-1.0..1.0)).collect() };
    let (hidden, image, text) = (8, 20, 16);
    let (centres, own) = (draw(CLASSES * hidden), draw(ITEMS * hidden));
    let (to_image, to_text) = (draw(hidden * image), draw(hidden * text));
    let mut through = |item: usize, map: &[f32], cols: usize| -> Vec<f32> {
        let noise = draw(cols);
        let meant = |h: usize| 2.0 * centres[item % CLASSES * hidden + h] + own[item * hidden + h];
        let sum = |col: usize| (0..hidden).map(|h| meant(h) * map[h * cols + col]).sum::<f32>();
        (0..cols).map(|col| sum(col) + 0.1 * noise[col]).collect()
    };
    let images: Vec<f32> = (0..ITEMS).flat_map(|item| through(item, &to_image, image)).collect();
    let texts: Vec<f32> = (0..ITEMS * CAPTIONS).flat_map(|n| through(n / CAPTIONS, &to_text, text)).collect();
    let split = |item: usize| match item / CLASSES % 5 {
        0 => Split::Validation,
        1 => Split::Test,
        _ => Split::Train,
    };
    TrainingData {
        images: FeatureMatrix::new(image, images).expect("a matrix"),
        texts: FeatureMatrix::new(text, texts).expect("a matrix"),
        text_items: (0..ITEMS * CAPTIONS).map(|n| (n / CAPTIONS) as u32).collect(),
        labels: (0..ITEMS).map(|item| vec![(item % CLASSES) as u32]).collect(),
        splits: (0..ITEMS).map(split).collect(),
        classes: (0..CLASSES).map(|class| format!("class {class}")).collect(),
        token_embeddings: None,
    }
}

fn settings() -> TrainSettings {
    let mut settings = TrainSettings { image_power: 1.0, ..TrainSettings::default() };
    for course in [&mut settings.class.course, &mut settings.pair.course] {
        (course.hidden, course.dims, course.batch, course.max_epochs, course.patience) = (64, 16, 32, Some(20), 20);
        (course.dropout, course.noise, course.learning_rate) = (0.1, 0.1, 3e-3);
    }
    settings
}

fn learn(settings: &TrainSettings, checkpoints: Option<&Path>, stop_after: usize) -> Result<Model, DscmrError> {
    let (stop, mut epochs) = (AtomicBool::new(false), 0);
    let encoders = ("pictures".to_owned(), "sentences".to_owned());
    train(&data(), settings, &encoders, checkpoints, &stop, &mut |event| {
        epochs += usize::from(matches!(event, Event::Epoch(_)));
        stop.store(epochs >= stop_after, Ordering::Relaxed);
    })
}

fn bytes(model: &Model) -> [Vec<u8>; 2] {
    let folder = tempfile::tempdir().expect("a folder");
    model.save(folder.path()).expect("it is kept");
    ["model.safetensors", "model.json"].map(|name| std::fs::read(folder.path().join(name)).expect("a file"))
}

#[test]
fn a_training_gives_the_same_bytes_again_whether_interrupted_or_not() {
    let settings = settings();
    let whole = bytes(&learn(&settings, None, usize::MAX).expect("it learns"));
    assert!(bytes(&learn(&settings, None, usize::MAX).expect("it learns")) == whole, "trained again");

    // Stopped in the class part, at its end, in the pair part.
    let folder = tempfile::tempdir().expect("a folder");
    for epochs in [3, 17, 5, 1] {
        let stopped = learn(&settings, Some(folder.path()), epochs);
        assert!(matches!(stopped, Err(DscmrError::Stopped)), "after {epochs} more epochs: {stopped:?}");
    }
    let resumed = bytes(&learn(&settings, Some(folder.path()), usize::MAX).expect("it goes on"));
    assert!(resumed[0] == whole[0], "the weights, interrupted four times");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    assert_eq!(text(&resumed[1]), text(&whole[1]), "the description, interrupted four times");

    let other = TrainSettings { seed: 1, ..settings };
    assert!(bytes(&learn(&other, Some(folder.path()), usize::MAX).expect("it learns"))[0] != whole[0], "another seed");
}

#[test]
fn the_pair_part_finds_the_very_item_and_costs_classes_little() {
    let data = data();
    let mut settings = settings();
    let both = learn(&settings, None, usize::MAX).expect("it learns");
    settings.objective = Objective::Dscmr;
    let paper = learn(&settings, None, usize::MAX).expect("it learns");

    let parts: Vec<(Part, f64)> = both.parts().collect();
    assert_eq!(parts.iter().map(|(part, _)| *part).collect::<Vec<_>>(), [Part::Class, Part::Pair]);
    assert!((parts.iter().map(|(_, weight)| weight).sum::<f64>() - 1.0).abs() < 1e-12 && parts[1].1 > 0.0, "{parts:?}");
    assert_eq!(paper.parts().collect::<Vec<_>>(), [(Part::Class, 1.0)]);
    assert_eq!((both.dims(), paper.dims()), (32, 16));

    let of = |model| evaluate(model, &data, Split::Validation).expect("a report");
    let (both, paper) = (of(&both), of(&paper));
    assert!(both.map() >= settings.pair.keep * paper.map(), "{both}\n{paper}");
    assert!(both.mean_recall() > paper.mean_recall() + 5.0, "{both}\n{paper}");
}

#[test]
fn a_model_on_disk_is_the_model_in_memory_and_a_torn_one_is_refused() {
    let data = data();
    let model = learn(&settings(), None, usize::MAX).expect("it learns");
    let folder = tempfile::tempdir().expect("a folder");
    model.save(folder.path()).expect("it is kept");
    let loaded = Model::load(folder.path()).expect("it is read");
    assert_eq!(loaded.embed_images(&data.images).expect("points"), model.embed_images(&data.images).expect("points"));
    assert_eq!(loaded.embed_texts(&data.texts).expect("points"), model.embed_texts(&data.texts).expect("points"));
    assert_eq!(loaded.epochs().count(), model.epochs().count());

    let path = folder.path().join("model.safetensors");
    let mut bytes = std::fs::read(&path).expect("a file");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).expect("it is written");
    let fault = Model::load(folder.path()).expect_err("damaged").to_string();
    assert!(fault.contains("model.safetensors"), "{fault}");

    std::fs::write(folder.path().join("model.json"), r#"{"format": 2, "shape": {"image": 1}}"#).expect("it is written");
    let fault = Model::load(folder.path()).expect_err("another version").to_string();
    assert!(fault.contains("version 2") && fault.contains("train again"), "{fault}");
}

/// What a service is told of sentences is what the model says of them, to rounding; and of one alone what it is told of it among
/// others, bit by bit.
fn asked_as_embedded(model: &Model, texts: &FeatureMatrix) {
    let texts = texts.select(&(0..37).collect::<Vec<_>>());
    let network = TextNetwork::of(model).expect("laid out");
    let points = model.embed_texts(&texts).expect("points");
    let labels = model.label_outputs(View::Text, &texts).expect("classes");
    for (row, asked) in network.ask(&texts).expect("asked").into_iter().enumerate() {
        let asked = asked.expect("finite");
        assert!(asked.point.cosine(&points[row]) > 0.999_999, "row {row}");
        let expected = softmax(&labels[row], model.description.sharpness);
        assert!(asked.probabilities.iter().zip(&expected).all(|(p, q)| (p - q).abs() < 1e-4), "row {row}");
        assert_eq!(asked.unknown, model.unknown_token_ratio(texts.row(row)));
        let alone = network.ask(&texts.select(&[row])).expect("asked").remove(0).expect("finite");
        assert_eq!(alone, asked, "row {row}, alone and among others");
    }
    let wrong = FeatureMatrix::new(texts.cols() + 1, vec![0.0; texts.cols() + 1]).expect("a row");
    assert!(matches!(network.ask(&wrong), Err(DscmrError::WrongDims { .. })));
}

#[test]
fn what_a_service_is_told_is_what_the_model_says() {
    let data = data();
    let model = learn(&settings(), None, usize::MAX).expect("it learns");
    asked_as_embedded(&model, &data.texts);
    // One sentence that cannot be read costs the others nothing.
    let mut values = data.texts.select(&[0, 1, 2]).values().to_vec();
    values[data.texts.cols()] = f32::NAN;
    let rows = FeatureMatrix::new(data.texts.cols(), values).expect("rows");
    let asked = TextNetwork::of(&model).expect("laid out").ask(&rows).expect("asked");
    assert!(matches!(&asked[..], [Ok(_), Err(DscmrError::NotFinite { row: 1, .. }), Ok(_)]), "{asked:?}");

    let images = model.ask_images(&data.images).expect("asked");
    let points = model.embed_images(&data.images).expect("points");
    assert!(images.iter().map(|asked| &asked.point).eq(&points));
    let sums = images.iter().map(|asked| asked.probabilities.iter().sum::<f32>());
    assert!(sums.into_iter().all(|sum| (sum - 1.0).abs() < 1e-5));
}

/// Captions without a class still teach pairs; and what has no class cannot be measured by.
#[test]
fn what_has_no_class_is_learned_from_and_not_measured_by() {
    let mut data = data();
    for item in 0..ITEMS {
        if data.splits[item] == Split::Train && item % 3 != 0 {
            data.labels[item].clear();
        }
    }
    let run = |data: &TrainingData| {
        let encoders = ("image".to_owned(), "text".to_owned());
        train(data, &settings(), &encoders, None, &AtomicBool::new(false), &mut |_| {})
    };
    let model = run(&data).expect("a model");
    let with = evaluate(&model, &data, Split::Test).expect("a report");
    assert!(with.map() > 0.8, "{with}");
    let held_out = (0..ITEMS).find(|&item| data.splits[item] == Split::Test).expect("some are");
    data.labels[held_out].clear();
    let refused = run(&data).expect_err("it cannot be measured").to_string();
    assert!(refused.contains(&format!("item {held_out} of the test split has no class")), "{refused}");
}

/// The same collection with captions in a language that nobody knows: a word for the class, one for a property of the item, and
/// others that say nothing, in any order.
fn spoken() -> TrainingData {
    const LENGTH: usize = 8;
    let mut rng = generator(5, "words");
    let mut texts = Vec::new();
    for caption in 0..ITEMS * CAPTIONS {
        let item = caption / CAPTIONS;
        let meant = [100 + item % CLASSES * 3 + rng.random_range(0..3), 200 + item / CLASSES % 20];
        let mut words: Vec<usize> = meant.into_iter().chain((0..4).map(|_| rng.random_range(2060..2080))).collect();
        words.rotate_left(rng.random_range(0..6));
        let mut row: Vec<f32> = words.iter().flat_map(|id| [(id / 2048) as f32, (id % 2048) as f32]).collect();
        row.resize(2 * LENGTH, 0.0);
        texts.extend(row);
    }
    let values = (0..3000 * 6).map(|_| rng.random_range(-0.1..0.1)).collect();
    TrainingData {
        texts: FeatureMatrix::new(2 * LENGTH, texts).expect("a matrix"),
        token_embeddings: Some(TokenEmbeddings { dims: 6, values }),
        ..data()
    }
}

#[test]
fn a_sentence_cnn_learns_what_words_mean() {
    let data = spoken();
    let run = || {
        let encoders = ("image".to_owned(), "tokens".to_owned());
        train(&data, &settings(), &encoders, None, &AtomicBool::new(false), &mut |_| {}).expect("it learns")
    };
    let model = run();
    let report = evaluate(&model, &data, Split::Test).expect("a report");
    assert!(report.map() > 0.8 && report.label_accuracy_text > 0.9, "{report}");
    assert!(bytes(&run()) == bytes(&model), "trained again");
    asked_as_embedded(&model, &data.texts);

    let folder = tempfile::tempdir().expect("a folder");
    model.save(folder.path()).expect("it is kept");
    let loaded = Model::load(folder.path()).expect("it is read");
    assert_eq!(loaded.text_features(), 16);
    assert_eq!(loaded.embed_texts(&data.texts).expect("points"), model.embed_texts(&data.texts).expect("points"));
    let sentence = |ids: [f32; 3]| [&[0.0, ids[0], 0.0, ids[1], 0.0, ids[2]], &[0.0; 10][..]].concat();
    assert_eq!(loaded.unknown_token_ratio(&sentence([100.0, 9.0, 0.0])), Some(0.5));
    let nothing = FeatureMatrix::new(16, sentence([7.0, 8.0, 9.0])).expect("a row");
    assert_eq!(loaded.embed_texts(&nothing).expect("a point of unknown words alone").len(), 1);
}
