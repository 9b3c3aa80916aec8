//! Hyperparameters of a training and their defaults.
//!
//! Settings files and requests use the names of the fields. Three fields had other names before, which are still
//! accepted and still written, so that models and checkpoints are exchanged between releases in both directions: see
//! [`RENAMED`].

use serde::{Deserialize, Serialize};

use crate::model::{Device, ModelError};

/// What a training optimizes for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// The paper's: items that share a class are close to each other.
    Dscmr,
    /// Two heads, concatenated: the paper's, and one in which an image is close to its own captions.
    ClassAndPair,
}

/// Norm of a matrix of differences in J1 and J3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// Mean of the norms of its rows, as in the authors' code.
    Rows,
    /// Frobenius norm divided by the number of rows, as equations 7 and 10 are printed.
    Frobenius,
}

/// How J1 compares the outputs of the label layer with the labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Discrimination {
    /// The paper's: distance from 0 and 1.
    Regression,
    /// Cross-entropy between their softmax and the labels; the labels of one item share the probability equally.
    CrossEntropy,
}

/// Learning rate over the course of a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Constant, as in the authors' code.
    Constant,
    /// Linear warm-up over the first 5 % of the steps, then cosine decay to 0 (Loshchilov and Hutter 2017). On the
    /// validation split of UCM-Captions, eight epochs that start at 1e-3 are as good as sixty with a constant 1e-4.
    Cosine,
}

impl Schedule {
    /// Factor of the learning rate at `progress`, the completed fraction of all steps in [0, 1).
    pub(crate) fn factor(self, progress: f64) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Cosine => (progress / WARM_UP).min(1.0) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
        }
    }
}

/// Fraction of the steps over which the learning rate rises.
const WARM_UP: f64 = 0.05;

/// All settings of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSettings {
    /// What the training optimizes for.
    pub objective: Objective,
    /// Seed of the splits, the initial weights, the order of the pairs, and dropout.
    pub seed: u64,
    /// Exponent p in (0, 1] of the power normalization sign(x)·|x|^p of image features (Perronnin, Sánchez and Mensink,
    /// ECCV 2010); 1 turns it off. Pooled activations are mostly near 0 with a few very large ones, which ½ reduces.
    /// Mean mAP on the validation split of UCM-Captions with eight views: .979 and .977 with ½ (seeds 0 and 1), .967
    /// and .968 with 1, .977 with 0.3 (seed 0).
    pub image_power: f64,
    /// Device of the training. A trained model states the one that was used.
    #[serde(default)]
    pub device: Device,
    /// Settings of the class head.
    pub class: ClassSettings,
    /// Settings of the pair head.
    pub pair: PairSettings,
}

/// Settings of the class head. The defaults of λ and η are the authors'.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassSettings {
    /// λ, the weight of J2.
    pub lambda: f64,
    /// η, the weight of J3.
    pub eta: f64,
    /// Norm in J1 and J3.
    pub norm: Norm,
    /// Form of J1.
    pub discrimination: Discrimination,
    /// Network and optimizer.
    #[serde(rename(serialize = "course"), alias = "course")]
    pub optimizer: Hyperparameters,
}

/// Settings of the pair head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairSettings {
    /// Temperature of InfoNCE: cosines are divided by it. With a lower one, the hardest negatives count more.
    pub temperature: f64,
    /// Minimum of the combined model's validation mAP as a ratio of the class head's, in (0, 1]. Of the weights that
    /// reach it, the one with the best validation mR is chosen.
    #[serde(rename(serialize = "keep"), alias = "keep")]
    pub min_class_map_ratio: f64,
    /// Network and optimizer.
    #[serde(rename(serialize = "course"), alias = "course")]
    pub optimizer: Hyperparameters,
}

/// Dimensions of a head's network, and settings of its optimizer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hyperparameters {
    /// Units of the hidden layer of each subnetwork.
    pub hidden: usize,
    /// Dimensions of the embedding.
    pub dims: usize,
    /// Fraction of the hidden units that a step drops, in [0, 1). The paper does not mention dropout.
    pub dropout: f64,
    /// Standard deviation of the noise that a step adds to normalized image features.
    pub noise: f64,
    /// Peak learning rate of Adam.
    pub learning_rate: f64,
    /// Learning rate schedule.
    pub schedule: Schedule,
    /// Adam's decay of the first moment.
    pub beta1: f64,
    /// Adam's decay of the second moment.
    pub beta2: f64,
    /// Pairs per batch.
    pub batch: usize,
    /// Maximum number of steps, rounded up to whole epochs, at least four.
    pub steps: usize,
    /// Maximum number of epochs, instead of `steps`. An epoch covers every caption of the training split once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_epochs: Option<usize>,
    /// Epochs without a better validation score after which the training stops.
    pub patience: usize,
}

