use super::*;
use crate::catalog::{NewFeatures, NewImage, NewItem, WriteCondition};

async fn collection() -> (tempfile::TempDir, Catalog) {
    let folder = tempfile::tempdir().expect("a folder");
    let catalog = Catalog::open(folder.path()).await.expect("a catalog");
    for (id, image, labels, meta) in [
        (
            "a",
            true,
            vec!["birds"],
            r#"{"year": 1990, "place": {"town": "Jena"}, "tags": ["old", "blue"], "seen": true}"#,
        ),
        ("b", true, vec!["birds", "trees"], r#"{"year": 2001.5, "day": "2001-05-06"}"#),
        ("c", false, vec![], r#"{"year": "1990", "a\\u0022b": 1}"#),
    ] {
        let content_hash = *blake3::hash(id.as_bytes()).as_bytes();
        let image = image.then(|| NewImage { content_hash, ..NewImage::default() });
        let item = NewItem {
            id: id.into(),
            image,
            captions: if id == "b" { Vec::new() } else { vec![format!("caption of {id}")] },
            labels: labels.into_iter().map(str::to_owned).collect(),
            meta: meta.into(),
            ..NewItem::default()
        };
        catalog.put_item(&item, &NewFeatures::default(), &WriteCondition::IfAbsent).await.expect("written");
    }
    (folder, catalog)
}

fn condition(field: Field, predicate: Predicate) -> Clause {
    Clause::Condition(field, predicate)
}

fn meta(path: &str) -> Field {
    Field::Meta(path.split('.').map(str::to_owned).collect())
}

fn text(text: &str) -> Scalar {
    Scalar::Text(text.into())
}

#[tokio::test]
async fn each_condition_matches_the_expected_items() {
    let (_folder, catalog) = collection().await;
    let any = |values: &[Scalar]| Predicate::Any(values.to_vec());
    let range = |bounds: &[(Bound, Scalar)]| Predicate::Range(bounds.to_vec());
    for (clause, pictures, captions) in [
        (condition(Field::Label, any(&[text("birds")])), "ab", "a"),
        (condition(Field::Label, any(&[text("trees"), text("no such")])), "b", ""),
        (condition(Field::Label, any(&[])), "", ""),
        (condition(Field::Id, any(&[text("a"), text("c")])), "a", "ac"),
        (condition(Field::Has, any(&[text("text")])), "a", "ac"),
        (condition(Field::Has, any(&[text("image")])), "ab", "a"),
        (condition(meta("year"), any(&[Scalar::Number(1990.0)])), "a", "a"),
        (condition(meta("year"), any(&[text("1990")])), "", "c"),
        (condition(meta("year"), range(&[(Bound::Gt, Scalar::Number(1990.0))])), "b", ""),
        (
            condition(
                meta("year"),
                range(&[(Bound::Gte, Scalar::Number(1990.0)), (Bound::Lt, Scalar::Number(2000.0))]),
            ),
            "a",
            "a",
        ),
        (condition(meta("day"), range(&[(Bound::Lte, text("2001-06"))])), "b", ""),
        (condition(meta("place.town"), any(&[text("Jena")])), "a", "a"),
        (condition(meta("tags"), any(&[text("blue")])), "a", "a"),
        (condition(meta("place"), any(&[text("Jena")])), "", ""),
        (condition(meta("seen"), any(&vec![Scalar::Bool(true); 1000])), "a", "a"),
        (condition(meta("seen"), any(&[Scalar::Bool(true)])), "a", "a"),
        (condition(meta("seen"), any(&[Scalar::Number(1.0)])), "", ""),
        (condition(Field::Label, any(&[text("birds') or 1 --")])), "", ""),
    ] {
        let filter = Filter { must: vec![clause.clone()], ..Filter::default() };
        assert_eq!(ids(&catalog, &filter).await, (pictures.to_owned(), captions.to_owned()), "{clause:?}");
    }
}

async fn ids(catalog: &Catalog, filter: &Filter) -> (String, String) {
    let pictures = catalog.image_keys_matching(filter).await.expect("keys");
    let captions = catalog.caption_keys_matching(filter).await.expect("keys");
    let of_captions = catalog.captions_by_key(&captions).await.expect("captions");
    let name = |key: &i64| char::from(b'a' + u8::try_from(*key - 1).expect("few"));
    let sorted = |keys: Vec<i64>| {
        let mut names: Vec<char> = keys.iter().map(name).collect();
        names.sort_unstable();
        names.into_iter().collect()
    };
    (sorted(pictures), sorted(of_captions.into_values().map(|caption| caption.item).collect()))
}

#[tokio::test]
async fn clauses_combine_by_must_should_and_must_not() {
    let (_folder, catalog) = collection().await;
    let label = |name: &str| condition(Field::Label, Predicate::Any(vec![text(name)]));
    let id = |name: &str| condition(Field::Id, Predicate::Any(vec![text(name)]));
    let pictures = async |filter: Filter| ids(&catalog, &filter).await.0;
    assert_eq!(pictures(Filter::default()).await, "ab");
    assert_eq!(pictures(Filter { must_not: vec![label("trees")], ..Filter::default() }).await, "a");
    assert_eq!(
        pictures(Filter { should: vec![id("a"), id("b")], must: vec![label("trees")], ..Filter::default() }).await,
        "b"
    );
    let inner = Filter { must_not: vec![id("a")], ..Filter::default() };
    assert_eq!(pictures(Filter { must_not: vec![Clause::Nested(inner)], ..Filter::default() }).await, "a");
    assert!(catalog.has_meta_field(&["place".into(), "town".into()]).await.expect("an answer"));
    assert!(!catalog.has_meta_field(&["town".into()]).await.expect("an answer"));
    assert_eq!(catalog.meta_field_names(3).await.expect("names").len(), 3);
}
