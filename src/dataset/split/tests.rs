use std::collections::HashMap;

use proptest::prelude::*;

use super::{Split, SplitFractions, SplitMember, assign_splits};

/// Id, image, label and assigned split.
type Row = (u32, Option<u8>, u8, Option<Split>);

fn rows(given: impl Strategy<Value = Option<Split>>) -> impl Strategy<Value = Vec<Row>> {
    let row = (any::<u32>(), proptest::option::of(any::<u8>()), 0..5u8, given);
    proptest::collection::vec(row, 1..200).prop_map(|mut rows| {
        rows.sort_by_key(|row| row.0);
        rows.dedup_by_key(|row| row.0);
        rows
    })
}

fn assign(rows: &[Row], seed: u64) -> HashMap<u32, Split> {
    let ids: Vec<String> = rows.iter().map(|row| row.0.to_string()).collect();
    let labels: Vec<[String; 1]> = rows.iter().map(|row| [format!("class {}", row.2)]).collect();
    let members: Vec<SplitMember<'_>> = rows
        .iter()
        .enumerate()
        .map(|(at, row)| SplitMember {
            id: &ids[at],
            content: row.1.map(|byte| [byte; 32]),
            labels: &labels[at],
            given: row.3,
        })
        .collect();
    rows.iter().map(|row| row.0).zip(assign_splits(&members, SplitFractions::default(), seed)).collect()
}

fn any_given() -> impl Strategy<Value = Option<Split>> {
    proptest::option::of(prop_oneof![Just(Split::Train), Just(Split::Validation), Just(Split::Test)])
}

proptest! {
    #[test]
    fn splits_do_not_depend_on_the_order_of_records(rows in rows(any_given()), seed: u64, shuffle: u64) {
        let mut shuffled = rows.clone();
        shuffled.sort_by_key(|row| u64::from(row.0).wrapping_mul(shuffle | 1));
        prop_assert_eq!(assign(&rows, seed), assign(&shuffled, seed));
    }

    #[test]
    fn records_with_the_same_image_get_the_same_split(rows in rows(any_given()), seed: u64) {
        let splits = assign(&rows, seed);
        let mut by_picture: HashMap<u8, Split> = HashMap::new();
        for row in rows {
            if let Some(picture) = row.1 {
                prop_assert_eq!(*by_picture.entry(picture).or_insert(splits[&row.0]), splits[&row.0]);
            }
        }
    }

    #[test]
    fn assigned_splits_are_kept(mut rows in rows(any_given()), seed: u64) {
        // Distinct images and an assigned validation split, so nothing has to be moved.
        for row in &mut rows {
            row.1 = None;
        }
        rows[0].3 = Some(Split::Validation);
        let splits = assign(&rows, seed);
        for row in rows {
            prop_assert!(row.3.is_none_or(|given| given == splits[&row.0]));
        }
    }

    #[test]
    fn each_label_is_distributed_by_the_fractions(mut rows in rows(Just(None)), seed: u64) {
        for row in &mut rows {
            row.1 = None;
        }
        let splits = assign(&rows, seed);
        for class in 0..5 {
            let of_class: Vec<Split> = rows.iter().filter(|row| row.2 == class).map(|row| splits[&row.0]).collect();
            let count = |split| of_class.iter().filter(|&&own| own == split).count() as f64;
            let size = of_class.len() as f64;
            prop_assert!((count(Split::Test) - 0.1 * size).abs() < 1.0);
            prop_assert!((count(Split::Validation) - 0.1 * size).abs() < 1.0);
            prop_assert!(of_class.is_empty() || count(Split::Train) >= 1.0);
        }
    }

    #[test]
    fn validation_is_taken_from_train_if_none_is_assigned(
        rows in rows(prop_oneof![Just(Some(Split::Train)), Just(Some(Split::Test))]),
        seed: u64,
    ) {
        let mut rows = rows;
        for row in &mut rows {
            row.1 = None;
        }
        let splits = assign(&rows, seed);
        let train = rows.iter().filter(|row| row.3 == Some(Split::Train)).count() as f64;
        let validated = splits.values().filter(|&&split| split == Split::Validation).count() as f64;
        // Five labels, each rounded separately.
        prop_assert!((validated - train / 9.0).abs() < 5.0);
        for row in rows {
            prop_assert_eq!(row.3 == Some(Split::Test), splits[&row.0] == Split::Test);
        }
    }
}

#[test]
fn splits_depend_on_the_seed() {
    let rows: Vec<Row> = (0..100).map(|id| (id, None, 0, None)).collect();
    assert_ne!(assign(&rows, 1), assign(&rows, 2));
    assert_eq!(assign(&rows, 1), assign(&rows, 1));
}

#[test]
fn only_record_of_a_label_is_trained_on() {
    for seed in 0..200 {
        assert_eq!(assign(&[(7, None, 0, None)], seed)[&7], Split::Train);
    }
}

#[test]
fn empty_input_and_extreme_fractions_are_accepted() {
    assert!(assign_splits(&[], SplitFractions::default(), 0).is_empty());
    let member = SplitMember { id: "a", content: None, labels: &[], given: None };
    for (validation, test) in [(f64::NAN, -1.0), (1.0, 1.0), (f64::INFINITY, 0.0), (0.0, 0.0)] {
        assert_eq!(
            assign_splits(std::slice::from_ref(&member), SplitFractions { validation, test }, 0),
            [Split::Train]
        );
    }
}

#[test]
fn image_assigned_to_train_and_test_is_tested_on() {
    let rows: Vec<Row> = vec![
        (1, Some(9), 0, Some(Split::Train)),
        (2, Some(9), 0, Some(Split::Test)),
        (3, None, 0, Some(Split::Validation)),
    ];
    assert_eq!(assign(&rows, 0)[&1], Split::Test);
}

#[test]
fn split_is_parsed_from_its_usual_names() {
    for (text, split) in
        [("train", Split::Train), ("Val", Split::Validation), ("validation", Split::Validation), ("TEST", Split::Test)]
    {
        assert_eq!(text.parse(), Ok(split));
    }
    assert_eq!("dev".parse::<Split>().unwrap_err(), "unknown split `dev`; expected train, validation (or val) or test");
}
