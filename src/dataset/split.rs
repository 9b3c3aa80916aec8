//! Which records are learned from, which choose the model, and which are looked at once, at the end.

use std::{collections::HashMap, str::FromStr};

/// A record's part in learning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Learned from.
    Train,
    /// Chooses the epoch, the settings and the calibration.
    Validation,
    /// Looked at once, at the end.
    Test,
}

impl Split {
    /// Its name, as [`FromStr`] reads it.
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
            _ => Err(format!("the split `{text}` is not known; train, validation (or val) and test are")),
        }
    }
}

/// Which part of each class goes where; the rest is learned from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SplitFractions {
    /// Part that chooses the model, 0.1 by default.
    pub validation: f64,
    /// Part that is looked at once, 0.1 by default.
    pub test: f64,
}

impl Default for SplitFractions {
    fn default() -> Self {
        Self { validation: 0.1, test: 0.1 }
    }
}

/// What [`assign_splits`] needs to know of a record.
#[derive(Debug, Clone)]
pub struct SplitMember<'a> {
    /// The record's id.
    pub id: &'a str,
    /// Hash of its picture's bytes; `None` if it has no picture.
    pub content: Option<[u8; 32]>,
    /// Its labels.
    pub labels: &'a [String],
    /// The split its owner gave it.
    pub given: Option<Split>,
}

/// Assigns every record a split, in the order of `members`. The same records with the same seed get the same splits in
/// whatever order they come.
///
/// - Records with the same picture go together. If their owner gave them different splits, all go to the strictest
///   (test before validation before train): what is tested on must not have been learned from.
/// - A given split is honoured. If splits are given but none is validation, the validation part is taken from what was
///   given to train.
/// - The others are dealt class by class, within less than one of the fractions. Records with several labels are dealt
///   with the rarest of them. A class's last picture goes to train, so a class of one is learned from.
///
/// Negative fractions and NaN count as 0; fractions that sum to more than 1 leave each class one picture to train on.
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

    let mut strata: HashMap<(Deal, &str), Vec<[u8; 32]>> = HashMap::new();
    let mut dealt: HashMap<[u8; 32], Split> = HashMap::new();
    for (&key, group) in &groups {
        let deal = match group.given {
            None => Deal::Free,
            Some(Split::Train) if validation_from_train => Deal::TrainOrValidation,
            Some(given) => {
                dealt.insert(key, given);
                continue;
            }
        };
        let rarest = group.labels.iter().min_by_key(|label| (sizes[**label], **label)).copied().unwrap_or_default();
        strata.entry((deal, rarest)).or_default().push(key);
    }
    for ((deal, class), mut keys) in strata {
        let (validation, test) = match deal {
            Deal::Free => (validation, test),
            // Of the whole, the train part is what the test part left.
            Deal::TrainOrValidation => ((validation / (1.0 - test).max(validation).max(1e-9)).min(1.0), 0.0),
        };
        keys.sort_by_cached_key(|key| seeded(seed, b"order", key));
        let spare = keys.len() - 1;
        let tested = share(keys.len(), test, seed, b"test", class).min(spare);
        let validated = share(keys.len(), validation, seed, b"validation", class).min(spare - tested);
        for (rank, key) in keys.into_iter().enumerate() {
            let split = match rank {
                rank if rank < tested => Split::Test,
                rank if rank < tested + validated => Split::Validation,
                _ => Split::Train,
            };
            dealt.insert(key, split);
        }
    }
    members.iter().map(|member| dealt[&key(member)]).collect()
}

#[derive(Default)]
struct Group<'a> {
    given: Option<Split>,
    labels: Vec<&'a str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Deal {
    Free,
    TrainOrValidation,
}

fn key(member: &SplitMember<'_>) -> [u8; 32] {
    member.content.unwrap_or_else(|| *blake3::hash(member.id.as_bytes()).as_bytes())
}

/// `count · fraction`, rounded up or down by a coin that the seed throws for the class: many small classes then get
/// together what one large class would.
fn share(count: usize, fraction: f64, seed: u64, purpose: &[u8], class: &str) -> usize {
    let bytes = seeded(seed, purpose, class.as_bytes());
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
