//! The strings of the pages: all languages have the same keys and placeholders, and the pages use all of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::{Map, Value};

const LANGUAGES: [&str; 3] = ["en", "de", "zh"];

/// Prefixes of keys: strings of both pages, of the search page and of the admin page.
const SECTIONS: [&str; 3] = ["shared.", "search.", "admin."];

fn messages(language: &str) -> Map<String, Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("static/locales/{language}.json"));
    serde_json::from_str(&fs::read_to_string(path).expect("a file of strings")).expect("an object")
}

/// Scripts and documents of the pages, by path.
fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("static");
    let files = walkdir::WalkDir::new(&root).into_iter().map(|entry| entry.expect("an entry").into_path());
    let sources =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "js" || extension == "html"));
    sources.map(|path| (path.display().to_string(), fs::read_to_string(&path).expect("text"))).collect()
}

/// Every string literal of a source that starts with a prefix of keys. In templates, `${…}` becomes `*`.
fn used_keys(source: &str) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for (at, quote) in source.match_indices(['\'', '"', '`']) {
        let rest = &source[at + 1..];
        let Some(text) = rest.split(quote).next().filter(|_| SECTIONS.iter().any(|section| rest.starts_with(section)))
        else {
            continue;
        };
        let mut parts = text.split("${");
        let mut key = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            key = format!("{key}*{}", part.split_once('}').map_or("", |(_, after)| after));
        }
        keys.insert(key);
    }
    keys
}

/// Whether a key matches the pattern `used`, in which `*` stands for one character or more.
fn matches_pattern(key: &str, used: &str) -> bool {
    match used.split_once('*') {
        None => key == used,
        Some((before, after)) => key.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices()
                .skip(1)
                .map(|(at, _)| at)
                .chain([rest.len()])
                .any(|at| matches_pattern(&rest[at..], after))
        }),
    }
}

/// Forms of a message by plural category; a message without a count has the form `other` only.
fn forms(message: &Value) -> BTreeMap<&str, &str> {
    match message {
        Value::String(text) => BTreeMap::from([("other", text.as_str())]),
        Value::Object(forms) => {
            forms.iter().map(|(category, form)| (category.as_str(), form.as_str().expect("text"))).collect()
        }
        other => panic!("{other} is not a message"),
    }
}

fn placeholders(message: &Value) -> BTreeSet<String> {
    let texts = forms(message);
    let parts = texts.values().flat_map(|text| text.split('{').skip(1));
    parts.map(|part| part.split_once('}').expect("a closing brace").0.to_owned()).collect()
}

#[test]
fn languages_have_the_same_keys_and_placeholders() {
    let english = messages("en");
    for language in LANGUAGES {
        let translated = messages(language);
        let keys = |messages: &Map<String, Value>| messages.keys().cloned().collect::<BTreeSet<_>>();
        let (english_keys, translated_keys) = (keys(&english), keys(&translated));
        assert_eq!(
            english_keys.symmetric_difference(&translated_keys).collect::<Vec<_>>(),
            [""; 0],
            "en and {language}"
        );
        for (key, message) in &translated {
            assert_eq!(placeholders(message), placeholders(&english[key]), "{language}: {key}");
            let forms = forms(message);
            assert!(forms.contains_key("other"), "{language}: {key} lacks the form `other`");
            assert!(forms.keys().all(|form| ["one", "other"].contains(form)), "{language}: {key}");
            assert!(forms.values().all(|text| !text.trim().is_empty()), "{language}: {key} is empty");
        }
    }
}

#[test]
fn pages_use_every_string_and_no_other() {
    let english = messages("en");
    let mut used = BTreeSet::new();
    for (path, source) in sources() {
        for key in used_keys(&source) {
            assert!(english.keys().any(|known| matches_pattern(known, &key)), "{path} uses {key}, which has no string");
            used.insert(key);
        }
    }
    let unused: Vec<&String> =
        english.keys().filter(|key| !used.iter().any(|used| matches_pattern(key, used))).collect();
    assert!(unused.is_empty(), "no page uses {unused:?}");
}

/// With English, no text changes when the strings are loaded.
#[test]
fn documents_hold_the_english_strings() {
    let english = messages("en");
    let mut checked = 0;
    for (path, source) in sources().into_iter().filter(|(path, _)| path.ends_with(".html")) {
        for (at, attribute) in source.match_indices(" data-t=\"") {
            let rest = &source[at + attribute.len()..];
            let key = rest.split('"').next().expect("a key");
            let text = rest.split_once('>').expect("the end of a tag").1.split('<').next().expect("text");
            assert_eq!(english[key].as_str(), Some(text.trim()), "{path}: {key}");
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked}");
}
