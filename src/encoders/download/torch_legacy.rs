//! The torch format from before 2020: four pickles (magic number, version, integer sizes, state dict), a fifth with the
//! names of the storages, then each storage as a count and its raw numbers.
//!
//! Layout as in `_legacy_load` of PyTorch's `torch/serialization.py`.

use std::collections::{BTreeMap, HashMap};

use super::pickle::{self, Global, Malformed, Pickle, Reader, Ref, Value};

/// `0x1950a86a20f9469cfc6c`, little-endian, as LONG1 writes it.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const VERSION: i64 = 1001;
/// Convolutions have four dimensions, the maximum in the supported networks.
const MAX_DIMENSIONS: usize = 8;

/// A tensor of the state dict, contiguous in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    /// Length along each dimension.
    pub(super) shape: Vec<usize>,
    /// As many numbers as the product of `shape`.
    pub(super) values: Vec<f32>,
}

/// A tensor as the pickle describes it: a view into a storage.
struct View<'a> {
    storage: &'a str,
    kind: Global,
    count: usize,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// Reads the f32 tensors of a state dict by name. Integer tensors, which count training steps, are skipped.
///
/// All tensors together never hold more numbers than the file, so memory is bounded by the size of the file.
pub(super) fn read(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>, Malformed> {
    let mut reader = Reader::new(bytes);
    let magic = pickle::read(&mut reader)?;
    if !matches!(magic.get(magic.root), Value::Long(found) if *found == MAGIC) {
        return Err(reader.malformed("the magic number of the legacy torch format is missing"));
    }
    let version = pickle::read(&mut reader)?;
    if *version.get(version.root) != Value::Int(VERSION) {
        return Err(reader.malformed(format!("version {:?}, expected {VERSION}", version.get(version.root))));
    }
    little_endian(&pickle::read(&mut reader)?).map_err(|what| reader.malformed(what))?;
    let state = pickle::read(&mut reader)?;
    let views = views(&state).map_err(|what| reader.malformed(what))?;
    let keys = pickle::read(&mut reader)?;
    let storages = storages(&mut reader, &keys, &views)?;

    let mut tensors = BTreeMap::new();
    let mut budget = bytes.len() / size_of::<f32>();
    for (name, view) in views {
        if view.kind != Global::FloatStorage {
            continue;
        }
        let values =
            view.gather(&storages, &mut budget).map_err(|what| reader.malformed(format!("tensor `{name}`: {what}")))?;
        if tensors.insert(name.to_owned(), Tensor { shape: view.shape, values }).is_some() {
            return Err(reader.malformed(format!("tensor `{name}` is a duplicate")));
        }
    }
    Ok(tensors)
}

fn little_endian(sizes: &Pickle) -> Result<(), String> {
    let Value::Dict(items) = sizes.get(sizes.root) else { return Err("expected a dict of sizes".into()) };
    let flag = items.iter().find(|(key, _)| matches!(sizes.get(*key), Value::Str(k) if k == "little_endian"));
    match flag.map(|(_, value)| sizes.get(*value)) {
        Some(Value::Bool(true)) => Ok(()),
        _ => Err("the numbers are not marked as little-endian".into()),
    }
}

fn views(state: &Pickle) -> Result<Vec<(&str, View<'_>)>, String> {
    let root = state.get(state.root);
    let Value::Dict(items) = root else { return Err(format!("expected a state dict, found {}", root.kind())) };
    let mut views = Vec::with_capacity(items.len());
    for (key, value) in items {
        let Value::Str(name) = state.get(*key) else {
            return Err(format!("expected the name of a tensor, found {}", state.get(*key).kind()));
        };
        views.push((name.as_str(), view(state, *value).map_err(|what| format!("tensor `{name}`: {what}"))?));
    }
    Ok(views)
}

fn view(state: &Pickle, value: Ref) -> Result<View<'_>, String> {
    let Value::Tensor(arguments) = state.get(value) else {
        return Err(format!("expected a tensor, found {}", state.get(value).kind()));
    };
    // (storage, offset, shape, strides, requires_grad, hooks)
    let [storage, offset, shape, strides, ..] = tuple(state, *arguments)? else {
        return Err("fewer than four arguments".into());
    };
    let Value::Persistent(id) = state.get(*storage) else {
        return Err(format!("expected a storage, found {}", state.get(*storage).kind()));
    };
    // ("storage", type, name, device, count, None)
    let [_, kind, storage, _, count, part] = tuple(state, *id)? else {
        return Err("expected a storage id of six items".into());
    };
    let (Value::Global(kind @ (Global::FloatStorage | Global::LongStorage)), Value::Str(storage), Value::None) =
        (state.get(*kind), state.get(*storage), state.get(*part))
    else {
        return Err("a storage is partial, or neither f32 nor i64".into());
    };
    let lengths = |at: Ref| tuple(state, at)?.iter().map(|&n| number(state, n)).collect::<Result<Vec<_>, _>>();
    let (shape, strides) = (lengths(*shape)?, lengths(*strides)?);
    if shape.len() != strides.len() || shape.len() > MAX_DIMENSIONS {
        return Err(format!("{} dimensions with {} strides", shape.len(), strides.len()));
    }
    Ok(View { storage, kind: *kind, count: number(state, *count)?, offset: number(state, *offset)?, shape, strides })
}

