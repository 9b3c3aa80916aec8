//! What is known of an encoder before it is there: one TOML file each, in the models folder and inside the binary.

use std::path::Path;

use serde::Deserialize;

use super::EncoderError;

/// Manifests that every binary carries, so that it works in a folder without any.
const EMBEDDED: [(&str, &str); 4] = [
    ("efficientnet-lite0.toml", include_str!("../../models/efficientnet-lite0.toml")),
    ("efficientnet-lite2.toml", include_str!("../../models/efficientnet-lite2.toml")),
    ("all-minilm-l6-v2.toml", include_str!("../../models/all-minilm-l6-v2.toml")),
    ("sentence-cnn.toml", include_str!("../../models/sentence-cnn.toml")),
];
const EMBEDDED_DEFAULTS: &str = include_str!("../../models/default.toml");

/// The file that names the default encoders.
const DEFAULTS_FILE: &str = "default.toml";

/// Larger inputs would exceed what the encoder promises of its memory.
const MAX_INPUT_SIZE: u32 = 1024;

/// One encoder: what it is, what it takes, and where its weights come from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the encoder, and of its folder below the models folder.
    pub id: String,
    /// Length of a feature vector.
    pub dims: usize,
    /// Licence of the weights (SPDX).
    pub licence: String,
    /// The network.
    pub architecture: Architecture,
    /// How a picture becomes the network's input; absent for sentences.
    pub input: Option<PictureInput>,
    /// The package that holds the weights.
    pub source: Source,
    /// The encoder's files, and what each is made from.
    pub files: Vec<File>,
}

/// The networks that are built in.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Architecture {
    /// EfficientNet without squeeze-and-excitation, with ReLU6; for pictures.
    EfficientnetLite {
        /// Factor on the number of channels.
        width: f64,
        /// Factor on the number of blocks.
        depth: f64,
        /// ε of the batch norms; TensorFlow's heritage is 1e-3, not PyTorch's 1e-5.
        batch_norm_epsilon: f32,
    },
    /// BERT with mean pooling under the mask and norm 1; for sentences.
    Bert {
        /// Tokens after which a sentence is cut, with the two special ones.
        max_tokens: usize,
    },
    /// The tokens of a sentence, two numbers each, for a network that is trained with the rest of the model.
    Tokens {
        /// Tokens after which a sentence is cut.
        max_tokens: usize,
        /// Ids that the tokenizer gives, and rows of the embeddings that they begin with.
        vocabulary: usize,
    },
}

/// How a picture becomes the network's input.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureInput {
    /// Both sides of the input, in pixels.
    pub size: u32,
    /// How the whole picture gets there.
    pub resize: Resize,
    /// Taken from each value in 0..=255.
    pub subtract: f32,
    /// Each difference is divided by it.
    pub divide: f32,
    /// Which views of the picture are encoded; its features are their mean.
    #[serde(default)]
    pub views: Views,
}

/// What is encoded of a picture. Features of several views are steadier, and cost that many times as much.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Views {
    /// The picture as it is.
    #[default]
    Upright,
    /// The picture and its mirror image.
    Mirrored,
    /// The picture in its four quarter turns.
    Turned,
    /// The four quarter turns and their mirror images: for pictures without a top, as from above.
    All,
}

impl Views {
    /// Each view as a symmetry of the square, by its number in [`super::image::preprocess::symmetric`].
    pub(super) fn symmetries(self) -> &'static [usize] {
        match self {
            Self::Upright => &[0],
            Self::Mirrored => &[0, 1],
            Self::Turned => &[0, 3, 5, 6],
            Self::All => &[0, 1, 2, 3, 4, 5, 6, 7],
        }
    }
}

/// A way to resize; all are antialiased and take the whole picture, whatever its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resize {
    /// Linear.
    Bilinear,
    /// Catmull-Rom.
    Bicubic,
}

/// A pinned Python package.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Name on the package index.
    pub package: String,
    /// Exact version.
    pub version: String,
    /// File name of its wheel.
    pub wheel: String,
    /// Size of the wheel.
    pub bytes: u64,
    /// Checksum of the wheel, in hex.
    pub sha256: String,
}

/// One file of an encoder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Name in the encoder's folder.
    pub name: String,
    /// Path in the wheel.
    pub member: String,
    /// What the member is.
    pub format: Format,
    /// Size of the member.
    pub bytes: u64,
    /// Checksum of the member, in hex.
    pub sha256: String,
}

