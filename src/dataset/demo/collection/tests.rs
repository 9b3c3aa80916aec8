use std::{fs, path::Path};

use super::*;

fn put(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// An SVG as Openclipart writes it: the author is a `title` in an `Agent`.
fn drawing(title: &str, description: &str, keywords: &[&str], shape: &str) -> String {
    let keywords: String = keywords.iter().map(|keyword| format!("<rdf:li>{keyword}</rdf:li>")).collect();
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg'><metadata><rdf:RDF xmlns:cc='http://web.resource.org/cc/' \
         xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><cc:Work>\
         <dc:creator><cc:Agent><dc:title>Ann Other</dc:title></cc:Agent></dc:creator><dc:title>{title}</dc:title>\
         <dc:description>{description}</dc:description><dc:subject><rdf:Bag>{keywords}</rdf:Bag></dc:subject>\
         </cc:Work></rdf:RDF></metadata>{shape}</svg>"
    )
}

fn circle(radius: u32) -> String {
    format!("<circle r='{radius}'/>")
}

/// `class id: caption | caption`
fn lines(root: &Path) -> Vec<String> {
    for folder in [STAMPS, DRAWINGS] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let records = collect(root).unwrap();
    records
        .iter()
        .map(|record| format!("{} {}: {}", record.labels[0], record.id, record.captions.join(" | ")))
        .collect()
}

#[test]
fn stamp_has_its_english_caption_and_is_taken_once() {
    let dir = tempfile::tempdir().unwrap();
    let stamps = dir.path().join(STAMPS);
    for (name, text) in [
        ("animals/birds/crow.txt", "A crow.\nde.utf8=Eine Krähe.\n"),
        ("animals/birds/crow.png", ""),
        ("animals/birds/crow.svg", ""),
        ("animals/birds/crow_mirror.png", ""),
        ("animals/birds/nameless.txt", "de.utf8=Nur deutsch.\n"),
        ("animals/birds/nameless.png", ""),
        ("animals/birds/unseen.txt", "No picture.\n"),
        ("symbols/alphabets/a.txt", "The letter A.\n"),
        ("symbols/alphabets/a.png", ""),
    ] {
        put(&stamps, name, text);
    }
    assert_eq!(lines(dir.path()), ["birds tuxpaint/animals/birds/crow: A crow."]);
}

#[test]
fn drawing_has_cleaned_title_description_and_keywords() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join(DRAWINGS);
    put(
        &root,
        "animals/red_fox_ann_other_01.svg",
        &drawing(
            "Red_Fox01",
            "A fox &amp;amp; its tail.",
            &["hash", "Animal", "animals", "ann other", "fox", "0x88"],
            &circle(1),
        ),
    );
    put(
        &root,
        "food/pie.svg",
        &drawing("Pie (B and W)", "Created with Inkscape http://localhost/", &["food", "menu"], &circle(2)),
    );
    put(&root, "food/untitled_01.svg", &drawing("untitled", "", &["food"], &circle(3)));
    put(&root, "logos/fox.svg", &drawing("Fox", "", &["fox", "logo"], &circle(4)));
    put(&root, "animals/mascot.svg", &drawing("Mascot", "", &["logo"], &circle(5)));
    put(&root, "animals/empty.svg", &drawing("Nothing", "", &["animal"], ""));
    put(&root, "animals/truncated.svg", "<svg><metadata>");
    assert_eq!(
        lines(dir.path()),
        [
            "animals openclipart/animals/red_fox_ann_other_01: Red Fox | A fox & its tail. | animal, fox",
            "food openclipart/food/pie: Pie, black and white | food, menu",
        ]
    );
}

#[test]
fn title_of_a_set_is_replaced_by_the_names_of_its_drawings() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join(DRAWINGS);
    for (radius, name) in ["antelope", "baboon", "camel", "dingo"].into_iter().enumerate() {
        put(&root, &format!("animals/{name}.svg"), &drawing("Beasts 17", "", &["animal"], &circle(radius as u32 + 1)));
    }
    let names: Vec<String> = lines(dir.path()).iter().map(|line| line.split(": ").nth(1).unwrap().to_owned()).collect();
    assert_eq!(names, ["antelope | animal", "baboon | animal", "camel | animal", "dingo | animal"]);
}

#[test]
fn duplicate_drawings_are_taken_once_and_variants_are_limited() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join(DRAWINGS);
    put(&root, "office/lamp.svg", &drawing("Lamp", "", &["office"], &circle(900)));
    put(&root, "tools/lamp.svg", &drawing("Lamp", "", &["tool", "light"], &circle(900)));
    for number in 1..100 {
        put(&root, &format!("tools/saw{number:02}.svg"), &drawing("Saw", "", &["tool"], &circle(number)));
    }
    let lines = lines(dir.path());
    assert_eq!(lines[0], "tools openclipart/tools/lamp: Lamp | tool, light", "the more specific folder decides");
    assert_eq!(lines.len(), 11);
}

#[test]
fn cards_flags_and_italian_titles_get_english_captions() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join(DRAWINGS);
    put(&root, "recreation/games/cards/white/white_h_q.svg", &drawing("card", "", &["card"], &circle(1)));
    put(&root, "signs_and_symbols/flags/africa/mali.svg", &drawing("mali", "", &["flag", "africa"], &circle(2)));
    put(&root, "animals/cavallo_architetto_franc_01.svg", &drawing("Cavallo", "", &["mammal", "horse"], &circle(3)));
    let mut lines = lines(dir.path());
    lines.sort();
    assert_eq!(
        lines,
        [
            "animals openclipart/animals/cavallo_architetto_franc_01: horse | mammal, horse",
            "flags openclipart/signs_and_symbols/flags/africa/mali: flag of mali | flag, africa",
            "games and sports openclipart/recreation/games/cards/white/white_h_q: queen of hearts | playing card",
        ]
    );
}

#[test]
fn folder_without_the_packages_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let error = collect(dir.path()).unwrap_err().to_string();
    assert!(error.contains("tuxpaint") && error.contains("No such file"), "{error}");
}
