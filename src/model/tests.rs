//! Whole trainings on a small synthetic collection.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use rand::RngExt;

use super::{
    Event, FeatureMatrix, Head, Model, ModelError, Objective, QueryEncoder, TrainSettings, TrainingData, evaluate,
    query_embedding::softmax, tensors::generator, train, trained_model::Modality,
};
use crate::{dataset::Split, encoders::TokenEmbeddings};

const CLASSES: usize = 4;
const ITEMS: usize = 240;
const CAPTIONS: usize = 2;

/// Items of four classes. The features of images and captions depend linearly on class and item, plus noise.
fn data() -> TrainingData {
    let mut rng = generator(1, "collection");
    let mut draw = |count: usize| -> Vec<f32> { (0..count).map(|_| rng.random_range(-1.0..1.0)).collect() };
    let (hidden, image, text) = (8, 20, 16);
    let (centers, offsets) = (draw(CLASSES * hidden), draw(ITEMS * hidden));
    let (to_image, to_text) = (draw(hidden * image), draw(hidden * text));
    let mut through = |item: usize, map: &[f32], cols: usize| -> Vec<f32> {
        let noise = draw(cols);
        let latent = |h: usize| 2.0 * centers[item % CLASSES * hidden + h] + offsets[item * hidden + h];
        let sum = |col: usize| (0..hidden).map(|h| latent(h) * map[h * cols + col]).sum::<f32>();
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
    for head in [&mut settings.class.optimizer, &mut settings.pair.optimizer] {
        (head.hidden, head.dims, head.batch, head.max_epochs, head.patience) = (64, 16, 32, Some(20), 20);
        (head.dropout, head.noise, head.learning_rate) = (0.1, 0.1, 3e-3);
    }
    settings
}

fn fit(settings: &TrainSettings, checkpoints: Option<&Path>, stop_after: usize) -> Result<Model, ModelError> {
    let (stop, mut epochs) = (AtomicBool::new(false), 0);
    let encoders = ("images".to_owned(), "texts".to_owned());
    train(&data(), settings, &encoders, checkpoints, &stop, &mut |event| {
        epochs += usize::from(matches!(event, Event::Epoch(_)));
        stop.store(epochs >= stop_after, Ordering::Relaxed);
    })
}

fn bytes(model: &Model) -> [Vec<u8>; 2] {
    let folder = tempfile::tempdir().expect("a folder");
    model.save(folder.path()).expect("it is saved");
    ["model.safetensors", "model.json"].map(|name| std::fs::read(folder.path().join(name)).expect("a file"))
}

#[test]
fn training_is_reproducible_to_the_byte_even_if_interrupted() {
    let settings = settings();
    let uninterrupted = bytes(&fit(&settings, None, usize::MAX).expect("it learns"));
    assert!(bytes(&fit(&settings, None, usize::MAX).expect("it learns")) == uninterrupted, "trained again");

    // Stopped within the class head, at its end, and twice within the pair head.
    let folder = tempfile::tempdir().expect("a folder");
    for epochs in [3, 17, 5, 1] {
        let stopped = fit(&settings, Some(folder.path()), epochs);
        assert!(matches!(stopped, Err(ModelError::Stopped)), "after {epochs} more epochs: {stopped:?}");
    }
    let resumed = bytes(&fit(&settings, Some(folder.path()), usize::MAX).expect("it resumes"));
    assert!(resumed[0] == uninterrupted[0], "the weights, interrupted four times");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    assert_eq!(text(&resumed[1]), text(&uninterrupted[1]), "the description, interrupted four times");

    let other = TrainSettings { seed: 1, ..settings };
    assert!(
        bytes(&fit(&other, Some(folder.path()), usize::MAX).expect("it learns"))[0] != uninterrupted[0],
        "another seed"
    );
}

#[test]
fn pair_head_improves_instance_recall_and_keeps_class_map() {
    let data = data();
    let mut settings = settings();
    let both = fit(&settings, None, usize::MAX).expect("it learns");
    settings.objective = Objective::Dscmr;
    let paper = fit(&settings, None, usize::MAX).expect("it learns");

    let heads: Vec<(Head, f64)> = both.heads().collect();
    assert_eq!(heads.iter().map(|(head, _)| *head).collect::<Vec<_>>(), [Head::Class, Head::Pair]);
    assert!((heads.iter().map(|(_, weight)| weight).sum::<f64>() - 1.0).abs() < 1e-12 && heads[1].1 > 0.0, "{heads:?}");
    assert_eq!(paper.heads().collect::<Vec<_>>(), [(Head::Class, 1.0)]);
    assert_eq!((both.dims(), paper.dims()), (32, 16));

    let of = |model| evaluate(model, &data, Split::Validation).expect("a report");
    let (both, paper) = (of(&both), of(&paper));
    assert!(both.mean_map() >= settings.pair.min_class_map_ratio * paper.mean_map(), "{both}\n{paper}");
    assert!(both.mean_recall() > paper.mean_recall() + 5.0, "{both}\n{paper}");
}

#[test]
fn saved_model_equals_the_model_in_memory_and_a_damaged_one_is_refused() {
    let data = data();
    let model = fit(&settings(), None, usize::MAX).expect("it learns");
    let folder = tempfile::tempdir().expect("a folder");
    model.save(folder.path()).expect("it is saved");
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

/// Asserts that [`QueryEncoder`] agrees with [`Model`] up to rounding, and that its result for a text is the same to
/// the bit alone and in a batch.
fn assert_query_encoder_agrees(model: &Model, texts: &FeatureMatrix) {
    let texts = texts.select(&(0..37).collect::<Vec<_>>());
    let encoder = QueryEncoder::new(model).expect("an encoder");
    let points = model.embed_texts(&texts).expect("points");
    let labels = model.label_outputs(Modality::Text, &texts).expect("classes");
    for (row, query) in encoder.encode(&texts).expect("embeddings").into_iter().enumerate() {
        let query = query.expect("finite");
        assert!(query.point.cosine(&points[row]) > 0.999_999, "row {row}");
        let expected = softmax(&labels[row], model.description.softmax_scale);
        assert!(query.probabilities.iter().zip(&expected).all(|(p, q)| (p - q).abs() < 1e-4), "row {row}");
        assert_eq!(query.unknown_token_ratio, model.unknown_token_ratio(texts.row(row)));
        let alone = encoder.encode(&texts.select(&[row])).expect("embeddings").remove(0).expect("finite");
        assert_eq!(alone, query, "row {row}, alone and in a batch");
    }
    let wrong = FeatureMatrix::new(texts.cols() + 1, vec![0.0; texts.cols() + 1]).expect("a row");
    assert!(matches!(encoder.encode(&wrong), Err(ModelError::WrongDims { .. })));
}

#[test]
fn query_encoder_and_image_queries_agree_with_the_model() {
    let data = data();
    let model = fit(&settings(), None, usize::MAX).expect("it learns");
    assert_query_encoder_agrees(&model, &data.texts);
    // A text with invalid features does not affect the others.
    let mut values = data.texts.select(&[0, 1, 2]).values().to_vec();
    values[data.texts.cols()] = f32::NAN;
    let rows = FeatureMatrix::new(data.texts.cols(), values).expect("rows");
    let queries = QueryEncoder::new(&model).expect("an encoder").encode(&rows).expect("embeddings");
    assert!(matches!(&queries[..], [Ok(_), Err(ModelError::NotFinite { row: 1, .. }), Ok(_)]), "{queries:?}");

    let images = model.embed_image_queries(&data.images).expect("embeddings");
    let points = model.embed_images(&data.images).expect("points");
    assert!(images.iter().map(|query| &query.point).eq(&points));
    let sums = images.iter().map(|query| query.probabilities.iter().sum::<f32>());
    assert!(sums.into_iter().all(|sum| (sum - 1.0).abs() < 1e-5));
}

/// The pair head is trained on items without a class, which must not be in the validation or test split.
#[test]
fn unlabelled_items_are_used_for_training_and_refused_for_evaluation() {
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
    assert!(with.mean_map() > 0.8, "{with}");
    let held_out = (0..ITEMS).find(|&item| data.splits[item] == Split::Test).expect("some are");
    data.labels[held_out].clear();
    let refused = run(&data).expect_err("it cannot be evaluated").to_string();
    assert!(refused.contains(&format!("item {held_out} of the test split has no class")), "{refused}");
}

/// The same collection with captions of token ids: one for the class, one for a property of the item, and four random
/// ones, in any order.
fn tokenized() -> TrainingData {
    const LENGTH: usize = 8;
    let mut rng = generator(5, "words");
    let mut texts = Vec::new();
    for caption in 0..ITEMS * CAPTIONS {
        let item = caption / CAPTIONS;
        let meaningful = [100 + item % CLASSES * 3 + rng.random_range(0..3), 200 + item / CLASSES % 20];
        let mut ids: Vec<usize> = meaningful.into_iter().chain((0..4).map(|_| rng.random_range(2060..2080))).collect();
        ids.rotate_left(rng.random_range(0..6));
        let mut row: Vec<f32> = ids.iter().flat_map(|id| [(id / 2048) as f32, (id % 2048) as f32]).collect();
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
fn text_cnn_learns_the_meaning_of_tokens() {
    let data = tokenized();
    let run = || {
        let encoders = ("image".to_owned(), "tokens".to_owned());
        train(&data, &settings(), &encoders, None, &AtomicBool::new(false), &mut |_| {}).expect("it learns")
    };
    let model = run();
    let report = evaluate(&model, &data, Split::Test).expect("a report");
    assert!(report.mean_map() > 0.8 && report.label_accuracy_text > 0.9, "{report}");
    assert!(bytes(&run()) == bytes(&model), "trained again");
    assert_query_encoder_agrees(&model, &data.texts);

    let folder = tempfile::tempdir().expect("a folder");
    model.save(folder.path()).expect("it is saved");
    let loaded = Model::load(folder.path()).expect("it is read");
    assert_eq!(loaded.text_feature_dims(), 16);
    assert_eq!(loaded.embed_texts(&data.texts).expect("points"), model.embed_texts(&data.texts).expect("points"));
    let tokens = |ids: [f32; 3]| [&[0.0, ids[0], 0.0, ids[1], 0.0, ids[2]], &[0.0; 10][..]].concat();
    assert_eq!(loaded.unknown_token_ratio(&tokens([100.0, 9.0, 0.0])), Some(0.5));
    let unknown = FeatureMatrix::new(16, tokens([7.0, 8.0, 9.0])).expect("a row");
    assert_eq!(loaded.embed_texts(&unknown).expect("an embedding of unknown tokens").len(), 1);
}
