//! A collection that comes as features already: NumPy matrices in a folder, a row a pair.

use std::{fs::File, io::BufReader, path::Path};

use npyz::{DType, Deserialize, NpyFile, Order, TypeChar};

use crate::dataset::{DatasetError, Split, SplitFractions, SplitMember, assign_splits};

/// Names of the files that may hold the classes' names, one a line.
const CLASSES: [&str; 2] = ["classes.txt", "categories.list"];

/// Pairs of a picture and a sentence, as features. Row `i` of everything is pair `i`.
#[derive(Debug, Clone, PartialEq)]
pub struct PrecomputedFeatures {
    /// Picture features, `[pairs, d_image]`, row by row.
    pub images: Matrix,
    /// Sentence features, `[pairs, d_text]`, row by row.
    pub texts: Matrix,
    /// For each pair its classes, as positions in `classes`.
    pub labels: Vec<Vec<u32>>,
    /// For each pair its part in learning.
    pub splits: Vec<Split>,
    /// Class names.
    pub classes: Vec<String>,
}

/// Numbers of a matrix, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Length of a row.
    pub cols: usize,
    /// All numbers, `[rows, cols]`.
    pub values: Vec<f32>,
}

impl PrecomputedFeatures {
    /// Reads `{train,test}_{images,texts,labels}.npy` of a folder and, where they are there, `validation_{images,texts,labels}.npy`.
    /// Features are matrices of floats or integers, a row a pair. Labels are class numbers from 0, or a matrix with a column
    /// for each class, in which what is not 0 counts. `classes.txt` (or `categories.list`) may name the classes, one a line.
    ///
    /// Without validation files a tenth of each class of the training pairs is set aside by `seed`.
    ///
    /// # Errors
    /// [`DatasetError::Unreadable`] with the file, what is wrong with it, what was found and what is allowed.
    pub fn read(folder: &Path, seed: u64) -> Result<Self, DatasetError> {
        let validation = folder.join("validation_images.npy").exists();
        let mut given = [Some(Split::Train), validation.then_some(Split::Validation), Some(Split::Test)]
            .into_iter()
            .flatten()
            .map(|split| part(folder, split));
        let mut all = given.next().expect("there is a training split")?;
        for more in given {
            let more = more?;
            for (into, from, what) in [(&mut all.images, more.images, "images"), (&mut all.texts, more.texts, "texts")]
            {
                if into.cols != from.cols {
                    let path = folder.join(format!("{}_{what}.npy", more.splits[0].name()));
                    let (found, expected) = (from.cols, into.cols);
                    return refuse(
                        &path,
                        format!("its rows have {found} numbers, those of train_{what}.npy {expected}"),
                    );
                }
                into.values.extend(from.values);
            }
            all.labels.extend(more.labels);
            all.splits.extend(more.splits);
        }
        all.classes = class_names(folder, &all.labels)?;
        if !validation {
            set_aside(&mut all, seed);
        }
        Ok(all)
    }
}

/// The three files of a split, with classes not yet named.
fn part(folder: &Path, split: Split) -> Result<PrecomputedFeatures, DatasetError> {
    let path = |what: &str| folder.join(format!("{}_{what}.npy", split.name()));
    let images = floats(&path("images"))?;
    let pairs = images.values.len() / images.cols;
    let fits = |what: &str, found: usize| {
        if found == pairs {
            return Ok(());
        }
        refuse(&path(what), format!("it has {found} rows where {} has {pairs}", path("images").display()))
    };
    let texts = floats(&path("texts"))?;
    fits("texts", texts.values.len() / texts.cols)?;
    let labels = class_numbers(&path("labels"))?;
    fits("labels", labels.len())?;
    Ok(PrecomputedFeatures { images, texts, labels, splits: vec![split; pairs], classes: Vec::new() })
}

