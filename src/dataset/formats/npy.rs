//! Precomputed features: NumPy matrices in a folder, with one row per pair.

use std::{fs::File, io::BufReader, path::Path};

use npyz::{DType, Deserialize, NpyFile, Order, TypeChar};

use crate::dataset::{DatasetError, Split, SplitFractions, SplitMember, assign_splits};

/// Files with the names of the labels, one per line; the first that exists is read.
const CLASSES: [&str; 2] = ["classes.txt", "categories.list"];

/// Features of pairs of an image and a text. Row `i` of each field belongs to pair `i`.
#[derive(Debug, Clone, PartialEq)]
pub struct PrecomputedFeatures {
    /// Image features, `[pairs, d_image]`.
    pub images: Matrix,
    /// Text features, `[pairs, d_text]`.
    pub texts: Matrix,
    /// Labels of each pair, as indices into `classes`.
    pub labels: Vec<Vec<u32>>,
    /// Split of each pair.
    pub splits: Vec<Split>,
    /// Names of the labels.
    pub classes: Vec<String>,
}

/// A matrix in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Length of a row.
    pub cols: usize,
    /// All numbers, `[rows, cols]`.
    pub values: Vec<f32>,
}

impl PrecomputedFeatures {
    /// Reads `{train,test}_{images,texts,labels}.npy` and, if they exist, `validation_{images,texts,labels}.npy` from a
    /// folder. Features are matrices of floats or integers with one row per pair. Labels are indices from 0, or a
    /// matrix with a column for each label, where any number but 0 means that the pair has it. `classes.txt` or
    /// `categories.list` may name the labels, one per line.
    ///
    /// Without validation files, `seed` selects a tenth of the training pairs of each label for validation.
    ///
    /// # Errors
    /// [`DatasetError::Unreadable`] with the file, what is wrong, what was found and what is allowed.
    pub fn read(folder: &Path, seed: u64) -> Result<Self, DatasetError> {
        let validation = folder.join("validation_images.npy").exists();
        let mut parts = [Some(Split::Train), validation.then_some(Split::Validation), Some(Split::Test)]
            .into_iter()
            .flatten()
            .map(|split| read_split(folder, split));
        let mut all = parts.next().expect("there is a training split")?;
        for more in parts {
            let more = more?;
            for (into, from, what) in [(&mut all.images, more.images, "images"), (&mut all.texts, more.texts, "texts")]
            {
                if into.cols != from.cols {
                    let path = folder.join(format!("{}_{what}.npy", more.splits[0].name()));
                    let (found, expected) = (from.cols, into.cols);
                    return refuse(
                        &path,
                        format!("its rows have {found} numbers, those of train_{what}.npy have {expected}"),
                    );
                }
                into.values.extend(from.values);
            }
            all.labels.extend(more.labels);
            all.splits.extend(more.splits);
        }
        all.classes = class_names(folder, &all.labels)?;
        if !validation {
            split_off_validation(&mut all, seed);
        }
        Ok(all)
    }
}

/// Reads the three files of a split, without the names of the labels.
fn read_split(folder: &Path, split: Split) -> Result<PrecomputedFeatures, DatasetError> {
    let path = |what: &str| folder.join(format!("{}_{what}.npy", split.name()));
    let images = floats(&path("images"))?;
    let pairs = images.values.len() / images.cols;
    let fits = |what: &str, found: usize| {
        if found == pairs {
            return Ok(());
        }
        refuse(&path(what), format!("it has {found} rows, {} has {pairs}", path("images").display()))
    };
    let texts = floats(&path("texts"))?;
    fits("texts", texts.values.len() / texts.cols)?;
    let labels = class_numbers(&path("labels"))?;
    fits("labels", labels.len())?;
    Ok(PrecomputedFeatures { images, texts, labels, splits: vec![split; pairs], classes: Vec::new() })
}