/// Minimum number of epochs of a large collection, where fewer would provide enough steps.
const MIN_EPOCHS: usize = 4;

impl Hyperparameters {
    /// Maximum number of epochs for a number of pairs. Small collections get more, because the number of steps matters.
    pub(crate) fn epochs(&self, pairs: usize) -> usize {
        let steps_per_epoch = pairs.div_ceil(self.batch).max(1);
        self.max_epochs.unwrap_or_else(|| self.steps.div_ceil(steps_per_epoch).max(MIN_EPOCHS))
    }
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self::of(Objective::ClassAndPair)
    }
}

/// Names that changed: (section, old name, new name).
const RENAMED: [(&str, &str, &str); 3] =
    [("class", "course", "optimizer"), ("pair", "course", "optimizer"), ("pair", "keep", "min_class_map_ratio")];

impl TrainSettings {
    /// Defaults of an objective. [`Objective::Dscmr`] has the authors' dimensions. With two heads, each has half of
    /// them, so that an embedding is not longer than the paper's; classes are separated as well.
    pub fn of(objective: Objective) -> Self {
        let dims = match objective {
            Objective::Dscmr => 1024,
            Objective::ClassAndPair => 512,
        };
        let optimizer = Hyperparameters {
            hidden: 2048,
            dims,
            dropout: 0.3,
            noise: 0.5,
            learning_rate: 1e-3,
            schedule: Schedule::Cosine,
            beta1: 0.9,
            beta2: 0.999,
            batch: 200,
            steps: 350,
            max_epochs: None,
            patience: 8,
        };
        Self {
            objective,
            seed: 0,
            image_power: 0.5,
            device: Device::Auto,
            pair: PairSettings {
                temperature: 0.05,
                min_class_map_ratio: 0.98,
                optimizer: Hyperparameters {
                    dims: 512,
                    dropout: 0.5,
                    learning_rate: 3e-4,
                    steps: 420,
                    patience: 5,
                    ..optimizer.clone()
                },
            },
            class: ClassSettings {
                lambda: 1e-3,
                eta: 1e-1,
                norm: Norm::Rows,
                discrimination: Discrimination::Regression,
                optimizer,
            },
        }
    }

    /// The defaults of the objective, overridden by the given tables; later tables take precedence. Logs a warning for
    /// every name that has a new spelling.
    ///
    /// # Errors
    /// [`ModelError::Settings`] with the unknown key, or with the key, its value and the allowed range.
    pub fn from_tables(given: impl IntoIterator<Item = toml::Table>) -> Result<Self, ModelError> {
        #[derive(Deserialize)]
        struct Named {
            objective: Option<Objective>,
        }
        let fault = |e: toml::de::Error| ModelError::Settings(e.to_string().trim().replace('\n', ", "));
        let mut merged = toml::Table::new();
        for mut table in given {
            for (old, new) in update_names(&mut table)? {
                tracing::warn!("training settings: `{old}` is now called `{new}`");
            }
            merge(&mut merged, table);
        }
        let Named { objective } = merged.clone().try_into().map_err(fault)?;
        let defaults = Self::of(objective.unwrap_or(Objective::ClassAndPair));
        let mut all = toml::Table::try_from(defaults).map_err(|e| ModelError::Settings(e.to_string()))?;
        update_names(&mut all)?;
        merge(&mut all, merged);
        let settings: Self = all.try_into().map_err(fault)?;
        settings.check()?;
        Ok(settings)
    }

    /// Checks that every number is in its range.
    ///
    /// # Errors
    /// [`ModelError::Settings`] with the setting, its value and the allowed range.
    pub fn check(&self) -> Result<(), ModelError> {
        let require = |valid: bool, name: &str, value: f64, range: &str| {
            let fault = || ModelError::Settings(format!("{name} is {value}, but must be {range}"));
            if valid { Ok(()) } else { Err(fault()) }
        };
        let ratios = [("image_power", self.image_power), ("pair.min_class_map_ratio", self.pair.min_class_map_ratio)];
        for (name, value) in ratios {
            require(value > 0.0 && value <= 1.0, name, value, "greater than 0 and at most 1")?;
        }
        for (name, value) in [("class.lambda", self.class.lambda), ("class.eta", self.class.eta)] {
            require(value >= 0.0 && value.is_finite(), name, value, "at least 0")?;
        }
        let temperature = self.pair.temperature;
        let positive = temperature > 0.0 && temperature.is_finite();
        require(positive, "pair.temperature", temperature, "greater than 0")?;
        for (head, optimizer) in [("class", &self.class.optimizer), ("pair", &self.pair.optimizer)] {
            let name = |setting: &str| format!("{head}.optimizer.{setting}");
            for (setting, value) in [
                ("hidden", optimizer.hidden),
                ("dims", optimizer.dims),
                ("batch", optimizer.batch),
                ("steps", optimizer.steps),
                ("max_epochs", optimizer.max_epochs.unwrap_or(1)),
            ] {
                require(value > 0, &name(setting), value as f64, "at least 1")?;
            }
            let Hyperparameters { dropout, beta1, beta2, noise, learning_rate, .. } = *optimizer;
            for (setting, value) in [("dropout", dropout), ("beta1", beta1), ("beta2", beta2)] {
                require((0.0..1.0).contains(&value), &name(setting), value, "at least 0 and less than 1")?;
            }
            require(noise >= 0.0 && noise.is_finite(), &name("noise"), noise, "at least 0")?;
            let positive = learning_rate > 0.0 && learning_rate.is_finite();
            require(positive, &name("learning_rate"), learning_rate, "greater than 0")?;
        }
        Ok(())
    }
}

