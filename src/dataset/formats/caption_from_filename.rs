//! Turns a file name into words, for images without a caption.

/// Generic names that cameras and programs use.
const GENERIC: &[&str] = &[
    "img",
    "image",
    "dsc",
    "dscn",
    "dscf",
    "pict",
    "pic",
    "picture",
    "photo",
    "scan",
    "screenshot",
    "untitled",
    "unnamed",
    "download",
    "file",
    "copy",
    "new",
];

/// The words of a file name without its extension: `red_double-decker bus01` becomes `red double decker bus`. Empty for
/// a generic name such as `IMG_0042`.
pub(in crate::dataset) fn words(stem: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for token in stem.split(|c: char| !c.is_alphanumeric() && c != '\'') {
        for part in split_camel_case(token) {
            // `bus01` becomes `bus`, but `2cv` stays.
            let part = if part.starts_with(|c: char| c.is_numeric()) {
                part
            } else {
                part.trim_end_matches(|c: char| c.is_ascii_digit())
            };
            if !part.is_empty() && !looks_generated(part) {
                words.push(part.to_owned());
            }
        }
    }
    // A number at the end is a counter.
    let is_number = |word: &String| word.chars().all(|c| c.is_ascii_digit());
    while words.last().is_some_and(is_number) {
        words.pop();
    }
    if words.iter().all(|word| is_number(word) || GENERIC.contains(&word.to_lowercase().as_str())) {
        return String::new();
    }
    words.join(" ")
}

/// Splits `RedCar` into `Red` and `Car`, but not `USBStick` and `iPod`.
fn split_camel_case(token: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let letters: Vec<(usize, char)> = token.char_indices().collect();
    for pair in letters.windows(2) {
        let (at, here) = pair[1];
        if pair[0].1.is_lowercase() && here.is_uppercase() && token[start..at].chars().count() > 1 {
            parts.push(&token[start..at]);
            start = at;
        }
    }
    parts.push(&token[start..]);
    parts
}

/// Hashes and serial numbers: at least eight ASCII letters and digits, of which at least three are digits.
fn looks_generated(token: &str) -> bool {
    let digits = token.chars().filter(char::is_ascii_digit).count();
    token.chars().count() >= 8 && digits >= 3 && token.chars().all(|c| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_split_and_counters_removed() {
        assert_eq!(words("red_double-decker bus01"), "red double decker bus");
        assert_eq!(words("RedCar"), "Red Car");
        assert_eq!(words("24_ports_switch"), "24 ports switch");
        assert_eq!(words("école_à_Paris"), "école à Paris");
        assert_eq!(words("rubik's cube 3"), "rubik's cube");
    }

    #[test]
    fn words_of_generic_names_are_empty() {
        for stem in ["IMG_0042", "DSC00123", "0042", "", "___", "photo (3)", "9f86d081884c7d65", "20240131_123456"] {
            assert_eq!(words(stem), "", "{stem}");
        }
    }
}