/// Moves a tenth of the training pairs of each label to validation.
fn split_off_validation(all: &mut PrecomputedFeatures, seed: u64) {
    let ids: Vec<String> = (0..all.splits.len()).map(|row| row.to_string()).collect();
    let labels: Vec<Vec<String>> =
        all.labels.iter().map(|some| some.iter().map(|&class| all.classes[class as usize].clone()).collect()).collect();
    let member = |row: usize| SplitMember { id: &ids[row], content: None, labels: &labels[row], given: None };
    let training: Vec<usize> = (0..ids.len()).filter(|&row| all.splits[row] == Split::Train).collect();
    let members: Vec<SplitMember<'_>> = training.iter().map(|&row| member(row)).collect();
    let assigned = assign_splits(&members, SplitFractions { test: 0.0, ..SplitFractions::default() }, seed);
    for (row, split) in training.into_iter().zip(assigned) {
        all.splits[row] = split;
    }
}

fn class_names(folder: &Path, labels: &[Vec<u32>]) -> Result<Vec<String>, DatasetError> {
    let count = labels.iter().flatten().max().map_or(0, |&most| most as usize + 1);
    let Some(path) = CLASSES.map(|name| folder.join(name)).into_iter().find(|path| path.exists()) else {
        return Ok((0..count).map(|class| class.to_string()).collect());
    };
    let text = std::fs::read_to_string(&path).map_err(|e| unreadable(&path, e.to_string()))?;
    let names: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if names.len() < count {
        return refuse(&path, format!("it has {} names, but the largest label is {}", names.len(), count - 1));
    }
    Ok(names)
}

/// Reads a matrix of finite numbers.
fn floats(path: &Path) -> Result<Matrix, DatasetError> {
    let (file, rows, cols) = open(path)?;
    let Some(cols) = cols.filter(|&cols| cols > 0 && rows > 0) else {
        return refuse(path, "it is not a matrix of shape [pairs, dimensions] with at least one of each".into());
    };
    let values = match (kind(&file), size(&file)) {
        (TypeChar::Float, 2) => all::<half::f16>(file, path)?.into_iter().map(half::f16::to_f32).collect(),
        (TypeChar::Float, 4) => all::<f32>(file, path)?,
        (TypeChar::Float, 8) => all::<f64>(file, path)?.into_iter().map(|x| x as f32).collect(),
        _ => integers(file, path)?.into_iter().map(|x| x as f32).collect(),
    };
    if let Some(at) = values.iter().position(|x| !x.is_finite()) {
        return refuse(
            path,
            format!("row {}, column {} is {}; features must be finite", at / cols, at % cols, values[at]),
        );
    }
    Ok(Matrix { cols, values })
}

/// Reads the labels of each pair.
fn class_numbers(path: &Path) -> Result<Vec<Vec<u32>>, DatasetError> {
    /// Labels are indices into a list of names, so a larger number is an error.
    const MAX_LABELS: i64 = 1_000_000;
    let (file, _, cols) = open(path)?;
    let numbers = integers(file, path)?;
    let Some(cols) = cols.filter(|&cols| cols > 1) else {
        let class = |(row, &number): (usize, &i64)| match u32::try_from(number) {
            Ok(class) if number < MAX_LABELS => Ok(vec![class]),
            _ => refuse(path, format!("row {row} is {number}; labels must be 0 to {}", MAX_LABELS - 1)),
        };
        return numbers.iter().enumerate().map(class).collect();
    };
    let of_row = |row: &[i64]| (0u32..).zip(row).filter(|(_, value)| **value != 0).map(|(label, _)| label).collect();
    let labels: Vec<Vec<u32>> = numbers.chunks(cols).map(of_row).collect();
    match labels.iter().position(Vec::is_empty) {
        Some(row) => refuse(path, format!("row {row} has no label; every pair needs at least one")),
        None => Ok(labels),
    }
}

type Npy = NpyFile<BufReader<File>>;

