//! Every knob of a training, with its default.

use serde::{Deserialize, Serialize};

use super::device::Device;
use crate::model::DscmrError;

/// What a common space is learned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// The paper's, to the letter: what shares a class lies together.
    Dscmr,
    /// Two parts side by side in one vector: the paper's, and one in which a picture finds its very own captions.
    ClassAndPair,
}

/// How J1 and J3 measure a matrix of differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// The mean of the rows' norms, as the authors' code does.
    Rows,
    /// The Frobenius norm of the whole matrix divided by the number of rows, as equations 7 and 10 are printed.
    Frobenius,
}

/// How J1 compares outputs of the label layer with the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Discrimination {
    /// The paper's: their distance from 0 and 1.
    Regression,
    /// Cross-entropy of their softmax with the truth; several labels of one item share the probability equally.
    CrossEntropy,
}

/// How the step size goes over a training of all its epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// It stays, as in the authors' code.
    Constant,
    /// It rises over the first twentieth of the steps, then falls to 0 along half a wave of the cosine (Loshchilov and Hutter
    /// 2017). On the validation split of UCM-Captions eight epochs that begin at 1e-3 reach what sixty of 1e-4 do.
    Cosine,
}

impl Schedule {
    /// The part of the highest step size that is taken when `done`, in [0, 1), of all steps are.
    pub(crate) fn part(self, done: f64) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Cosine => (done / WARM_UP).min(1.0) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
        }
    }
}

/// Part of the steps over which the step size rises.
const WARM_UP: f64 = 0.05;

/// All settings of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSettings {
    /// What is learned.
    pub objective: Objective,
    /// Seed of the split, the initial weights, the order and the dropout.
    pub seed: u64,
    /// p, in (0, 1]: picture features enter as sign(x)·|x|^p, before they are standardised. Pooled activations are mostly
    /// near 0 with a few giants, which ½ tames (power normalisation: Perronnin, Sánchez and Mensink, ECCV 2010); 1 leaves
    /// them as they are. On the validation split of UCM-Captions with eight views, seeds 0 and 1, ½ gave a mean mAP of .979
    /// and .977, 1 gave .967 and .968, and 0.3, seed 0, gave .977.
    pub image_power: f64,
    /// Where it is computed. What a model holds is where that was.
    #[serde(default)]
    pub device: Device,
    /// The part in which classes lie together.
    pub class: ClassPart,
    /// The part in which a picture finds its captions.
    pub pair: PairPart,
}

/// Settings of the class part: the paper's, with the authors' weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassPart {
    /// λ: weight of J2.
    pub lambda: f64,
    /// η: weight of J3.
    pub eta: f64,
    /// How J1 and J3 measure.
    pub norm: Norm,
    /// How J1 compares.
    pub discrimination: Discrimination,
    /// Network and steps.
    pub course: Course,
}

/// Settings of the pair part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairPart {
    /// What cosines are divided by before the softmax of the contrast; smaller looks at the nearest rivals alone.
    pub temperature: f64,
    /// The part of the class part's validation mAP that the whole must keep; among the weights that do, that with the best
    /// validation mR is taken. In (0, 1].
    pub keep: f64,
    /// Network and steps.
    pub course: Course,
}

/// A network and the steps by which it learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Course {
    /// Units of each subnetwork's own layer.
    pub hidden: usize,
    /// Dimensions of the space.
    pub dims: usize,
    /// Part of each subnetwork's own units that a step leaves out at random, in [0, 1). The paper names none.
    pub dropout: f64,
    /// Standard deviation of the noise that a step adds to standardised picture features.
    pub noise: f64,
    /// Adam's step size, at its highest.
    pub learning_rate: f64,
    /// How the step size goes.
    pub schedule: Schedule,
    /// Adam's decay of the first moment.
    pub beta1: f64,
    /// Adam's decay of the second moment.
    pub beta2: f64,
    /// Pairs of a batch.
    pub batch: usize,
    /// Steps that a training takes at most, rounded up to whole epochs, of which there are four at least.
    pub steps: usize,
    /// In place of that, passes over the training split. A pass takes every picture with each of its captions once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_epochs: Option<usize>,
    /// Passes without a better validation score after which the training ends.
    pub patience: usize,
}

/// Epochs of a collection so large that fewer would be steps enough.
const FEWEST_EPOCHS: usize = 4;

impl Course {
    /// Epochs that a training on so many pairs takes at most. A small collection takes more than a large one, because what
    /// counts is the number of steps.
    pub(crate) fn epochs(&self, pairs: usize) -> usize {
        let in_one = pairs.div_ceil(self.batch).max(1);
        self.max_epochs.unwrap_or_else(|| self.steps.div_ceil(in_one).max(FEWEST_EPOCHS))
    }
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self::of(Objective::ClassAndPair)
    }
}

impl TrainSettings {
    /// The defaults of an objective. The paper's own has the authors' dimensions; beside a pair part, half of them tell
    /// classes apart as well, so that a point is no longer than the paper's.
    pub fn of(objective: Objective) -> Self {
        let dims = match objective {
            Objective::Dscmr => 1024,
            Objective::ClassAndPair => 512,
        };
        let course = Course {
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
            pair: PairPart {
                temperature: 0.05,
                keep: 0.98,
                course: Course {
                    dims: 512,
                    dropout: 0.5,
                    learning_rate: 3e-4,
                    steps: 420,
                    patience: 5,
                    ..course.clone()
                },
            },
            class: ClassPart {
                lambda: 1e-3,
                eta: 1e-1,
                norm: Norm::Rows,
                discrimination: Discrimination::Regression,
                course,
            },
        }
    }

