//! Weights in a safetensors file, whose tensors are read by name with their shapes checked.

use std::{
    fs,
    path::{Path, PathBuf},
};

use safetensors::{Dtype, SafeTensors};

use super::EncoderError;

/// The tensors of one safetensors file.
pub(super) struct TensorFile<'a> {
    path: PathBuf,
    tensors: SafeTensors<'a>,
}

impl<'a> TensorFile<'a> {
    /// Parses the header of the file's `bytes`; `path` is for messages.
    pub(super) fn parse(path: &Path, bytes: &'a [u8]) -> Result<Self, EncoderError> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| EncoderError::damaged(path, e))?;
        Ok(Self { path: path.to_owned(), tensors })
    }

    /// Like [`Self::take`] for a matrix of `rows` rows of any length; returns the numbers and that length.
    pub(super) fn take_rows(&self, name: &str, rows: usize) -> Result<(Vec<f32>, usize), EncoderError> {
        let length = self.tensors.tensor(name).ok().and_then(|tensor| tensor.shape().get(1).copied()).unwrap_or(1);
        Ok((self.take(name, &[rows, length])?, length))
    }

    /// The numbers of an f32 tensor in row-major order, all finite. Its shape must be `shape`.
    pub(super) fn take(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, EncoderError> {
        let damaged = |reason: String| EncoderError::damaged(&self.path, reason);
        let tensor = self.tensors.tensor(name).map_err(|_| damaged(format!("it has no tensor `{name}`")))?;
        if tensor.shape() != shape || tensor.dtype() != Dtype::F32 {
            let (found, dtype) = (tensor.shape(), tensor.dtype());
            return Err(damaged(format!("tensor `{name}` is {dtype:?} {found:?}; expected F32 {shape:?}")));
        }
        let (numbers, _) = tensor.data().as_chunks::<4>();
        let values: Vec<f32> = numbers.iter().map(|&b| f32::from_le_bytes(b)).collect();
        match values.iter().find(|v| !v.is_finite()) {
            Some(value) => Err(damaged(format!("tensor `{name}` has the value {value}"))),
            None => Ok(values),
        }
    }
}

/// Reads a file of the encoder `id`; [`EncoderError::Missing`] if it does not exist.
pub(super) fn read_file(id: &str, path: &Path) -> Result<Vec<u8>, EncoderError> {
    fs::read(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => EncoderError::Missing { id: id.to_owned(), path: path.to_owned() },
        _ => EncoderError::io(path)(e),
    })
}

/// The first twelve hex digits of a hash over all files, which distinguishes sets of weights in the id of an encoder.
pub(super) fn fingerprint(files: &[&[u8]]) -> String {
    let mut hasher = blake3::Hasher::new();
    for file in files {
        hasher.update(&(file.len() as u64).to_le_bytes());
        hasher.update(file);
    }
    hasher.finalize().to_hex()[..12].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::TensorView;

    fn safetensors(values: [f32; 2]) -> Vec<u8> {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let view = TensorView::new(Dtype::F32, vec![2, 1], &bytes).expect("two numbers");
        safetensors::serialize([("w", view)], None).expect("serializes")
    }

    #[test]
    fn take_checks_name_shape_and_finiteness() {
        let path = Path::new("m.safetensors");
        let bytes = safetensors([1.0, -2.0]);
        let file = TensorFile::parse(path, &bytes).expect("valid");
        assert_eq!(file.take("w", &[2, 1]).expect("there"), [1.0, -2.0]);
        let message = |e: EncoderError| e.to_string();
        assert!(file.take("v", &[2, 1]).map_err(message).is_err_and(|e| e.contains("no tensor `v`")));
        assert!(file.take("w", &[2]).map_err(message).is_err_and(|e| e.contains("F32 [2, 1]; expected F32 [2]")));
        let bytes = safetensors([1.0, f32::NAN]);
        let file = TensorFile::parse(path, &bytes).expect("valid");
        assert!(file.take("w", &[2, 1]).map_err(message).is_err_and(|e| e.contains("the value NaN")));
        assert!(TensorFile::parse(path, &bytes[..bytes.len() - 1]).is_err(), "a truncated file");
    }

    #[test]
    fn fingerprint_depends_on_content_and_borders_of_files() {
        let (a, b, c) = (fingerprint(&[b"ab", b"c"]), fingerprint(&[b"a", b"bc"]), fingerprint(&[b"ab", b"c"]));
        assert_eq!((a.len(), &a), (12, &c));
        assert_ne!(a, b);
    }
}