/// Opens a file and checks its size against the header. Returns the file, the number of rows and, for a matrix, of
/// columns.
fn open(path: &Path) -> Result<(Npy, usize, Option<usize>), DatasetError> {
    let fault = |reason: std::io::Error| unreadable(path, format!("{reason}; expected a NumPy .npy file"));
    let file = File::open(path).map_err(|e| unreadable(path, e.to_string()))?;
    let length = file.metadata().map_err(fault)?.len();
    let npy = NpyFile::new(BufReader::new(file)).map_err(fault)?;
    let shape = npy.shape().to_vec();
    let expected = shape.iter().try_fold(size(&npy) as u64, |bytes, &side| bytes.checked_mul(side));
    if expected.is_none_or(|expected| expected > length) {
        return refuse(path, format!("its header states the shape {shape:?}, but the file has only {length} bytes"));
    }
    if npy.order() != Order::C && shape.len() > 1 {
        return refuse(path, "it is in Fortran order; save numpy.ascontiguousarray(x) instead".into());
    }
    match *shape.as_slice() {
        [rows] => Ok((npy, rows as usize, None)),
        [rows, cols] => Ok((npy, rows as usize, Some(cols as usize))),
        _ => refuse(path, format!("its shape is {shape:?}; expected one or two dimensions")),
    }
}

/// Reads integers of any width, or booleans.
fn integers(file: Npy, path: &Path) -> Result<Vec<i64>, DatasetError> {
    fn widened<T: Deserialize + Into<i64>>(file: Npy, path: &Path) -> Result<Vec<i64>, DatasetError> {
        Ok(all::<T>(file, path)?.into_iter().map(Into::into).collect())
    }
    match (kind(&file), size(&file)) {
        (TypeChar::Bool, _) => widened::<bool>(file, path),
        (TypeChar::Int, 1) => widened::<i8>(file, path),
        (TypeChar::Int, 2) => widened::<i16>(file, path),
        (TypeChar::Int, 4) => widened::<i32>(file, path),
        (TypeChar::Int, 8) => widened::<i64>(file, path),
        (TypeChar::Uint, 1) => widened::<u8>(file, path),
        (TypeChar::Uint, 2) => widened::<u16>(file, path),
        (TypeChar::Uint, 4) => widened::<u32>(file, path),
        _ => refuse(
            path,
            format!("its numbers are {}; expected integers, or floats of 2, 4 or 8 bytes", file.dtype().descr()),
        ),
    }
}

fn all<T: Deserialize>(file: Npy, path: &Path) -> Result<Vec<T>, DatasetError> {
    file.into_vec().map_err(|e| unreadable(path, e.to_string()))
}

fn kind(file: &Npy) -> TypeChar {
    match file.dtype() {
        DType::Plain(plain) => plain.type_char(),
        _ => TypeChar::Object,
    }
}

/// Size of a number in bytes.
fn size(file: &Npy) -> usize {
    file.dtype().num_bytes().unwrap_or(usize::MAX)
}

fn unreadable(path: &Path, reason: String) -> DatasetError {
    DatasetError::Unreadable { path: path.display().to_string(), reason }
}

fn refuse<T>(path: &Path, reason: String) -> Result<T, DatasetError> {
    Err(unreadable(path, reason))
}

#[cfg(test)]
mod tests {
    use npyz::{AutoSerialize, WriterBuilder};

    use super::*;

    fn write<T: AutoSerialize + Copy>(folder: &Path, name: &str, shape: &[u64], values: &[T]) {
        let file = File::create(folder.join(format!("{name}.npy"))).expect("a file");
        let writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(file).begin_nd().expect("a header");
        let mut writer = writer;
        writer.extend(values.iter().copied()).expect("values");
        writer.finish().expect("an end");
    }

