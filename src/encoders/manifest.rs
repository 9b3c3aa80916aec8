//! Descriptions of encoders: one TOML file each, in the models folder and embedded in the binary.

use std::path::Path;

use serde::Deserialize;

use super::EncoderError;

/// Manifests in the binary, so that it works without a models folder.
const EMBEDDED: [(&str, &str); 4] = [
    ("efficientnet-lite0.toml", include_str!("../../models/efficientnet-lite0.toml")),
    ("efficientnet-lite2.toml", include_str!("../../models/efficientnet-lite2.toml")),
    ("all-minilm-l6-v2.toml", include_str!("../../models/all-minilm-l6-v2.toml")),
    ("sentence-cnn.toml", include_str!("../../models/sentence-cnn.toml")),
];
const EMBEDDED_DEFAULTS: &str = include_str!("../../models/default.toml");

/// The file that names the default encoders.
const DEFAULTS_FILE: &str = "default.toml";

/// Larger inputs would exceed the documented memory of the encoder.
const MAX_INPUT_SIZE: u32 = 1024;

/// Description of an encoder: its network, its input, and the source of its weights.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the encoder and of its folder in the models folder.
    pub id: String,
    /// Length of a feature vector.
    pub dims: usize,
    /// Licence of the weights (SPDX).
    pub licence: String,
    /// Architecture of the network.
    pub architecture: Architecture,
    /// Preprocessing of pictures; absent for text encoders.
    pub input: Option<PictureInput>,
    /// The package that holds the weights.
    pub source: Source,
    /// The encoder's files, and the member of the package that each comes from.
    pub files: Vec<File>,
}

/// The supported networks.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Architecture {
    /// EfficientNet without squeeze-and-excitation, with ReLU6; an image encoder.
    EfficientnetLite {
        /// Factor on the number of channels.
        width: f64,
        /// Factor on the number of blocks.
        depth: f64,
        /// ε of the batch norms: 1e-3 for networks trained with TensorFlow, not PyTorch's 1e-5.
        batch_norm_epsilon: f32,
    },
    /// BERT with mean pooling under the mask, scaled to norm 1; a text encoder.
    Bert {
        /// Maximum number of tokens, including the two special ones.
        max_tokens: usize,
    },
    /// The tokens of a text, two numbers each, for a network that is trained with the rest of the model.
    Tokens {
        /// Maximum number of tokens.
        max_tokens: usize,
        /// Number of token ids, and of rows of the pretrained embeddings.
        vocabulary: usize,
    },
}

/// Preprocessing of a picture.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureInput {
    /// Width and height of the input in pixels.
    pub size: u32,
    /// Filter with which the whole picture is resized.
    pub resize: Resize,
    /// Subtracted from each value in 0..=255.
    pub subtract: f32,
    /// Divisor of each difference.
    pub divide: f32,
    /// Views of the picture that are encoded; its features are their mean.
    #[serde(default)]
    pub views: Views,
}

/// The views of a picture that are encoded. The mean of more views is more robust, and costs as many times as much.
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
    /// The four quarter turns and their mirror images: for pictures without an upright orientation, such as aerial
    /// ones.
    All,
}

impl Views {
    /// The views as symmetries of the square, numbered as in [`super::image::preprocess::symmetric`].
    pub(super) fn symmetries(self) -> &'static [usize] {
        match self {
            Self::Upright => &[0],
            Self::Mirrored => &[0, 1],
            Self::Turned => &[0, 3, 5, 6],
            Self::All => &[0, 1, 2, 3, 4, 5, 6, 7],
        }
    }
}

/// A resampling filter. All are antialiased and keep the whole picture, whatever its proportions.
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
    /// File name of the wheel.
    pub wheel: String,
    /// Size of the wheel in bytes.
    pub bytes: u64,
    /// SHA-256 of the wheel in hex.
    pub sha256: String,
}

/// A file of an encoder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Name in the encoder's folder.
    pub name: String,
    /// Path in the wheel.
    pub member: String,
    /// Format of the member.
    pub format: Format,
    /// Size of the member in bytes.
    pub bytes: u64,
    /// SHA-256 of the member in hex.
    pub sha256: String,
}

/// Format of a member of a wheel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Copied unchanged.
    AsIs,
    /// The torch format from before 2020 (a pickle followed by storages), converted to safetensors.
    TorchLegacy,
}

/// The encoders that are used unless others are configured.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Id of the image encoder.
    pub image: String,
    /// Id of the text encoder.
    pub text: String,
}

/// What an encoder encodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modality {
    /// Pictures.
    Image,
    /// Texts.
    Text,
}

impl Modality {
    /// Plural for messages.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Image => "images",
            Self::Text => "texts",
        }
    }
}