fn tuple(pickle: &Pickle, at: Ref) -> Result<&[Ref], String> {
    match pickle.get(at) {
        Value::Tuple(items) => Ok(items),
        other => Err(format!("expected a tuple, found {}", other.kind())),
    }
}

fn number(pickle: &Pickle, at: Ref) -> Result<usize, String> {
    match pickle.get(at) {
        Value::Int(n) => usize::try_from(*n).map_err(|_| format!("expected a length, found {n}")),
        other => Err(format!("expected a length, found {}", other.kind())),
    }
}

/// The raw numbers of each f32 storage by name.
fn storages<'a>(
    reader: &mut Reader<'a>,
    keys: &Pickle,
    views: &[(&str, View<'_>)],
) -> Result<HashMap<String, &'a [[u8; 4]]>, Malformed> {
    let mut described = HashMap::new();
    for (_, view) in views {
        let known = described.entry(view.storage).or_insert((view.kind, view.count));
        if *known != (view.kind, view.count) {
            return Err(reader.malformed(format!("storage `{}` has two descriptions", view.storage)));
        }
    }
    let Value::List(names) = keys.get(keys.root) else {
        return Err(reader.malformed("expected a list of the storages' names"));
    };
    let mut storages = HashMap::new();
    for name in names {
        let Value::Str(name) = keys.get(*name) else { return Err(reader.malformed("expected the name of a storage")) };
        let Some(&(kind, count)) = described.get(name.as_str()) else {
            return Err(reader.malformed(format!("storage `{name}` belongs to no tensor")));
        };
        let found = u64::from_le_bytes(reader.array()?);
        if found != count as u64 {
            return Err(reader.malformed(format!("storage `{name}` has {found} numbers, expected {count}")));
        }
        let width = if kind == Global::FloatStorage { 4 } else { 8 };
        let size =
            count.checked_mul(width).ok_or_else(|| reader.malformed(format!("storage `{name}` is too large")))?;
        let (numbers, _) = reader.take(size)?.as_chunks::<4>();
        if storages.insert(name.clone(), numbers).is_some() {
            return Err(reader.malformed(format!("storage `{name}` is a duplicate")));
        }
    }
    Ok(storages)
}

