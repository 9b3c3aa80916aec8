//! Which class a folder of the two collections belongs to, and which folders a curator leaves out.

/// Openclipart's folders. The longest matching prefix decides; `None` leaves the folder out.
const OPENCLIPART: &[(&str, Option<&str>)] = &[
    ("animals", Some("animals")),
    ("animals/birds", Some("birds")),
    ("buildings", Some("buildings")),
    ("buildings/furniture", Some("household")),
    ("computer", Some("electronics")),
    ("computer/buttons", None),
    ("computer/diagrams", None),
    ("computer/folders", None),
    ("computer/games", Some("games and sports")),
    ("computer/icons", None),
    ("containers", Some("household")),
    ("education", Some("office")),
    ("electronics", Some("electronics")),
    ("food", Some("food")),
    ("geography", Some("maps")),
    ("geography/astronomy", Some("sky")),
    ("office", Some("office")),
    ("office/telephone", Some("electronics")),
    ("people", Some("people")),
    ("people/clothing", Some("clothing")),
    ("people/clothing/pantyhose", None),
    ("plants", Some("plants")),
    ("recreation/games", Some("games and sports")),
    // Five decks of the same cards; one is enough.
    ("recreation/games/cards", None),
    ("recreation/games/cards/white", Some("games and sports")),
    ("recreation/holiday", Some("holidays")),
    ("recreation/music", Some("music")),
    ("recreation/party", Some("holidays")),
    ("recreation/religion", None),
    ("recreation/sports", Some("games and sports")),
    ("recreation/toys", Some("games and sports")),
    ("science", Some("tools")),
    ("science/astronomy", Some("sky")),
    ("shapes", None),
    ("shapes/arrows", Some("signs")),
    ("signs_and_symbols", Some("signs")),
    ("signs_and_symbols/clocks", Some("household")),
    ("signs_and_symbols/flags", Some("flags")),
    ("signs_and_symbols/led", None),
    ("signs_and_symbols/map_symbols", Some("signs")),
    ("signs_and_symbols/weather", Some("sky")),
    ("tools", Some("tools")),
    ("tools/weapons", None),
    ("tools/toys", Some("games and sports")),
    ("transportation", Some("vehicles")),
    ("transportation/aiga-symbols", Some("signs")),
    ("transportation/roadsigns", Some("signs")),
];

/// Tux Paint's folders, as above.
const TUX_PAINT: &[(&str, Option<&str>)] = &[
    ("animals", Some("animals")),
    ("animals/birds", Some("birds")),
    ("clothes", Some("clothing")),
    ("food", Some("food")),
    ("hobbies", Some("games and sports")),
    ("hobbies/music", Some("music")),
    ("household", Some("household")),
    ("household/arttools", Some("office")),
    ("household/electronics", Some("electronics")),
    ("household/tools", Some("tools")),
    ("medical", Some("tools")),
    ("military/vehicles", Some("vehicles")),
    ("naturalforces", Some("sky")),
    ("people", Some("people")),
    ("plants", Some("plants")),
    ("seasonal", Some("holidays")),
    ("space", Some("sky")),
    ("sports", Some("games and sports")),
    ("symbols/chess", Some("games and sports")),
    ("symbols/faces", Some("people")),
    ("symbols/music", Some("music")),
    ("town", Some("buildings")),
    ("town/flags", Some("flags")),
    ("town/roadsigns", Some("signs")),
    ("vehicles", Some("vehicles")),
];

/// Keywords that know better than the folder in which their picture lies.
const BY_KEYWORD: &[(&str, Option<&str>)] = &[
    ("roadsign", Some("signs")),
    ("icecream", Some("food")),
    // Spain's regions lie among its flags.
    ("map", Some("maps")),
    ("maps", Some("maps")),
    ("flag", Some("flags")),
    ("flags", Some("flags")),
    ("network", Some("electronics")),
    ("moon", Some("sky")),
    ("eclipse", Some("sky")),
    ("astronomy", Some("sky")),
    ("cloud", Some("sky")),
    ("clouds", Some("sky")),
    ("vehicle", Some("vehicles")),
    ("button", None),
    ("logo", None),
    ("pattern", None),
    ("gradient", None),
];

/// Folders that say when or where a drawing is used rather than what it shows. Where the same drawing stands in another
/// folder as well, that one decides.
pub(super) fn is_vague(folder: &str) -> bool {
    const VAGUE: &[&str] = &[
        "recreation/holiday",
        "recreation/party",
        "signs_and_symbols",
        "office",
        "education",
        "computer",
        "geography",
    ];
    VAGUE.iter().any(|prefix| holds(prefix, folder)) && !holds("signs_and_symbols/flags", folder)
}

/// The class of a picture in one of Openclipart's folders (`animals/birds`).
pub(super) fn openclipart(folder: &str, keywords: &[String]) -> Option<&'static str> {
    let by_folder = longest_prefix(OPENCLIPART, folder)?;
    let better = BY_KEYWORD.iter().find(|(keyword, _)| keywords.iter().any(|own| own.eq_ignore_ascii_case(keyword)));
    better.map_or(Some(by_folder), |&(_, class)| class)
}

/// The class of a stamp in one of Tux Paint's folders.
pub(super) fn tux_paint(folder: &str) -> Option<&'static str> {
    longest_prefix(TUX_PAINT, folder)
}

fn longest_prefix(table: &[(&str, Option<&'static str>)], folder: &str) -> Option<&'static str> {
    let holds = |prefix: &str| folder.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    table
        .iter()
        .filter(|(prefix, _)| holds(prefix))
        .max_by_key(|(prefix, _)| prefix.len())
        .and_then(|&(_, class)| class)
}

/// Whether `folder` is `prefix` or lies in it.
fn holds(prefix: &str, folder: &str) -> bool {
    folder.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::{openclipart, tux_paint};

    #[test]
    fn the_nearest_folder_decides() {
        assert_eq!(openclipart("animals/mammals/dogs", &[]), Some("animals"));
        assert_eq!(openclipart("animals/birds/penguin", &[]), Some("birds"));
        assert_eq!(openclipart("computer/icons/lemon-theme/apps", &[]), None);
        assert_eq!(openclipart("unsorted", &[]), None);
        assert_eq!(openclipart("officery", &[]), None, "a prefix ends where a folder's name ends");
        assert_eq!(tux_paint("town/roadsigns"), Some("signs"));
        assert_eq!(tux_paint("symbols/alphabets"), None);
    }

    #[test]
    fn a_keyword_knows_better_than_a_folder() {
        assert_eq!(openclipart("transportation", &["RoadSign".into()]), Some("signs"));
        assert_eq!(openclipart("animals/birds", &["logo".into()]), None);
    }
}