impl Manifest {
    /// What the encoder encodes.
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

    /// Checks all values. Names become paths and arguments of pip, so only plain ones are allowed.
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
                    "{field} is `{name}`; it may contain letters, digits, `-`, `_` and `.`, and must begin with a \
                     letter or digit"
                ));
            }
        }
        let checksums = self.files.iter().map(|f| &f.sha256).chain([&self.source.sha256]);
        for sum in checksums {
            if sum.len() != 64 || !sum.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')) {
                return Err(format!("sha256 is `{sum}`; it must have 64 digits 0-9a-f"));
            }
        }
        if self.dims == 0 || self.files.is_empty() {
            return Err("dims must be at least 1, and at least one file must be listed".into());
        }
        match (&self.architecture, &self.input) {
            (Architecture::EfficientnetLite { width, depth, batch_norm_epsilon }, Some(input)) => {
                let factor = |x: f64| (0.1..=4.0).contains(&x);
                if !(factor(*width) && factor(*depth) && batch_norm_epsilon.is_finite() && *batch_norm_epsilon > 0.0) {
                    return Err("width and depth must be 0.1 to 4, and batch_norm_epsilon above 0".into());
                }
                if !(32..=MAX_INPUT_SIZE).contains(&input.size) {
                    return Err(format!("input.size is {}; it must be 32 to {MAX_INPUT_SIZE}", input.size));
                }
                if !input.subtract.is_finite() || !input.divide.is_finite() || input.divide == 0.0 {
                    return Err("input.subtract and input.divide must be finite, and input.divide not 0".into());
                }
                Ok(())
            }
            (Architecture::Bert { max_tokens }, None) => match max_tokens {
                3..=512 => Ok(()),
                _ => Err(format!("architecture.max_tokens is {max_tokens}; it must be 3 to 512")),
            },
            (Architecture::Tokens { max_tokens, vocabulary }, None) => match (max_tokens, vocabulary) {
                (1..=512, 1..=1_000_000) if self.dims == 2 * max_tokens => Ok(()),
                _ => Err("max_tokens must be 1 to 512, vocabulary 1 to 1000000, and dims twice max_tokens".into()),
            },
            (Architecture::EfficientnetLite { .. }, None) => Err("an image encoder needs a table [input]".into()),
            (Architecture::Bert { .. } | Architecture::Tokens { .. }, Some(_)) => {
                Err("a text encoder must not have a table [input]".into())
            }
        }
    }
}

/// All manifests, sorted by id, and the defaults. Those in `dir` override embedded ones with the same id.
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
            let reason = format!("another manifest in this folder has the same id `{}`", manifest.id);
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
    fn folder_without_manifests_has_the_embedded_ones() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for dir in [dir.path().to_owned(), dir.path().join("absent")] {
            let (manifests, defaults) = read(&dir).expect("embedded manifests are valid");
            let ids: Vec<_> = manifests.iter().map(|m| m.id.as_str()).collect();
            assert_eq!(ids, ["all-minilm-l6-v2", "efficientnet-lite0", "efficientnet-lite2", "sentence-cnn"]);
            assert_eq!((defaults.image.as_str(), defaults.text.as_str()), ("efficientnet-lite0", "all-minilm-l6-v2"));
        }
    }

    #[test]
    fn default_toml_of_the_folder_sets_the_defaults() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let changed = EMBEDDED_DEFAULTS.replace("efficientnet-lite0", "efficientnet-lite2");
        std::fs::write(dir.path().join(DEFAULTS_FILE), changed).expect("written");
        assert_eq!(read(dir.path()).expect("valid").1.image, "efficientnet-lite2");
    }

    #[test]
    fn manifest_of_the_folder_overrides_the_embedded_one() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join("own.toml"), EMBEDDED[0].1.replace("size = 224", "size = 192"))
            .expect("written");
        let (manifests, _) = read(dir.path()).expect("valid");
        let input = manifests.iter().find(|m| m.id == "efficientnet-lite0").and_then(|m| m.input.clone());
        assert_eq!(input.map(|i| i.size), Some(192));
        std::fs::write(dir.path().join("same-id.toml"), EMBEDDED[0].1).expect("written");
        assert!(read(dir.path()).is_err_and(|e| e.to_string().contains("same-id.toml")));
    }

    #[test]
    fn manifest_with_unsafe_names_or_values_is_refused() {
        for (from, to, message) in [
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
            assert_ne!(text, EMBEDDED[0].1, "{from} is in the manifest");
            let error = Manifest::parse(Path::new("m.toml"), &text).expect_err(to).to_string();
            assert!(error.contains(message) && error.contains("m.toml"), "{error}");
        }
    }
}
