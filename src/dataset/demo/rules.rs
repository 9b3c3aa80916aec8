//! The curation rules, parsed from `rules/*.toml`. The files document each rule.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

/// Rules for Tux Paint's stamps.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TuxPaint {
    pub(super) excluded_names: Patterns,
    pub(super) folders: Folders,
}

/// Rules for Openclipart's drawings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Openclipart {
    max_variants: Vec<(Pattern, usize)>,
    generic_folders: Vec<String>,
    specific_folders: Vec<String>,
    keywords: Vec<(String, String)>,
    titles: Vec<(Pattern, String)>,
    pub(super) folders: Folders,
    pub(super) excluded: Excluded,
    pub(super) captions: Captions,
    pub(super) italian: Italian,
}

/// Drawings that are excluded whatever their folder.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Excluded {
    pub(super) titles: Patterns,
    pub(super) names: Patterns,
    pub(super) authors: Patterns,
}

/// How titles, descriptions, keywords and file names become captions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Captions {
    pub(super) replace_in_titles: Vec<(String, String)>,
    pub(super) texts_about_files: Patterns,
    pub(super) foreign_words: Vec<String>,
    pub(super) ignored_keywords: Patterns,
    pub(super) ignored_name_words: Patterns,
    pub(super) abbreviations: BTreeMap<String, String>,
    pub(super) by_name: BTreeMap<String, Vec<String>>,
}

/// Which titles are Italian, and the English of their words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Italian {
    pub(super) names: Patterns,
    pub(super) people: Patterns,
    pub(super) glossary: BTreeMap<String, String>,
}

/// A text in which `*` at either end stands for any text.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Pattern(String);

impl Pattern {
    pub(super) fn matches(&self, text: &str) -> bool {
        match (self.0.strip_prefix('*'), self.0.strip_suffix('*')) {
            (Some(_), Some(_)) => text.contains(self.0.trim_matches('*')),
            (Some(end), None) => text.ends_with(end),
            (None, Some(start)) => text.starts_with(start),
            (None, None) => text == self.0,
        }
    }
}

/// A list of patterns.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Patterns(Vec<Pattern>);

impl Patterns {
    /// Whether one of the patterns matches.
    pub(super) fn match_any(&self, text: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(text))
    }
}

/// Labels by folder; an empty label excludes the folder.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Folders(BTreeMap<String, String>);

impl Folders {
    /// The label of the longest path that contains `folder`; `None` if it is excluded.
    pub(super) fn label(&self, folder: &str) -> Option<&str> {
        let paths = self.0.iter().filter(|(path, _)| contains(path, folder));
        paths.max_by_key(|(path, _)| path.len()).and_then(|(_, label)| included(label))
    }
}

impl Openclipart {
    /// The label of a drawing; `None` if its folder or a keyword excludes it.
    pub(super) fn label(&self, folder: &str, keywords: &[String], title: &str) -> Option<&str> {
        let by_folder = self.folders.label(folder)?;
        let has = |keyword: &str| keywords.iter().any(|own| own.eq_ignore_ascii_case(keyword));
        let by_keyword = self.keywords.iter().find(|(keyword, _)| has(keyword));
        let label = by_keyword.map_or(Some(by_folder), |(_, label)| included(label))?;
        let by_title = self.titles.iter().find(|(pattern, _)| pattern.matches(&title.to_lowercase()));
        by_title.map_or(Some(label), |(_, label)| included(label))
    }

    /// Whether a folder describes an occasion or a use and not the content.
    pub(super) fn is_generic(&self, folder: &str) -> bool {
        let is_in = |paths: &[String]| paths.iter().any(|path| contains(path, folder));
        is_in(&self.generic_folders) && !is_in(&self.specific_folders)
    }

    /// How many drawings with this name are kept, not counting numbers and letters at its end.
    pub(super) fn max_variants(&self, name: &str) -> usize {
        self.max_variants.iter().find(|(pattern, _)| pattern.matches(name)).map_or(usize::MAX, |&(_, max)| max)
    }
}

/// The rules of `rules/openclipart.toml`.
pub(super) static OPENCLIPART: LazyLock<Openclipart> =
    LazyLock::new(|| toml::from_str(include_str!("rules/openclipart.toml")).expect("a unit test parses the rules"));

/// The rules of `rules/tux_paint.toml`.
pub(super) static TUX_PAINT: LazyLock<TuxPaint> =
    LazyLock::new(|| toml::from_str(include_str!("rules/tux_paint.toml")).expect("a unit test parses the rules"));

/// Whether `folder` is `path` or below it.
fn contains(path: &str, folder: &str) -> bool {
    folder.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn included(label: &str) -> Option<&str> {
    (!label.is_empty()).then_some(label)
}

#[cfg(test)]
mod tests;