    /// The objective's defaults with what tables say in their place, a later one before an earlier.
    ///
    /// # Errors
    /// [`DscmrError::Settings`] with the key that is not known, or with what is allowed.
    pub fn from_tables(given: impl IntoIterator<Item = toml::Table>) -> Result<Self, DscmrError> {
        #[derive(Deserialize)]
        struct Named {
            objective: Option<Objective>,
        }
        let fault = |e: toml::de::Error| DscmrError::Settings(e.to_string().trim().replace('\n', ", "));
        let given = given.into_iter().fold(toml::Table::new(), |mut all, table| {
            put_over(&mut all, table);
            all
        });
        let Named { objective } = given.clone().try_into().map_err(fault)?;
        let defaults = Self::of(objective.unwrap_or(Objective::ClassAndPair));
        let mut all = toml::Table::try_from(defaults).map_err(|e| DscmrError::Settings(e.to_string()))?;
        put_over(&mut all, given);
        let settings: Self = all.try_into().map_err(fault)?;
        settings.check()?;
        Ok(settings)
    }

    /// Checks that every number is one that a training can use.
    ///
    /// # Errors
    /// [`DscmrError::Settings`] with the setting, what it is and what is allowed.
    pub fn check(&self) -> Result<(), DscmrError> {
        let refuse = |name: &str, found: f64, allowed: &str| {
            Err(DscmrError::Settings(format!("{name} is {found}; allowed are {allowed}")))
        };
        for (name, value) in [("image_power", self.image_power), ("pair.keep", self.pair.keep)] {
            if !(value > 0.0 && value <= 1.0) {
                return refuse(name, value, "numbers above 0 up to 1");
            }
        }
        for (name, value) in [("class.lambda", self.class.lambda), ("class.eta", self.class.eta)] {
            if !(value >= 0.0 && value.is_finite()) {
                return refuse(name, value, "numbers from 0 on");
            }
        }
        if !(self.pair.temperature > 0.0 && self.pair.temperature.is_finite()) {
            return refuse("pair.temperature", self.pair.temperature, "numbers above 0");
        }
        for (part, course) in [("class", &self.class.course), ("pair", &self.pair.course)] {
            let name = |setting: &str| format!("{part}.course.{setting}");
            for (setting, value) in [
                ("hidden", course.hidden),
                ("dims", course.dims),
                ("batch", course.batch),
                ("steps", course.steps),
                ("max_epochs", course.max_epochs.unwrap_or(1)),
            ] {
                if value == 0 {
                    return refuse(&name(setting), 0.0, "whole numbers from 1 on");
                }
            }
            for (setting, value) in [("dropout", course.dropout), ("beta1", course.beta1), ("beta2", course.beta2)] {
                if !(0.0..1.0).contains(&value) {
                    return refuse(&name(setting), value, "numbers from 0 up to, but not including, 1");
                }
            }
            if !(course.noise >= 0.0 && course.noise.is_finite()) {
                return refuse(&name("noise"), course.noise, "numbers from 0 on");
            }
            if !(course.learning_rate > 0.0 && course.learning_rate.is_finite()) {
                return refuse(&name("learning_rate"), course.learning_rate, "numbers above 0");
            }
        }
        Ok(())
    }
}

/// Puts values over those of the same name, table by table.
fn put_over(under: &mut toml::Table, over: toml::Table) {
    for (name, value) in over {
        match (under.get_mut(&name), value) {
            (Some(toml::Value::Table(under)), toml::Value::Table(over)) => put_over(under, over),
            (_, value) => {
                under.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_leaves_out_is_as_in_the_default() {
        let tables = [
            "objective = \"dscmr\"\n[class]\nlambda = 0.5\neta = 0.5",
            "[class]\neta = 0.1\n[class.course]\nbatch = 7",
        ];
        let settings = TrainSettings::from_tables(tables.map(|text| text.parse().expect("TOML"))).expect("valid");
        let mut expected = TrainSettings::of(Objective::Dscmr);
        (expected.class.lambda, expected.class.course.batch) = (0.5, 7);
        assert_eq!(settings, expected);
        assert_eq!(TrainSettings::from_tables([]).expect("valid"), TrainSettings::default());
    }

    #[test]
    fn what_no_training_can_use_is_refused_by_name() {
        for (text, name) in [
            ("[pair.course]\nbatch = 0", "pair.course.batch is 0"),
            ("[class.course]\ndropout = 1.0", "class.course.dropout is 1"),
            ("image_power = 0.0", "image_power is 0"),
            ("[pair]\ntemperature = nan", "pair.temperature is NaN"),
            ("[class]\nlamda = 1.0", "lamda"),
            ("seed = \"one\"", "seed"),
            ("objective = \"best\"", "class-and-pair"),
            ("device = \"tpu\"", "cuda"),
        ] {
            let fault = TrainSettings::from_tables([text.parse().expect("TOML")]).expect_err(text).to_string();
            assert!(fault.contains(name), "{text}: {fault}");
        }
    }
}
