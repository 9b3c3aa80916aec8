//! Captions from the titles, descriptions, keywords and file names of Openclipart.

use super::rules::OPENCLIPART;
use crate::dataset::formats::caption_from_filename::words;

/// One line: entities resolved (many are escaped twice), tags removed, white space collapsed.
pub(super) fn plain_text(text: &str) -> String {
    let mut text = text.to_owned();
    for (entity, character) in [
        ("&amp;", "&"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&apos;", "'"),
        ("&nbsp;", " "),
    ] {
        text = text.replace(entity, character);
    }
    let mut plain = String::with_capacity(text.len());
    let mut in_tag = false;
    for character in text.chars() {
        match character {
            '<' => in_tag = true,
            '>' => in_tag = false,
            _ if !in_tag => plain.push(if character.is_control() { ' ' } else { character }),
            _ => {}
        }
    }
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A title as a caption: file names split into words, counters removed. `None` if it does not describe the picture.
pub(super) fn title(raw: &str) -> Option<String> {
    let mut text = plain_text(raw);
    for (from, to) in &OPENCLIPART.captions.replace_in_titles {
        text = text.replace(from, to);
    }
    // A title without a space is a file name.
    let text = if text.contains(' ') { without_counters(&text) } else { words(&text) };
    let text = text.strip_suffix(" bw").map_or(text.clone(), |text| format!("{text}, black and white"));
    let text = text.trim_matches([' ', ',', '.', '-', ':']).to_owned();
    (describes_picture(&text) && text.chars().filter(|c| c.is_alphabetic()).count() >= 3).then_some(text)
}

/// A description as a caption: its first sentences up to about 160 bytes. `None` if it is about the file or not
/// English.
pub(super) fn description(raw: &str) -> Option<String> {
    const TARGET_BYTES: usize = 160;
    let text = plain_text(raw);
    if !describes_picture(&text) || !is_english(&text) {
        return None;
    }
    let mut caption = String::new();
    for sentence in text.split_inclusive(". ") {
        if !caption.is_empty() && caption.len() + sentence.len() > TARGET_BYTES {
            break;
        }
        caption.push_str(sentence);
    }
    let caption = caption.trim();
    let words = caption.split(' ').count();
    (words >= 2 && (8..=2 * TARGET_BYTES).contains(&caption.len())).then(|| caption.to_owned())
}

/// Keywords as they are typed into a search box: lower case, without folder paths, names of authors and duplicates.
pub(super) fn keywords(raw: &[String], authors: &[String]) -> Vec<String> {
    const MAX_KEYWORDS: usize = 8;
    let mut keywords: Vec<String> = Vec::new();
    for keyword in raw {
        let keyword = plain_text(keyword).to_lowercase().replace('_', " ");
        let keyword = keyword.rsplit('/').next().unwrap_or_default().trim().to_owned();
        let letters = keyword.chars().filter(|c| c.is_alphabetic()).count();
        let is_ignored = OPENCLIPART.captions.ignored_keywords.match_any(&keyword)
            || authors.iter().any(|author| {
                author.eq_ignore_ascii_case(&keyword)
                    || author.to_lowercase().contains(&keyword) && keyword.contains(' ')
            });
        let singular = keyword.strip_suffix('s').unwrap_or(&keyword);
        let is_duplicate = keywords.iter().any(|known| known.strip_suffix('s').unwrap_or(known) == singular);
        if letters >= 3 && keyword.len() <= 32 && !is_ignored && !is_duplicate {
            keywords.push(keyword);
        }
    }
    keywords.truncate(MAX_KEYWORDS);
    keywords
}

/// The words of a file name, up to the name of an author, which many uploaders appended.
pub(super) fn words_of_name(name: &str, authors: &[String]) -> String {
    let rules = &OPENCLIPART.captions;
    let authors: Vec<String> = authors
        .iter()
        .flat_map(|author| author.split(|c: char| !c.is_alphanumeric()))
        .map(str::to_lowercase)
        .filter(|name| name.len() >= 3)
        .collect();
    let words = words(name);
    let words = words.split(' ').take_while(|word| !authors.contains(&word.to_lowercase()));
    words
        .filter(|word| !rules.ignored_name_words.match_any(word))
        .map(|word| rules.abbreviations.get(word).map_or(word, String::as_str))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The English of an Italian title: its words that are in the glossary; `None` if there are none.
pub(super) fn translate(title: &str) -> Option<String> {
    let glossary = &OPENCLIPART.italian.glossary;
    let words = words(title).to_lowercase();
    let english: Vec<&str> = words.split(' ').filter_map(|word| glossary.get(word)).map(String::as_str).collect();
    (!english.is_empty()).then(|| english.join(" "))
}

/// Letters and digits only, in lower case: captions that are equal in this form are duplicates.
pub(super) fn normalized(caption: &str) -> String {
    caption.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// `Rana01` becomes `Rana`, `BlueMan#202` becomes `BlueMan`.
fn without_counters(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let bare = word.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('#');
        if bare.chars().any(char::is_alphabetic) { bare } else { word }
    });
    // `Dog 01 drawn with straight lines`.
    let is_counter =
        |word: &&str| word.len() == 2 && word.starts_with('0') && word.ends_with(|c: char| c.is_ascii_digit());
    let mut words: Vec<&str> = words.filter(|word| !is_counter(word)).collect();
    while words.len() > 1 && words.last().is_some_and(|word| word.chars().all(|c| c.is_ascii_digit() || c == '#')) {
        words.pop();
    }
    words.join(" ")
}

fn describes_picture(text: &str) -> bool {
    !text.is_empty() && !OPENCLIPART.captions.texts_about_files.match_any(&text.to_lowercase())
}

/// A test by stop words: other uploaders wrote Italian, French, Spanish, Portuguese and German.
fn is_english(text: &str) -> bool {
    let foreign = &OPENCLIPART.captions.foreign_words;
    !text.to_lowercase().split(|c: char| !c.is_alphabetic()).any(|word| foreign.iter().any(|other| other == word))
}