impl View<'_> {
    /// The numbers of the view in row-major order; subtracts their count from `budget`.
    fn gather(&self, storages: &HashMap<String, &[[u8; 4]]>, budget: &mut usize) -> Result<Vec<f32>, String> {
        let storage = storages.get(self.storage).ok_or_else(|| format!("storage `{}` is missing", self.storage))?;
        let total = self.shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        let total = total.filter(|total| *total <= *budget).ok_or("more numbers than the file can hold")?;
        *budget -= total;
        if total == 0 {
            return Ok(Vec::new());
        }
        let last = self.shape.iter().zip(&self.strides).try_fold(self.offset, |last, (&n, &stride)| {
            (n - 1).checked_mul(stride).and_then(|step| last.checked_add(step))
        });
        if last.is_none_or(|last| last >= storage.len()) {
            return Err(format!("it exceeds its storage of {} numbers", storage.len()));
        }
        let mut values = Vec::with_capacity(total);
        let mut index = vec![0; self.shape.len()];
        let mut at = self.offset;
        for _ in 0..total {
            values.push(f32::from_le_bytes(storage[at]));
            for dimension in (0..index.len()).rev() {
                index[dimension] += 1;
                // A dimension of length 1 may have any stride; it is subtracted again before the next number is read.
                at = at.wrapping_add(self.strides[dimension]);
                if index[dimension] < self.shape[dimension] {
                    break;
                }
                at = at.wrapping_sub(self.strides[dimension].wrapping_mul(self.shape[dimension]));
                index[dimension] = 0;
            }
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A state dict of `w`, a transposed 2×3 view of six numbers, and a counter `n`, as torch writes it.
    fn file() -> Vec<u8> {
        let text = |s: &str| [&b"X"[..], &(s.len() as u32).to_le_bytes(), s.as_bytes()].concat();
        let storage = |kind: &str, key: &str, count: u8| {
            let mut id = [b"(".to_vec(), text("storage"), format!("ctorch\n{kind}\n").into_bytes(), text(key)].concat();
            id.extend([text("cpu"), vec![b'K', count], b"NtQ".to_vec()].concat());
            id
        };
        let mut bytes = [&[0x80, 2, 0x8a, 10][..], &MAGIC, b".\x80\x02M\xe9\x03."].concat();
        bytes.extend([b"\x80\x02}".to_vec(), text("little_endian"), b"\x88s.".to_vec()].concat());
        bytes.extend(b"\x80\x02ccollections\nOrderedDict\nq\0)Rq\x01(");
        bytes.extend(text("w"));
        bytes.extend(b"ctorch._utils\n_rebuild_tensor_v2\nq\x02(");
        bytes.extend(storage("FloatStorage", "7", 6));
        bytes.extend(b"K\0K\x02K\x03\x86K\x01K\x02\x86\x89h\0)RtR");
        bytes.extend(text("n"));
        bytes.extend(b"h\x02(");
        bytes.extend(storage("LongStorage", "8", 1));
        bytes.extend(b"K\0))\x89h\0)RtRu.");
        bytes.extend([b"\x80\x02](".to_vec(), text("7"), text("8"), b"e.".to_vec()].concat());
        bytes.extend(6u64.to_le_bytes());
        bytes.extend((0..6u8).flat_map(|n| f32::from(n).to_le_bytes()));
        bytes.extend(1u64.to_le_bytes());
        bytes.extend(99i64.to_le_bytes());
        bytes
    }

    #[test]
    fn read_makes_strided_tensors_row_major_and_skips_counters() {
        let tensors = read(&file()).expect("valid");
        let w = Tensor { shape: vec![2, 3], values: vec![0.0, 2.0, 4.0, 1.0, 3.0, 5.0] };
        assert_eq!(tensors, BTreeMap::from([("w".to_owned(), w)]));
    }

    #[test]
    fn read_refuses_a_file_truncated_anywhere() {
        let file = file();
        for end in 0..file.len() {
            assert!(read(&file[..end]).is_err(), "{end} of {} bytes", file.len());
        }
    }

    #[test]
    fn read_refuses_a_view_that_exceeds_its_storage_or_the_file() {
        let file = file();
        let shape = file.windows(4).position(|w| w == b"K\x02K\x03").expect("the shape is in the file");
        let mut beyond = file.clone();
        beyond[shape + 3] = 4;
        let error = read(&beyond).expect_err("refused").to_string();
        assert!(error.contains("tensor `w`: it exceeds its storage of 6 numbers"), "{error}");
        // Strides of 0 would repeat one number without end.
        let mut endless = file.clone();
        endless[shape..shape + 9].copy_from_slice(b"K\xffK\xff\x86K\0K\0");
        let error = read(&endless).expect_err("refused").to_string();
        assert!(error.contains("more numbers than the file can hold"), "{error}");
    }

    proptest! {
        #[test]
        fn mutated_files_are_read_or_refused_within_bounds(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
        ) {
            let mut file = file();
            for (at, byte) in changes {
                let at = at.index(file.len());
                file[at] = byte;
            }
            if let Ok(tensors) = read(&file) {
                prop_assert!(tensors.values().map(|t| t.values.len()).sum::<usize>() <= file.len() / 4);
            }
        }
    }
}
