//! Compares the encoders, with their real weights, to other implementations. Missing weights are pulled.

use std::{collections::BTreeSet, path::PathBuf};

use parking_lot::Mutex;

use super::*;
use crate::core::Picture;

const GOLDEN: &str = include_str!("../../tests/fixtures/encoders/golden.json");

/// The registry of `DIPTYCH_MODELS`, or of the crate's models folder, in which `id` has been pulled.
fn registry_with(id: &str) -> Registry {
    // Tests are threads of one process, of which the first pulls.
    static PULLING: Mutex<()> = Mutex::new(());
    let dir = std::env::var_os("DIPTYCH_MODELS").map(PathBuf::from);
    let dir = dir.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models"));
    let registry = Registry::open(dir).expect("valid manifests");
    let _guard = PULLING.lock();
    if let Err(e) = registry.pull(id, &mut |_| {}) {
        panic!("{e}");
    }
    registry
}

fn golden() -> serde_json::Value {
    serde_json::from_str(GOLDEN).expect("the fixture is JSON")
}

fn numbers(value: &serde_json::Value) -> Vec<f32> {
    value.as_array().expect("an array").iter().map(|v| v.as_f64().expect("a number") as f32).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The pictures of tests/fixtures/encoders/golden.py.
fn draw(kind: &str, size: u32) -> Picture {
    let pixel = |x: u32, y: u32| -> [u8; 3] {
        match kind {
            "disc" => {
                let from_centre = |v: u32| (2 * i64::from(v) - i64::from(size)).pow(2);
                let inside = from_centre(x) + from_centre(y) < i64::from(size * size / 4);
                [(x * 255 / (size - 1)) as u8, (y * 255 / (size - 1)) as u8, if inside { 200 } else { 30 }]
            }
            "checks" if (x / 16 + y / 16) % 2 == 1 => [220, 40, 40],
            "checks" => [240, 240, 230],
            "noise" => [0u32, 1, 2].map(|c| {
                let h = x.wrapping_mul(374_761_393).wrapping_add(y.wrapping_mul(668_265_263));
                let h = h.wrapping_add(c.wrapping_mul(2_246_822_519));
                ((h ^ (h >> 13)).wrapping_mul(1_274_126_177) >> 24) as u8
            }),
            other => panic!("there is no picture `{other}`"),
        }
    };
    let rgb = (0..size).flat_map(|y| (0..size).map(move |x| (x, y))).flat_map(|(x, y)| pixel(x, y)).collect();
    Picture::new(size, size, rgb).expect("a picture")
}

fn assert_golden_pictures(id: &str, size: u32) {
    let registry = registry_with(id);
    let encoder = registry.open_image_views(id, Views::Upright).expect("opens");
    assert!(encoder.id().starts_with(&format!("{id}-")), "{}", encoder.id());
    for (kind, expected) in golden()[id].as_object().expect("pictures by name") {
        let features = encoder.encode(&[draw(kind, size)]).expect("encodes").remove(0);
        assert_eq!(features.len(), encoder.dims());
        let expected = numbers(expected);
        let cosine = cosine(&features, &expected);
        assert!(cosine > 0.9999, "{id}, {kind}: cosine {cosine}");
        let length = |v: &[f32]| v.iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!((length(&features) / length(&expected) - 1.0).abs() < 1e-3, "{id}, {kind}: length");
    }
}

#[test]
fn efficientnet_lite0_agrees_with_reference_features() {
    assert_golden_pictures("efficientnet-lite0", 224);
}

#[test]
fn efficientnet_lite2_agrees_with_reference_features() {
    assert_golden_pictures("efficientnet-lite2", 260);
}

#[test]
fn features_of_several_views_are_their_mean_with_a_distinct_id() {
    let registry = registry_with("efficientnet-lite0");
    let kinds = [Views::Upright, Views::Mirrored, Views::Turned, Views::All];
    let [upright, mirrored, turned, all] =
        kinds.map(|views| registry.open_image_views("efficientnet-lite0", views).expect("opens"));
    let ids: BTreeSet<&str> = [&upright, &mirrored, &turned, &all].map(|encoder| encoder.id()).into();
    assert_eq!(ids.len(), 4, "{ids:?}");

    let picture = draw("disc", 224);
    let symmetry = |s| {
        Picture::new(224, 224, image::preprocess::symmetric(picture.rgb(), 224, s)).expect("a picture of the same size")
    };
    let pictures: Vec<Picture> = (0..8).map(symmetry).collect();
    let each = upright.encode(&pictures).expect("encodes");
    assert!(cosine(&each[0], &each[1]) < 0.9999, "the network distinguishes mirror images");
    for (encoder, kind) in [(&mirrored, Views::Mirrored), (&turned, Views::Turned), (&all, Views::All)] {
        let features = encoder.encode(std::slice::from_ref(&picture)).expect("encodes").remove(0);
        let views = kind.symmetries();
        let mean = |d: usize| views.iter().map(|&view| each[view][d]).sum::<f32>() / views.len() as f32;
        assert!(features.iter().enumerate().all(|(d, x)| (x - mean(d)).abs() < 1e-4));
    }
    let oriented = all.encode(&pictures).expect("encodes");
    assert!(oriented.iter().all(|features| cosine(features, &oriented[0]) > 0.999_999), "in every orientation");
}

#[test]
fn minilm_agrees_with_reference_features_alone_and_in_a_batch() {
    let encoder = registry_with("all-minilm-l6-v2").open_text("all-minilm-l6-v2").expect("opens");
    let golden = golden();
    let golden = golden["all-minilm-l6-v2"].as_array().expect("an array");
    let texts: Vec<_> = golden.iter().map(|g| g["sentence"].as_str().expect("a sentence")).collect();
    let together = encoder.encode(&texts).expect("encodes");
    for ((text, together), expected) in texts.iter().zip(&together).zip(golden) {
        let alone = encoder.encode(&[text]).expect("encodes").remove(0);
        let expected = numbers(&expected["features"]);
        assert_eq!(alone.len(), encoder.dims());
        assert!((alone.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5, "norm 1");
        for (features, how) in [(&alone, "alone"), (together, "in a batch")] {
            let cosine = cosine(features, &expected);
            assert!(cosine > 0.9999, "{text:.40} {how}: cosine {cosine}");
        }
    }
}

#[test]
fn pictures_of_any_shape_have_finite_features_independent_of_the_batch() {
    let encoder = registry_with("efficientnet-lite0").open_image("efficientnet-lite0").expect("opens");
    let shapes = [(1, 1), (30_000, 1), (1, 30_000), (2, 3), (640, 480), (224, 224)];
    let pictures =
        shapes.map(|(w, h)| Picture::new(w, h, (0..w * h * 3).map(|v| v as u8).collect()).expect("a picture"));
    let together = encoder.encode(&pictures).expect("encodes");
    for (picture, together) in pictures.iter().zip(&together) {
        assert!(together.iter().all(|x| x.is_finite() && *x >= 0.0) && together.iter().any(|x| *x > 0.0));
        assert_eq!(encoder.encode(std::slice::from_ref(picture)).expect("encodes")[0], *together);
    }
    assert!(encoder.encode(&[]).expect("nothing to do").is_empty());
}

#[test]
fn texts_of_any_length_are_encoded_by_their_beginning() {
    let encoder = registry_with("all-minilm-l6-v2").open_text("all-minilm-l6-v2").expect("opens");
    let million = "a bird ".repeat(150_000);
    let endless_word = "x".repeat(1_000_000);
    let features = encoder.encode(&["", " \n\t", &million, &endless_word, "🐦"]).expect("encodes");
    assert!(features.iter().flatten().all(|x| x.is_finite()));
    assert_eq!(features[0], features[1]);
    let beginning = encoder.encode(&[&million[..4000]]).expect("encodes");
    assert!(cosine(&beginning[0], &features[2]) > 0.9999, "only the first 256 tokens are encoded");
    assert!(encoder.encode(&[]).expect("nothing to do").is_empty());
}

#[test]
fn texts_of_several_batches_keep_their_order() {
    let encoder = registry_with("all-minilm-l6-v2").open_text("all-minilm-l6-v2").expect("opens");
    let texts: Vec<_> = (0..70).map(|n| format!("{n} birds {}", "on a branch ".repeat(n * 7 % 11))).collect();
    let together = encoder.encode(&texts.iter().map(String::as_str).collect::<Vec<_>>()).expect("encodes");
    for at in [0, 1, 31, 32, 33, 69] {
        let alone = encoder.encode(&[&texts[at]]).expect("encodes");
        assert_eq!(alone[0], together[at], "text {at}, bit-identical");
    }
}

#[test]
fn token_ids_ignore_case_and_white_space_only() {
    let encoder = registry_with("all-minilm-l6-v2").open_text("all-minilm-l6-v2").expect("opens");
    let ids = |text| encoder.tokenize(text).expect("tokens").ids;
    assert_eq!(ids(" A  Bird\ton a BRANCH\n"), ids("a bird on a branch"));
    // In upper case it is the special token, in lower case three tokens of text.
    assert_ne!(ids("a bird [SEP] a branch"), ids("a bird [sep] a branch"));
    assert_ne!(ids("a bird"), ids("bird a"));
}

#[test]
fn unknown_ratio_counts_words_outside_the_vocabulary() {
    let encoder = registry_with("all-minilm-l6-v2").open_text("all-minilm-l6-v2").expect("opens");
    let unknown = |text| encoder.tokenize(text).expect("tokens").unknown_ratio;
    assert_eq!(unknown("a bird on a branch"), 0.0);
    assert_eq!(unknown("a 🐦 on 🐦"), 0.5);
    assert_eq!(unknown(""), 0.0);
}

#[test]
fn registry_reports_unknown_ids_wrong_modality_and_missing_files() {
    let empty = tempfile::tempdir().expect("a temporary folder");
    let registry = Registry::open(empty.path()).expect("embedded manifests");
    let message = |e: EncoderError| e.to_string();
    let error = registry.open_image("resnet").map(|_| ()).map_err(message).expect_err("unknown");
    assert!(error.contains("`resnet`") && error.contains("`efficientnet-lite0`, `efficientnet-lite2`"), "{error}");
    let error = registry.open_image("all-minilm-l6-v2").map(|_| ()).map_err(message).expect_err("for texts");
    assert_eq!(error, "encoder `all-minilm-l6-v2` is for texts, not for images");
    let error = registry.open_text("efficientnet-lite2").map(|_| ()).map_err(message).expect_err("for images");
    assert_eq!(error, "encoder `efficientnet-lite2` is for images, not for texts");
    let error = registry.open_image("efficientnet-lite0").map(|_| ()).map_err(message).expect_err("not pulled");
    let path = empty.path().join("efficientnet-lite0").join("model.safetensors");
    assert!(
        error.contains(&path.display().to_string()) && error.contains("encoders pull efficientnet-lite0"),
        "{error}"
    );
    assert_eq!(registry.missing("efficientnet-lite0").expect("known"), [path]);
}

#[test]
fn damaged_file_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = folder.path().join("efficientnet-lite0");
    std::fs::create_dir(&home).expect("created");
    let registry = Registry::open(folder.path()).expect("embedded manifests");
    let whole = registry_with("efficientnet-lite0").dir().join("efficientnet-lite0").join("model.safetensors");
    let whole = std::fs::read(whole).expect("pulled");
    for bytes in [&b""[..], b"not a network at all", &whole[..whole.len() / 2]] {
        std::fs::write(home.join("model.safetensors"), bytes).expect("written");
        let error = registry.open_image("efficientnet-lite0").map(|_| ()).expect_err("refused");
        assert!(matches!(&error, EncoderError::Damaged { path, .. } if path.ends_with("model.safetensors")), "{error}");
    }
}
