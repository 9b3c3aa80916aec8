use std::collections::BTreeSet;

use super::*;

const LABELS: [&str; 20] = [
    "animals",
    "birds",
    "buildings",
    "clothing",
    "electronics",
    "flags",
    "food",
    "games and sports",
    "holidays",
    "household",
    "maps",
    "music",
    "office",
    "people",
    "plants",
    "signs",
    "sky",
    "tools",
    "vehicles",
    "",
];

#[test]
fn longest_matching_folder_decides() {
    let label = |folder| OPENCLIPART.label(folder, &[], "");
    assert_eq!(label("animals/mammals/dogs"), Some("animals"));
    assert_eq!(label("animals/birds/penguin"), Some("birds"));
    assert_eq!(label("computer/icons/lemon-theme/apps"), None);
    assert_eq!(label("unsorted"), None);
    assert_eq!(label("officery"), None, "a path ends where a folder's name ends");
    assert_eq!(TUX_PAINT.folders.label("town/roadsigns"), Some("signs"));
    assert_eq!(TUX_PAINT.folders.label("symbols/alphabets"), None);
}

#[test]
fn keyword_and_title_override_the_folder() {
    let label = |folder, keyword: &str, title| OPENCLIPART.label(folder, &[keyword.to_owned()], title);
    assert_eq!(label("transportation", "RoadSign", ""), Some("signs"));
    assert_eq!(label("animals/birds", "logo", ""), None);
    assert_eq!(label("animals/birds", "bird", "Map of Mali"), Some("maps"));
    assert_eq!(label("shapes", "bird", "Map of Mali"), None, "a title does not bring back an excluded folder");
}

#[test]
fn pattern_matches_with_a_wildcard_at_either_end() {
    for (pattern, matching, other) in [
        ("aiga_*", "aiga_stairs", "an aiga_stairs"),
        ("*_flip", "crow_flip", "crow_flip_2"),
        ("*map of*", "a map of mali", "maps"),
        ("crow", "crow", "crows"),
    ] {
        let pattern = Pattern(pattern.into());
        assert!(pattern.matches(matching) && !pattern.matches(other), "{pattern:?}");
    }
    assert!(Pattern("*".into()).matches(""));
}

/// Reports a misspelt label, a pattern that could never match, and an empty or duplicate entry.
#[test]
fn rules_hold_only_known_labels_and_patterns_that_can_match() {
    let (openclipart, tux_paint) = (&*OPENCLIPART, &*TUX_PAINT);
    let folders = openclipart.folders.0.iter().chain(&tux_paint.folders.0);
    for (folder, label) in folders.clone() {
        assert!(!folder.is_empty() && folder.split('/').all(|part| !part.is_empty()), "folder `{folder}`");
        assert!(LABELS.contains(&label.as_str()), "folder `{folder}`: label `{label}`");
    }
    let by_keyword = openclipart.keywords.iter().map(|(_, label)| label);
    let by_title = openclipart.titles.iter().map(|(_, label)| label);
    let used: BTreeSet<&str> =
        folders.map(|(_, label)| label).chain(by_keyword).chain(by_title).map(String::as_str).collect();
    assert_eq!(used, BTreeSet::from(LABELS));
    for folder in openclipart.generic_folders.iter().chain(&openclipart.specific_folders) {
        assert!(openclipart.folders.0.contains_key(folder), "`{folder}` has no label");
    }

    let excluded = &openclipart.excluded;
    let captions = &openclipart.captions;
    let lower_case = [&excluded.titles, &excluded.authors, &captions.texts_about_files, &captions.ignored_keywords];
    for Pattern(pattern) in lower_case.into_iter().chain([&openclipart.italian.people]).flat_map(|list| &list.0) {
        assert_eq!(*pattern, pattern.to_lowercase(), "compared with texts in lower case");
    }
    let names = [&tux_paint.excluded_names, &excluded.names, &captions.ignored_name_words, &openclipart.italian.names];
    let lists = lower_case.into_iter().chain(names).chain([&openclipart.italian.people]);
    for list in lists {
        let distinct: BTreeSet<&str> = list.0.iter().map(|Pattern(pattern)| pattern.as_str()).collect();
        assert_eq!(distinct.len(), list.0.len(), "an entry comes twice in {list:?}");
        for pattern in distinct {
            let text = pattern.trim_matches('*');
            assert!(!text.is_empty() && !text.contains('*'), "pattern `{pattern}`");
        }
    }
    assert!(openclipart.max_variants("anything") > 0, "the last pattern matches every name");

    let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_lowercase());
    for word in openclipart.italian.glossary.keys().chain(&captions.foreign_words) {
        assert!(is_word(word), "`{word}` is not one word in lower case");
    }
    let texts = openclipart.italian.glossary.values().chain(captions.abbreviations.values());
    for text in texts.chain(captions.by_name.values().flatten()) {
        assert!(!text.is_empty() && text.trim() == text, "text `{text}`");
    }
}
