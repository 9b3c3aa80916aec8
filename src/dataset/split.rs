//! Assigns records to the training, validation and test split.

use std::{collections::HashMap, str::FromStr};

/// The purpose of a record in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Training.
    Train,
    /// Selection of the epoch, the settings and the calibration.
    Validation,
    /// Final evaluation.
    Test,
}

impl Split {
    /// Its name, as [`FromStr`] parses it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

impl FromStr for Split {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_lowercase().as_str() {
            "train" => Ok(Self::Train),
            "val" | "validation" => Ok(Self::Validation),
            "test" => Ok(Self::Test),
            _ => Err(format!("unknown split `{text}`; expected train, validation (or val) or test")),
        }
    }
}

/// Fractions of each label that are not used for training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SplitFractions {
    /// Fraction for validation, 0.1 by default.
    pub validation: f64,
    /// Fraction for the test, 0.1 by default.
    pub test: f64,
}

impl Default for SplitFractions {
    fn default() -> Self {
        Self { validation: 0.1, test: 0.1 }
    }
}

/// The part of a record that [`assign_splits`] uses.
#[derive(Debug, Clone)]
pub struct SplitMember<'a> {
    /// The record's id.
    pub id: &'a str,
    /// Hash of its image file; `None` if it has no image.
    pub content: Option<[u8; 32]>,
    /// Its labels.
    pub labels: &'a [String],
    /// The split that its record assigns.
    pub given: Option<Split>,
}

/// Assigns a split to each of `members`. The same records with the same seed get the same splits in any order.
///
/// - Records with the same image get the same split. If their records assign different ones, all get the strictest
///   (test before validation before train), so that no test image is trained on.
/// - Assigned splits are kept. If some are assigned but none is validation, the validation split is taken from the
///   records assigned to train.
/// - The others are distributed label by label, where the number in each split differs from the fraction by less than
///   one. A record with several labels counts for the rarest. At least one image of each label is trained on.
///
/// Negative fractions and NaN count as 0. Fractions with a sum above 1 leave one image of each label for training.
pub fn assign_splits(members: &[SplitMember<'_>], fractions: SplitFractions, seed: u64) -> Vec<Split> {
    let fraction = |value: f64| if value > 0.0 { value.min(1.0) } else { 0.0 };
    let (validation, test) = (fraction(fractions.validation), fraction(fractions.test));
    let mut groups: HashMap<[u8; 32], Group<'_>> = HashMap::new();
    for member in members {
        let group = groups.entry(key(member)).or_default();
        group.given = group.given.max(member.given);
        group.labels.extend(member.labels.iter().map(String::as_str));
    }
    let mut sizes: HashMap<&str, usize> = HashMap::new();
    for group in groups.values_mut() {
        group.labels.sort_unstable();
        group.labels.dedup();
        for label in &group.labels {
            *sizes.entry(label).or_default() += 1;
        }
    }
    let has = |split| groups.values().any(|group| group.given == Some(split));
    let validation_from_train = has(Split::Train) && !has(Split::Validation);

    let mut strata: HashMap<(Pool, &str), Vec<[u8; 32]>> = HashMap::new();
    let mut assigned: HashMap<[u8; 32], Split> = HashMap::new();
    for (&key, group) in &groups {
        let pool = match group.given {
            None => Pool::All,
            Some(Split::Train) if validation_from_train => Pool::TrainOrValidation,
            Some(given) => {
                assigned.insert(key, given);
                continue;
            }
        };
        let rarest = group.labels.iter().min_by_key(|label| (sizes[**label], **label)).copied().unwrap_or_default();
        strata.entry((pool, rarest)).or_default().push(key);
    }
    for ((pool, label), mut keys) in strata {
        let (validation, test) = match pool {
            Pool::All => (validation, test),
            // The fractions are of all records, of which the test split is already removed.
            Pool::TrainOrValidation => ((validation / (1.0 - test).max(validation).max(1e-9)).min(1.0), 0.0),
        };
        keys.sort_by_cached_key(|key| seeded(seed, b"order", key));
        let available = keys.len() - 1;
        let tested = share(keys.len(), test, seed, b"test", label).min(available);
        let validated = share(keys.len(), validation, seed, b"validation", label).min(available - tested);
        for (rank, key) in keys.into_iter().enumerate() {
            let split = match rank {
                rank if rank < tested => Split::Test,
                rank if rank < tested + validated => Split::Validation,
                _ => Split::Train,
            };
            assigned.insert(key, split);
        }
    }
    members.iter().map(|member| assigned[&key(member)]).collect()
}

#[derive(Default)]
struct Group<'a> {
    given: Option<Split>,
    labels: Vec<&'a str>,
}

/// The splits among which records are distributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Pool {
    All,
    TrainOrValidation,
}

fn key(member: &SplitMember<'_>) -> [u8; 32] {
    member.content.unwrap_or_else(|| *blake3::hash(member.id.as_bytes()).as_bytes())
}

/// `count · fraction`, rounded up or down at random by the seed and the label, so that many small labels together get
/// the same share as a large one.
fn share(count: usize, fraction: f64, seed: u64, purpose: &[u8], label: &str) -> usize {
    let bytes = seeded(seed, purpose, label.as_bytes());
    let coin = u64::from_le_bytes(bytes[..8].try_into().expect("a hash has 32 bytes")) as f64 / (u64::MAX as f64 + 1.0);
    (count as f64 * fraction + coin).floor() as usize
}

fn seeded(seed: u64, purpose: &[u8], bytes: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"diptych split ").update(&seed.to_le_bytes()).update(purpose).update(b"\0").update(bytes);
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests;