/// Moves a tenth of each class of the training pairs to validation.
fn set_aside(all: &mut PrecomputedFeatures, seed: u64) {
    let ids: Vec<String> = (0..all.splits.len()).map(|row| row.to_string()).collect();
    let labels: Vec<Vec<String>> =
        all.labels.iter().map(|some| some.iter().map(|&class| all.classes[class as usize].clone()).collect()).collect();
    let member = |row: usize| SplitMember { id: &ids[row], content: None, labels: &labels[row], given: None };
    let training: Vec<usize> = (0..ids.len()).filter(|&row| all.splits[row] == Split::Train).collect();
    let members: Vec<SplitMember<'_>> = training.iter().map(|&row| member(row)).collect();
    let dealt = assign_splits(&members, SplitFractions { test: 0.0, ..SplitFractions::default() }, seed);
    for (row, split) in training.into_iter().zip(dealt) {
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
        return refuse(&path, format!("it names {} classes, but the labels go up to {}", names.len(), count - 1));
    }
    Ok(names)
}

/// A matrix of numbers.
fn floats(path: &Path) -> Result<Matrix, DatasetError> {
    let (file, rows, cols) = open(path)?;
    let Some(cols) = cols.filter(|&cols| cols > 0 && rows > 0) else {
        return refuse(path, "it is no matrix; [pairs, numbers of a pair] with at least one of each is needed".into());
    };
    let values = match (kind(&file), size(&file)) {
        (TypeChar::Float, 2) => all::<half::f16>(file, path)?.into_iter().map(half::f16::to_f32).collect(),
        (TypeChar::Float, 4) => all::<f32>(file, path)?,
        (TypeChar::Float, 8) => all::<f64>(file, path)?.into_iter().map(|x| x as f32).collect(),
        _ => whole(file, path)?.into_iter().map(|x| x as f32).collect(),
    };
    if let Some(at) = values.iter().position(|x| !x.is_finite()) {
        return refuse(path, format!("row {}, column {} is {}; features are finite", at / cols, at % cols, values[at]));
    }
    Ok(Matrix { cols, values })
}

/// The classes of each pair.
fn class_numbers(path: &Path) -> Result<Vec<Vec<u32>>, DatasetError> {
    /// A label is a position in a list of names, so a larger one is a fault and not a class.
    const MOST: i64 = 1_000_000;
    let (file, _, cols) = open(path)?;
    let numbers = whole(file, path)?;
    let Some(cols) = cols.filter(|&cols| cols > 1) else {
        let class = |(row, &number): (usize, &i64)| match u32::try_from(number) {
            Ok(class) if number < MOST => Ok(vec![class]),
            _ => refuse(path, format!("row {row} is {number}; classes are numbered from 0 to {}", MOST - 1)),
        };
        return numbers.iter().enumerate().map(class).collect();
    };
    let bears = |row: &[i64]| (0u32..).zip(row).filter(|(_, bears)| **bears != 0).map(|(class, _)| class).collect();
    let labels: Vec<Vec<u32>> = numbers.chunks(cols).map(bears).collect();
    match labels.iter().position(Vec::is_empty) {
        Some(row) => refuse(path, format!("row {row} has no class; every pair needs one at least")),
        None => Ok(labels),
    }
}

type Npy = NpyFile<BufReader<File>>;

/// A file whose header promises no more than the file holds: (file, rows, columns of a matrix).
fn open(path: &Path) -> Result<(Npy, usize, Option<usize>), DatasetError> {
    let fault = |reason: std::io::Error| unreadable(path, format!("{reason}; a NumPy .npy file is read"));
    let file = File::open(path).map_err(|e| unreadable(path, e.to_string()))?;
    let length = file.metadata().map_err(fault)?.len();
    let npy = NpyFile::new(BufReader::new(file)).map_err(fault)?;
    let shape = npy.shape().to_vec();
    let promised = shape.iter().try_fold(size(&npy) as u64, |bytes, &side| bytes.checked_mul(side));
    if promised.is_none_or(|promised| promised > length) {
        return refuse(path, format!("its header promises the shape {shape:?}, but the file has {length} bytes"));
    }
    if npy.order() != Order::C && shape.len() > 1 {
        return refuse(path, "it is in Fortran order; save numpy.ascontiguousarray(x)".into());
    }
    match *shape.as_slice() {
        [rows] => Ok((npy, rows as usize, None)),
        [rows, cols] => Ok((npy, rows as usize, Some(cols as usize))),
        _ => refuse(path, format!("its shape is {shape:?}; one or two dimensions are read")),
    }
}