/// What a member of a wheel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Taken as it is.
    AsIs,
    /// The torch format from before 2020 (a pickle with storages behind it), which becomes safetensors.
    TorchLegacy,
}

/// The encoders that are used unless the owner names others.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Id of the picture encoder.
    pub image: String,
    /// Id of the sentence encoder.
    pub text: String,
}

/// What an encoder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modality {
    /// Pictures.
    Image,
    /// Sentences.
    Text,
}

impl Modality {
    /// The plural that messages use.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Image => "pictures",
            Self::Text => "sentences",
        }
    }
}

impl Manifest {
    /// What the encoder is for.
    pub fn modality(&self) -> Modality {
        match self.architecture {
            Architecture::EfficientnetLite { .. } => Modality::Image,
            Architecture::Bert { .. } | Architecture::Tokens { .. } => Modality::Text,
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, EncoderError> {
        let invalid = |reason: String| EncoderError::Manifest { path: path.to_owned(), reason };
        let manifest: Self = toml::from_str(text).map_err(|e| invalid(e.to_string()))?;
        manifest.check().map_err(invalid)?;
        Ok(manifest)
    }

    /// Names become paths and arguments of pip, so only plain ones pass.
    fn check(&self) -> Result<(), String> {
        let plain = |s: &str| {
            s.starts_with(|c: char| c.is_ascii_alphanumeric())
                && s.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        let mut names = vec![("id", &self.id), ("source.package", &self.source.package)];
        names.extend([("source.version", &self.source.version), ("source.wheel", &self.source.wheel)]);
        names.extend(self.files.iter().map(|f| ("files.name", &f.name)));
        for (field, name) in names {
            if !plain(name) {
                return Err(format!(
                    "{field} is `{name}`; allowed are letters, digits, `-`, `_` and `.`, a letter or digit first"
                ));
            }
        }
        let checksums = self.files.iter().map(|f| &f.sha256).chain([&self.source.sha256]);
        for sum in checksums {
            if sum.len() != 64 || !sum.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')) {
                return Err(format!("sha256 is `{sum}`; it has 64 digits 0-9a-f"));
            }
        }
        if self.dims == 0 || self.files.is_empty() {
            return Err("dims must be at least 1 and at least one file named".into());
        }
        match (&self.architecture, &self.input) {
            (Architecture::EfficientnetLite { width, depth, batch_norm_epsilon }, Some(input)) => {
                let factor = |x: f64| (0.1..=4.0).contains(&x);
                if !(factor(*width) && factor(*depth) && batch_norm_epsilon.is_finite() && *batch_norm_epsilon > 0.0) {
                    return Err("width and depth are 0.1 to 4, batch_norm_epsilon is above 0".into());
                }
                if !(32..=MAX_INPUT_SIZE).contains(&input.size) {
                    return Err(format!("input.size is {}; allowed are 32 to {MAX_INPUT_SIZE}", input.size));
                }
                if !input.subtract.is_finite() || !input.divide.is_finite() || input.divide == 0.0 {
                    return Err("input.subtract and input.divide are finite, and the latter is not 0".into());
                }
                Ok(())
            }
            (Architecture::Bert { max_tokens }, None) => match max_tokens {
                3..=512 => Ok(()),
                _ => Err(format!("architecture.max_tokens is {max_tokens}; allowed are 3 to 512")),
            },
            (Architecture::Tokens { max_tokens, vocabulary }, None) => match (max_tokens, vocabulary) {
                (1..=512, 1..=1_000_000) if self.dims == 2 * max_tokens => Ok(()),
                _ => Err("max_tokens is 1 to 512, vocabulary 1 to 1000000, and dims twice max_tokens".into()),
            },
            (Architecture::EfficientnetLite { .. }, None) => Err("a picture encoder needs a table [input]".into()),
            (Architecture::Bert { .. } | Architecture::Tokens { .. }, Some(_)) => {
                Err("a sentence encoder has no table [input]".into())
            }
        }
    }
}

/// All manifests, those of `dir` before the embedded ones of the same id, sorted by id; and the defaults.
pub(super) fn read(dir: &Path) -> Result<(Vec<Manifest>, Defaults), EncoderError> {
    let mut manifests = Vec::<Manifest>::new();
    let mut defaults = parse_defaults(Path::new(DEFAULTS_FILE), EMBEDDED_DEFAULTS)?;
    let mut paths = Vec::new();
    match std::fs::read_dir(dir) {
        Ok(entries) => {
            for entry in entries {
                paths.push(entry.map_err(EncoderError::io(dir))?.path());
            }
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(EncoderError::io(dir)(e)),
    }
    paths.sort();
    for path in paths.into_iter().filter(|p| p.extension().is_some_and(|e| e == "toml")) {
        let text = std::fs::read_to_string(&path).map_err(EncoderError::io(&path))?;
        if path.file_name().is_some_and(|name| name == DEFAULTS_FILE) {
            defaults = parse_defaults(&path, &text)?;
            continue;
        }
        let manifest = Manifest::parse(&path, &text)?;
        if manifests.iter().any(|m| m.id == manifest.id) {
            let reason = format!("another manifest of this folder has the id `{}` too", manifest.id);
            return Err(EncoderError::Manifest { path, reason });
        }
        manifests.push(manifest);
    }
    for (name, text) in EMBEDDED {
        let manifest = Manifest::parse(Path::new(name), text)?;
        if manifests.iter().all(|m| m.id != manifest.id) {
            manifests.push(manifest);
        }
    }
    manifests.sort_by(|a, b| a.id.cmp(&b.id));
    Ok((manifests, defaults))
}

fn parse_defaults(path: &Path, text: &str) -> Result<Defaults, EncoderError> {
    toml::from_str(text).map_err(|e| EncoderError::Manifest { path: path.to_owned(), reason: e.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_manifests_knows_the_embedded_ones() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for dir in [dir.path().to_owned(), dir.path().join("absent")] {
            let (manifests, defaults) = read(&dir).expect("embedded manifests are valid");
            let ids: Vec<_> = manifests.iter().map(|m| m.id.as_str()).collect();
            assert_eq!(ids, ["all-minilm-l6-v2", "efficientnet-lite0", "efficientnet-lite2", "sentence-cnn"]);
            assert_eq!((defaults.image.as_str(), defaults.text.as_str()), ("efficientnet-lite0", "all-minilm-l6-v2"));
        }
    }

    #[test]
    fn one_line_makes_lite2_the_default() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let changed = EMBEDDED_DEFAULTS.replace("efficientnet-lite0", "efficientnet-lite2");
        std::fs::write(dir.path().join(DEFAULTS_FILE), changed).expect("written");
        assert_eq!(read(dir.path()).expect("valid").1.image, "efficientnet-lite2");
    }

    #[test]
    fn a_manifest_of_the_folder_goes_before_the_embedded_one() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join("own.toml"), EMBEDDED[0].1.replace("size = 224", "size = 192"))
            .expect("written");
        let (manifests, _) = read(dir.path()).expect("valid");
        let input = manifests.iter().find(|m| m.id == "efficientnet-lite0").and_then(|m| m.input.clone());
        assert_eq!(input.map(|i| i.size), Some(192));
        std::fs::write(dir.path().join("twin.toml"), EMBEDDED[0].1).expect("written");
        assert!(read(dir.path()).is_err_and(|e| e.to_string().contains("twin.toml")));
    }

    #[test]
    fn what_would_leave_the_folder_or_break_the_network_is_refused() {
        for (from, to, said) in [
            ("id = \"efficientnet-lite0\"", "id = \"../up\"", "`../up`"),
            ("package = \"efficient", "package = \"--index-url=efficient", "source.package"),
            ("name = \"model.safetensors\"", "name = \"a/b\"", "files.name"),
            ("size = 224", "size = 0", "input.size is 0"),
            ("divide = 128.0", "divide = 0.0", "input.divide"),
            ("views = \"turned\"", "views = \"sideways\"", "`turned`"),
            ("width = 1.0", "width = nan", "width"),
            ("sha256 = \"f2", "sha256 = \"F2", "64 digits"),
            ("licence", "license", "license"),
        ] {
            let text = EMBEDDED[0].1.replacen(from, to, 1);
            assert_ne!(text, EMBEDDED[0].1, "{from} stands in the manifest");
            let error = Manifest::parse(Path::new("m.toml"), &text).expect_err(to).to_string();
            assert!(error.contains(said) && error.contains("m.toml"), "{error}");
        }
    }
}