/// Replaces old names by new ones. Returns the paths of those that were replaced, (old, new).
fn update_names(table: &mut toml::Table) -> Result<Vec<(String, String)>, ModelError> {
    let mut replaced = Vec::new();
    for (section, old, new) in RENAMED {
        let Some(toml::Value::Table(fields)) = table.get_mut(section) else { continue };
        let Some(value) = fields.remove(old) else { continue };
        let paths = (format!("{section}.{old}"), format!("{section}.{new}"));
        if fields.insert(new.to_owned(), value).is_some() {
            let (old, new) = paths;
            return Err(ModelError::Settings(format!("{old} and {new} are the same setting; keep {new}")));
        }
        replaced.push(paths);
    }
    Ok(replaced)
}

/// Overrides values of `base`, table by table.
fn merge(base: &mut toml::Table, overrides: toml::Table) {
    for (name, value) in overrides {
        match (base.get_mut(&name), value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(overrides)) => merge(base, overrides),
            (_, value) => {
                base.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_toml<const N: usize>(tables: [&str; N]) -> Result<TrainSettings, ModelError> {
        TrainSettings::from_tables(tables.map(|text| text.parse().expect("TOML")))
    }

    #[test]
    fn settings_that_are_left_out_have_their_defaults() {
        let settings = from_toml([
            "objective = \"dscmr\"\n[class]\nlambda = 0.5\neta = 0.5",
            "[class]\neta = 0.1\n[class.optimizer]\nbatch = 7",
        ])
        .expect("valid");
        let mut expected = TrainSettings::of(Objective::Dscmr);
        (expected.class.lambda, expected.class.optimizer.batch) = (0.5, 7);
        assert_eq!(settings, expected);
        assert_eq!(from_toml([]).expect("valid"), TrainSettings::default());
    }

    #[test]
    fn old_names_still_work_and_combine_with_new_ones() {
        let old = "[class.course]\nbatch = 7\n[pair]\nkeep = 0.5\n[pair.course]\nhidden = 9";
        let new = "[class.optimizer]\nbatch = 7\n[pair]\nmin_class_map_ratio = 0.5\n[pair.optimizer]\nhidden = 9";
        let settings = from_toml([new]).expect("valid");
        assert_eq!(from_toml([old]).expect("valid"), settings);
        assert_eq!(settings.pair.min_class_map_ratio, 0.5);
        let both = from_toml([old, "[class.optimizer]\npatience = 3"]).expect("valid");
        assert_eq!((both.class.optimizer.batch, both.class.optimizer.patience), (7, 3));
        let fault =
            from_toml(["[class.course]\nbatch = 7\n[class.optimizer]\nbatch = 8"]).expect_err("twice").to_string();
        assert!(fault.contains("class.course and class.optimizer are the same setting"), "{fault}");

        // Stored models and the fingerprints of checkpoints have the old names.
        let stored = serde_json::to_value(&settings).expect("JSON");
        assert_eq!((&stored["class"]["course"]["batch"], &stored["pair"]["keep"]), (&7.into(), &0.5.into()));
        assert_eq!(serde_json::from_value::<TrainSettings>(stored).expect("settings"), settings);
    }

    #[test]
    fn unusable_settings_are_refused_by_name() {
        for (text, name) in [
            ("[pair.course]\nbatch = 0", "pair.optimizer.batch is 0"),
            ("[class.optimizer]\ndropout = 1.0", "class.optimizer.dropout is 1"),
            ("image_power = 0.0", "image_power is 0"),
            ("[pair]\ntemperature = nan", "pair.temperature is NaN"),
            ("[class]\nlamda = 1.0", "lamda"),
            ("seed = \"one\"", "seed"),
            ("objective = \"best\"", "class-and-pair"),
            ("device = \"tpu\"", "cuda"),
        ] {
            let fault = from_toml([text]).expect_err(text).to_string();
            assert!(fault.contains(name), "{text}: {fault}");
        }
    }
}