    /// 40 training and 4 test pairs of two classes.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (split, pairs) in [("train", 40u64), ("test", 4)] {
            let images: Vec<f32> = (0..pairs * 3).map(|x| x as f32).collect();
            let texts: Vec<f64> = (0..pairs * 2).map(|x| x as f64 / 2.0).collect();
            let labels: Vec<i64> = (0..pairs).map(|row| (row % 2) as i64).collect();
            write(folder.path(), &format!("{split}_images"), &[pairs, 3], &images);
            write(folder.path(), &format!("{split}_texts"), &[pairs, 2], &texts);
            write(folder.path(), &format!("{split}_labels"), &[pairs], &labels);
        }
        folder
    }

    #[test]
    fn read_sets_a_tenth_of_each_label_aside_for_validation() {
        let folder = folder();
        let features = PrecomputedFeatures::read(folder.path(), 0).expect("readable");
        assert_eq!((features.images.cols, features.texts.cols, features.classes.len()), (3, 2, 2));
        assert_eq!(features.images.values[3..6], [3.0, 4.0, 5.0]);
        assert_eq!(features.texts.values[80..83], [0.0, 0.5, 1.0], "the test split comes last");
        let count = |split, class| {
            (0..44).filter(|&row| features.splits[row] == split && features.labels[row] == [class]).count()
        };
        for class in [0, 1] {
            assert_eq!([Split::Train, Split::Validation, Split::Test].map(|s| count(s, class)), [18, 2, 2]);
        }
        assert_eq!(features, PrecomputedFeatures::read(folder.path(), 0).expect("readable"));
    }

    #[test]
    fn read_accepts_several_labels_per_pair_and_their_names() {
        let folder = folder();
        write(folder.path(), "test_labels", &[4, 3], &[1u8, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 7]);
        std::fs::write(folder.path().join("classes.txt"), "barns\nfields\n\nroads\n").expect("written");
        let features = PrecomputedFeatures::read(folder.path(), 0).expect("readable");
        assert_eq!(features.labels[40..], [vec![0, 2], vec![1], vec![0], vec![2]]);
        assert_eq!(features.classes, ["barns", "fields", "roads"]);
    }

    #[test]
    fn read_reports_the_file_and_the_problem() {
        type Spoil<'a> = &'a dyn Fn(&Path);
        let spoil: [(Spoil<'_>, &str); 9] = [
            (&|f| std::fs::remove_file(f.join("test_texts.npy")).expect("removed"), "test_texts.npy"),
            (&|f| std::fs::write(f.join("train_images.npy"), "no").expect("written"), "expected a NumPy .npy file"),
            (&|f| write(f, "train_texts", &[39, 2], &[0f32; 78]), "it has 39 rows,"),
            (
                &|f| write(f, "test_images", &[4, 2], &[0f32; 8]),
                "its rows have 2 numbers, those of train_images.npy have 3",
            ),
            (&|f| write(f, "train_images", &[40, 3, 1], &[0f32; 120]), "its shape is [40, 3, 1]"),
            (&|f| write(f, "test_labels", &[4], &[0i32, 1, -1, 0]), "row 2 is -1"),
            (&|f| write(f, "test_images", &[4, 3], &[f64::NAN; 12]), "row 0, column 0 is NaN"),
            (&|f| write(f, "test_labels", &[4], &[0f32; 4]), "its numbers are"),
            (&|f| std::fs::write(f.join("classes.txt"), "one").expect("written"), "it has 1 names"),
        ];
        for (spoil, expected) in spoil {
            let folder = folder();
            spoil(folder.path());
            let fault = PrecomputedFeatures::read(folder.path(), 0).expect_err(expected).to_string();
            assert!(fault.contains(expected), "{expected}: {fault}");
        }
    }

    #[test]
    fn read_refuses_a_header_that_exceeds_the_file() {
        let folder = folder();
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4000000000000, 3), }";
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        std::fs::write(folder.path().join("train_images.npy"), bytes).expect("written");
        let fault = PrecomputedFeatures::read(folder.path(), 0).expect_err("too much").to_string();
        assert!(fault.contains("states the shape [4000000000000, 3]"), "{fault}");
    }
}
