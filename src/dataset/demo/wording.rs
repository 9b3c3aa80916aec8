//! From what uploaders typed to captions that a person would write.

/// One line: entities resolved (they are often escaped twice), tags dropped, white space collapsed.
pub(super) fn plain(text: &str) -> String {
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

/// A title as a caption: file-name spelling read as words, counters dropped. `None` if it says nothing of the picture.
pub(super) fn title(raw: &str) -> Option<String> {
    let mut text = plain(raw).replace('_', " ");
    for (remark, said) in
        [("(B and W)", ", black and white"), ("(b and w)", ", black and white"), ("(B & W)", ", black and white")]
    {
        text = text.replace(remark, said);
    }
    let mut text = text.replace(" ,", ",");
    for kind in [" - clothing", " - body part", " - RPG map elements"] {
        text = text.replace(kind, "");
    }
    // A name without a space was typed as a file name.
    let text = if text.contains(' ') {
        drop_counters(&text)
    } else {
        crate::dataset::formats::caption_from_filename::words(&text)
    };
    let text = text.strip_suffix(" bw").map_or(text.clone(), |text| format!("{text}, black and white"));
    let text = text.trim_matches([' ', ',', '.', '-', ':']).to_owned();
    (is_about_a_picture(&text) && text.chars().filter(|c| c.is_alphabetic()).count() >= 3).then_some(text)
}

/// A description as a caption: its first sentences up to about 160 characters. `None` if it is about the file.
pub(super) fn description(raw: &str) -> Option<String> {
    const ENOUGH: usize = 160;
    let text = plain(raw);
    if !is_about_a_picture(&text) || !is_english(&text) {
        return None;
    }
    let mut kept = String::new();
    for sentence in text.split_inclusive(". ") {
        if !kept.is_empty() && kept.len() + sentence.len() > ENOUGH {
            break;
        }
        kept.push_str(sentence);
    }
    let kept = kept.trim();
    let words = kept.split(' ').count();
    (words >= 2 && kept.len() >= 8 && kept.len() <= 2 * ENOUGH).then(|| kept.to_owned())
}

/// Keywords as they are typed into a search box: lower case, no folder paths, no leftovers, none twice.
pub(super) fn keywords(raw: &[String], authors: &[String]) -> Vec<String> {
    const MANY: usize = 8;
    const LEFTOVERS: &[&str] = &[
        "unsorted",
        "hash",
        "clip art",
        "clipart",
        "icon",
        "icons",
        "sign",
        "svg",
        "inkscape",
        "image",
        "vector",
        "11",
        "etiquette",
        "application",
        "applications",
        "united nations member",
        "appicon",
        "mapsym",
        "weathersym",
        "networksym",
        "religholiday",
        "usholiday",
        "webpage",
        "cv-clip",
        "signs and symbols",
        "rpg",
    ];
    let mut kept: Vec<String> = Vec::new();
    for keyword in raw {
        let keyword = plain(keyword).to_lowercase().replace('_', " ");
        let keyword = keyword.rsplit('/').next().unwrap_or_default().trim().to_owned();
        let letters = keyword.chars().filter(|c| c.is_alphabetic()).count();
        let is_leftover = LEFTOVERS.contains(&keyword.as_str())
            || keyword.starts_with("0x")
            || keyword.contains(['(', '@', '.', '=', '#'])
            || authors.iter().any(|author| {
                author.eq_ignore_ascii_case(&keyword)
                    || author.to_lowercase().contains(&keyword) && keyword.contains(' ')
            });
        let singular = keyword.strip_suffix('s').unwrap_or(&keyword);
        let is_known = kept.iter().any(|known| known.strip_suffix('s').unwrap_or(known) == singular);
        if letters >= 3 && keyword.len() <= 32 && !is_leftover && !is_known {
            kept.push(keyword);
        }
    }
    kept.truncate(MANY);
    kept
}

/// Letters and digits only, lower case: two captions with the same key say the same.
pub(super) fn key(caption: &str) -> String {
    caption.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// `Rana01` is a rana, `BlueMan#202` a blue man.
fn drop_counters(text: &str) -> String {
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

fn is_about_a_picture(text: &str) -> bool {
    const ABOUT_THE_FILE: &[&str] = &[
        "@",
        "http",
        "www.",
        "hash(",
        "inkscape",
        "sodipodi",
        "illustrator",
        "svg",
        "clip art",
        "clipart",
        "untitled",
        "openclipart",
        "public domain",
        "licen",
        "vector",
        "traced",
        "converted",
        "submission",
        "sibmission",
        "iconset",
        "unsorted",
        "my first",
        "tutorial",
        "created ",
        "copyright",
        "wikipedia",
        "bitmap",
        "raster",
        ".png",
        ".jpg",
        "http",
        "collection of",
        "enjoy it",
        "part of",
        "gimp",
        "xfig",
        "example",
        "etiquette",
        "rollandin",
        "sallite",
        "symbol signs",
        "roadsigns",
        "road signs",
        "nicu buculei",
        "web site",
        "site web",
        "can be removed",
    ];
    let lower = text.to_lowercase();
    !lower.is_empty() && !ABOUT_THE_FILE.iter().any(|word| lower.contains(word))
}

/// Enough for a collection whose uploaders wrote English, Italian, French, Spanish, Portuguese and German.
fn is_english(text: &str) -> bool {
    const FOREIGN: &[&str] = &[
        "il", "della", "di", "con", "per", "una", "uma", "um", "para", "el", "los", "las", "del", "le", "les", "des",
        "une", "du", "et", "pour", "avec", "der", "die", "das", "und", "mit", "ein", "eine", "che", "seta", "dei",
        "nel", "sur", "dans",
    ];
    !text.to_lowercase().split(|c: char| !c.is_alphabetic()).any(|word| FOREIGN.contains(&word))
}