/// Whole numbers of any width, and truths.
fn whole(file: Npy, path: &Path) -> Result<Vec<i64>, DatasetError> {
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
            format!("its numbers are {}; floats of 2, 4 or 8 bytes and integers are read", file.dtype().descr()),
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

/// Bytes of a number.
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
    fn matrices_are_read_and_a_tenth_of_each_class_is_set_aside() {
        let folder = folder();
        let given = PrecomputedFeatures::read(folder.path(), 0).expect("readable");
        assert_eq!((given.images.cols, given.texts.cols, given.classes.len()), (3, 2, 2));
        assert_eq!(given.images.values[3..6], [3.0, 4.0, 5.0]);
        assert_eq!(given.texts.values[80..83], [0.0, 0.5, 1.0], "the test split comes last");
        let count =
            |split, class| (0..44).filter(|&row| given.splits[row] == split && given.labels[row] == [class]).count();
        for class in [0, 1] {
            assert_eq!([Split::Train, Split::Validation, Split::Test].map(|s| count(s, class)), [18, 2, 2]);
        }
        assert_eq!(given, PrecomputedFeatures::read(folder.path(), 0).expect("readable"));
    }

    #[test]
    fn several_classes_a_pair_and_names_are_read() {
        let folder = folder();
        write(folder.path(), "test_labels", &[4, 3], &[1u8, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 7]);
        std::fs::write(folder.path().join("classes.txt"), "barns\nfields\n\nroads\n").expect("written");
        let given = PrecomputedFeatures::read(folder.path(), 0).expect("readable");
        assert_eq!(given.labels[40..], [vec![0, 2], vec![1], vec![0], vec![2]]);
        assert_eq!(given.classes, ["barns", "fields", "roads"]);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        type Spoil<'a> = &'a dyn Fn(&Path);
        let spoil: [(Spoil<'_>, &str); 9] = [
            (&|f| std::fs::remove_file(f.join("test_texts.npy")).expect("removed"), "test_texts.npy"),
            (&|f| std::fs::write(f.join("train_images.npy"), "no").expect("written"), "a NumPy .npy file is read"),
            (&|f| write(f, "train_texts", &[39, 2], &[0f32; 78]), "it has 39 rows where"),
            (&|f| write(f, "test_images", &[4, 2], &[0f32; 8]), "its rows have 2 numbers, those of train_images.npy 3"),
            (&|f| write(f, "train_images", &[40, 3, 1], &[0f32; 120]), "its shape is [40, 3, 1]"),
            (&|f| write(f, "test_labels", &[4], &[0i32, 1, -1, 0]), "row 2 is -1"),
            (&|f| write(f, "test_images", &[4, 3], &[f64::NAN; 12]), "row 0, column 0 is NaN"),
            (&|f| write(f, "test_labels", &[4], &[0f32; 4]), "its numbers are"),
            (&|f| std::fs::write(f.join("classes.txt"), "one").expect("written"), "it names 1 classes"),
        ];
        for (spoil, expected) in spoil {
            let folder = folder();
            spoil(folder.path());
            let fault = PrecomputedFeatures::read(folder.path(), 0).expect_err(expected).to_string();
            assert!(fault.contains(expected), "{expected}: {fault}");
        }
    }

    #[test]
    fn a_header_that_promises_more_than_there_is_costs_no_memory() {
        let folder = folder();
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4000000000000, 3), }";
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        std::fs::write(folder.path().join("train_images.npy"), bytes).expect("written");
        let fault = PrecomputedFeatures::read(folder.path(), 0).expect_err("too much").to_string();
        assert!(fault.contains("promises the shape [4000000000000, 3]"), "{fault}");
    }
}
