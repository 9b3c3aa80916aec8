//! EfficientNet-Lite: inverted residual blocks without squeeze-and-excitation, with ReLU6.
//!
//! Architecture: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019,
//! <https://arxiv.org/abs/1905.11946>, and the Lite variants of
//! <https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite>, which do not scale the stem, the
//! head, and the number of blocks of the first and last stage. As in TensorFlow, padding is SAME (the odd pixel at the
//! bottom and right) and batch norms have ε = 1e-3.
//!
//! Batch norms are folded into the weights at load. Tensors are channels-last, `[height, width, channels]`, so that a
//! 1×1 convolution is one matrix product. A block is computed in bands of rows, so that the expanded channels, six
//! times the block's input, stay in the L2 cache.

use std::{ops::Range, path::Path};

use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result as CandleResult, Shape, Tensor};
use rayon::prelude::*;

use super::preprocess;
use crate::{
    core::{Picture, SimdLevel},
    encoders::{
        EncoderError, ImageEncoder, Manifest, PictureInput, Resize, Views,
        kernels::{AlignedVec, Depthwise, Epilogue, Pointwise, Rows, pad_before},
        tensor_file::{self, TensorFile},
    },
};

const STEM_CHANNELS: usize = 32;
const STEM_KERNEL: usize = 3;
const STEM_STRIDE: usize = 2;
/// Expanded numbers of a band: 256 KiB, which fit the L2 cache together with weights and results.
const BAND_NUMBERS: usize = 1 << 16;

/// One stage of the unscaled network (B0): blocks, kernel, stride of the first block, expansion, channels.
struct Stage {
    repeats: usize,
    kernel: usize,
    stride: usize,
    expansion: usize,
    channels: usize,
}

const STAGES: [Stage; 7] = [
    Stage { repeats: 1, kernel: 3, stride: 1, expansion: 1, channels: 16 },
    Stage { repeats: 2, kernel: 3, stride: 2, expansion: 6, channels: 24 },
    Stage { repeats: 2, kernel: 5, stride: 2, expansion: 6, channels: 40 },
    Stage { repeats: 3, kernel: 3, stride: 2, expansion: 6, channels: 80 },
    Stage { repeats: 3, kernel: 5, stride: 1, expansion: 6, channels: 112 },
    Stage { repeats: 4, kernel: 5, stride: 2, expansion: 6, channels: 192 },
    Stage { repeats: 1, kernel: 3, stride: 1, expansion: 6, channels: 320 },
];

/// Scaling factors of a variant.
#[derive(Debug, Clone, Copy)]
pub(in crate::encoders) struct Scale {
    /// Factor on the number of channels.
    pub(in crate::encoders) width: f64,
    /// Factor on the number of blocks.
    pub(in crate::encoders) depth: f64,
    /// ε of the batch norms.
    pub(in crate::encoders) epsilon: f32,
}

impl Scale {
    /// Scaled number of channels, rounded to a multiple of 8 that is at most 10 % below.
    fn channels(self, channels: usize) -> usize {
        let scaled = channels as f64 * self.width;
        let rounded = ((scaled + 4.0) as usize / 8 * 8).max(8);
        if (rounded as f64) < 0.9 * scaled { rounded + 8 } else { rounded }
    }

    /// Number of blocks of a stage.
    fn repeats(self, stage: usize) -> usize {
        let repeats = STAGES[stage].repeats;
        let fixed = stage == 0 || stage == STAGES.len() - 1;
        if fixed { repeats } else { (repeats as f64 * self.depth).ceil() as usize }
    }
}

/// The image encoder. Features are the channels of the head averaged over the picture, `[dims]`, none negative.
pub(in crate::encoders) struct EfficientNetLite {
    id: String,
    input: PictureInput,
    stem: Stem,
    blocks: Vec<Block>,
    head: Head,
}

impl EfficientNetLite {
    /// Loads the network that `manifest` describes from `dir/<id>/model.safetensors`.
    pub(in crate::encoders) fn open(
        dir: &Path,
        manifest: &Manifest,
        scale: Scale,
        input: &PictureInput,
    ) -> Result<Self, EncoderError> {
        let path = dir.join(&manifest.id).join("model.safetensors");
        let bytes = tensor_file::read_file(&manifest.id, &path)?;
        let weights = TensorFile::parse(&path, &bytes)?;
        let resize = match input.resize {
            Resize::Bilinear => "bilinear",
            Resize::Bicubic => "bicubic",
        };
        let views = match input.views {
            Views::Upright => "",
            Views::Mirrored => "-mirrored",
            Views::Turned => "-turned",
            Views::All => "-all",
        };
        let PictureInput { size, subtract, divide, .. } = input;
        let hash = tensor_file::fingerprint(&[&bytes]);
        let id = format!("{}-{hash}-{resize}{size}-s{subtract}d{divide}{views}", manifest.id);
        Self::build(id, &weights, SimdLevel::best(), scale, input, manifest.dims)
    }

    fn build(
        id: String,
        weights: &TensorFile<'_>,
        isa: SimdLevel,
        scale: Scale,
        input: &PictureInput,
        dims: usize,
    ) -> Result<Self, EncoderError> {
        let folded = Folded { weights, isa, epsilon: scale.epsilon };
        let stem_shape = [STEM_CHANNELS, 3, STEM_KERNEL, STEM_KERNEL];
        let stem = Stem { convolution: folded.full("_conv_stem", "_bn0", stem_shape)? };
        let mut blocks = Vec::new();
        let mut channels = STEM_CHANNELS;
        for (at, stage) in STAGES.iter().enumerate() {
            let after = scale.channels(stage.channels);
            for repeat in 0..scale.repeats(at) {
                let stride = if repeat == 0 { stage.stride } else { 1 };
                let name = format!("_blocks.{}", blocks.len());
                let expanded = channels * stage.expansion;
                let expand = (stage.expansion > 1).then(|| {
                    folded.pointwise(&format!("{name}._expand_conv"), &format!("{name}._bn0"), channels, expanded)
                });
                blocks.push(Block {
                    expand: expand.transpose()?,
                    depthwise: folded.depthwise(&name, expanded, stage.kernel, stride)?,
                    project: folded.pointwise(
                        &format!("{name}._project_conv"),
                        &format!("{name}._bn2"),
                        expanded,
                        after,
                    )?,
                    residual: stride == 1 && channels == after,
                });
                channels = after;
            }
        }
        let head = Head { convolution: folded.pointwise("_conv_head", "_bn1", channels, dims)? };
        Ok(Self { id, input: input.clone(), stem, blocks, head })
    }

    /// The features of a picture, averaged over its views.
    fn mean_features(&self, picture: &Picture) -> Result<Vec<f32>, EncoderError> {
        let pixels = preprocess::resize(picture, self.input.size, self.input.resize)?;
        let view = |&symmetry| self.features(&preprocess::symmetric(&pixels, self.input.size as usize, symmetry));
        let views: Vec<Vec<f32>> = self.input.views.symmetries().par_iter().map(view).collect::<CandleResult<_>>()?;
        let mean = |feature: usize| views.iter().map(|view| view[feature]).sum::<f32>() / views.len() as f32;
        Ok((0..self.dims()).map(mean).collect())
    }

    /// The features of pixels `[size, size, 3]`.
    fn features(&self, rgb: &[u8]) -> CandleResult<Vec<f32>> {
        let mut x = self.stem.patches(rgb, &self.input)?.apply_op1_no_bwd(&self.stem)?;
        for block in &self.blocks {
            x = x.apply_op1_no_bwd(block)?;
        }
        x.apply_op1_no_bwd(&self.head)?.to_vec1()
    }
}

impl ImageEncoder for EfficientNetLite {
    fn id(&self) -> &str {
        &self.id
    }

    fn dims(&self) -> usize {
        self.head.convolution.outputs()
    }

    fn encode(&self, pictures: &[Picture]) -> Result<Vec<Vec<f32>>, EncoderError> {
        pictures.par_iter().map(|picture| self.mean_features(picture)).collect()
    }
}

/// Weights with their batch norm folded in: `w' = w · γ / √(σ² + ε)`, `b' = β - μ · γ / √(σ² + ε)`.
struct Folded<'a> {
    weights: &'a TensorFile<'a>,
    isa: SimdLevel,
    epsilon: f32,
}

impl Folded<'_> {
    /// Weights `[outputs, …]` and bias `[outputs]`.
    fn take(&self, convolution: &str, norm: &str, shape: &[usize]) -> Result<(Vec<f32>, Vec<f32>), EncoderError> {
        let mut weights = self.weights.take(&format!("{convolution}.weight"), shape)?;
        let norm = |part: &str| self.weights.take(&format!("{norm}.{part}"), &shape[..1]);
        let (gamma, beta, mean, variance) =
            (norm("weight")?, norm("bias")?, norm("running_mean")?, norm("running_var")?);
        let per_output = weights.len() / shape[0];
        let mut bias = Vec::with_capacity(shape[0]);
        for (output, weights) in weights.chunks_exact_mut(per_output).enumerate() {
            let factor = gamma[output] / (variance[output] + self.epsilon).sqrt();
            weights.iter_mut().for_each(|w| *w *= factor);
            bias.push(beta[output] - mean[output] * factor);
        }
        Ok((weights, bias))
    }

    fn pointwise(&self, name: &str, norm: &str, inputs: usize, outputs: usize) -> Result<Pointwise, EncoderError> {
        let (weights, bias) = self.take(name, norm, &[outputs, inputs, 1, 1])?;
        Ok(Pointwise::new(self.isa, inputs, &weights, &bias))
    }

    /// A convolution over patches of `[kernel, kernel, inputs]`.
    fn full(&self, name: &str, norm: &str, shape: [usize; 4]) -> Result<Pointwise, EncoderError> {
        let [outputs, inputs, height, width] = shape;
        let (weights, bias) = self.take(name, norm, &shape)?;
        let mut transposed = vec![0.0; weights.len()];
        for (at, &weight) in weights.iter().enumerate() {
            let (output, input, tap) =
                (at / (inputs * height * width), at / (height * width) % inputs, at % (height * width));
            transposed[(output * height * width + tap) * inputs + input] = weight;
        }
        debug_assert_eq!(bias.len(), outputs);
        Ok(Pointwise::new(self.isa, height * width * inputs, &transposed, &bias))
    }

    fn depthwise(&self, block: &str, channels: usize, kernel: usize, stride: usize) -> Result<Depthwise, EncoderError> {
        let names = (format!("{block}._depthwise_conv"), format!("{block}._bn1"));
        let (weights, bias) = self.take(&names.0, &names.1, &[channels, 1, kernel, kernel])?;
        Ok(Depthwise::new(self.isa, kernel, stride, &weights, &bias))
    }
}

/// The numbers of a contiguous f32 tensor `[height, width, channels]`, and its dimensions.
fn input<'a>(storage: &'a CpuStorage, layout: &Layout) -> CandleResult<(&'a [f32], [usize; 3])> {
    let (height, width, channels) = layout.shape().dims3()?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok((&storage.as_slice::<f32>()?[start..end], [height, width, channels])),
        None => candle_core::bail!("the image encoder takes contiguous tensors only"),
    }
}

/// The first convolution on patches: `[height, width, 27]` to `[height, width, 32]`, ReLU6.
struct Stem {
    convolution: Pointwise,
}

impl Stem {
    /// The normalised 3×3 patches of every second pixel, `[size / 2, size / 2, 27]`. Padding is 0 after normalising.
    fn patches(&self, rgb: &[u8], input: &PictureInput) -> CandleResult<Tensor> {
        let size = input.size as usize;
        let after = size.div_ceil(STEM_STRIDE);
        let pad = pad_before(size, STEM_KERNEL, STEM_STRIDE);
        let normalised: [f32; 256] = std::array::from_fn(|value| (value as f32 - input.subtract) / input.divide);
        let row = STEM_KERNEL * 3;
        let mut patches = vec![0.0f32; after * after * self.convolution.inputs()];
        for (at, patch) in patches.chunks_exact_mut(self.convolution.inputs()).enumerate() {
            let (top, left) = (at / after * STEM_STRIDE, at % after * STEM_STRIDE);
            for (ky, taps) in patch.chunks_exact_mut(row).enumerate() {
                let Some(y) = (top + ky).checked_sub(pad).filter(|&y| y < size) else { continue };
                let skipped = pad.saturating_sub(left);
                let x = left + skipped - pad;
                let there = (STEM_KERNEL - skipped).min(size - x) * 3;
                let pixels = &rgb[(y * size + x) * 3..][..there];
                for (tap, &value) in taps[skipped * 3..].iter_mut().zip(pixels) {
                    *tap = normalised[usize::from(value)];
                }
            }
        }
        Tensor::from_vec(patches, (after, after, self.convolution.inputs()), &Device::Cpu)
    }
}

impl CustomOp1 for Stem {
    fn name(&self) -> &'static str {
        "efficientnet-lite stem"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        let (patches, [height, width, _]) = input(storage, layout)?;
        let mut to = vec![0.0; height * width * self.convolution.outputs()];
        self.convolution.run(patches, &mut to, Epilogue::Relu6);
        Ok((CpuStorage::F32(to), (height, width, self.convolution.outputs()).into()))
    }
}

/// An inverted residual block: `[height, width, channels]` to `[height / stride, width / stride, channels after]`.
struct Block {
    /// 1×1 with ReLU6; the first stage has none.
    expand: Option<Pointwise>,
    /// With ReLU6.
    depthwise: Depthwise,
    /// 1×1 without activation.
    project: Pointwise,
    /// Whether the block's input is added to its result.
    residual: bool,
}

impl CustomOp1 for Block {
    fn name(&self) -> &'static str {
        "efficientnet-lite inverted residual block"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        let (from, [height, width, channels]) = input(storage, layout)?;
        let (height_after, width_after) = (self.depthwise.shrunk(height), self.depthwise.shrunk(width));
        let after = self.project.outputs();
        let mut to = vec![0.0; height_after * width_after * after];

        let expanded_row = width * self.depthwise.channels();
        let stride = height.div_ceil(height_after);
        let band = (BAND_NUMBERS / (expanded_row * stride)).clamp(1, height_after);
        let filtered_row = width_after * self.depthwise.channels();
        let mut filtered = AlignedVec::zeros(band * filtered_row);
        let mut expanded = self.expand.as_ref().map(|expand| {
            let most = (0..height_after)
                .step_by(band)
                .map(|y| self.depthwise.needs(height, &(y..(y + band).min(height_after))).len());
            Band {
                expand,
                row: expanded_row,
                numbers: AlignedVec::zeros(most.max().unwrap_or(0) * expanded_row),
                rows: 0..0,
            }
        });
        for start in (0..height_after).step_by(band) {
            let wanted = start..(start + band).min(height_after);
            let (first, numbers) = match &mut expanded {
                Some(band) => {
                    let needed = self.depthwise.needs(height, &wanted);
                    (needed.start, band.advance(from, width * channels, needed))
                }
                None => (0, from),
            };
            let filtered = &mut filtered[..wanted.len() * filtered_row];
            self.depthwise.run(Rows { height, width, first, numbers }, wanted.clone(), filtered);
            let place = wanted.start * width_after * after..wanted.end * width_after * after;
            let epilogue = if self.residual { Epilogue::Add(&from[place.clone()]) } else { Epilogue::Linear };
            self.project.run(filtered, &mut to[place], epilogue);
        }
        Ok((CpuStorage::F32(to), (height_after, width_after, after).into()))
    }
}

/// The expanded rows that the depthwise convolution currently needs; adjacent bands share some.
struct Band<'a> {
    expand: &'a Pointwise,
    /// Length of an expanded row.
    row: usize,
    numbers: AlignedVec,
    /// Rows of the picture in `numbers`.
    rows: Range<usize>,
}

impl Band<'_> {
    /// Advances to the rows `needed`, which must not begin or end before the current ones, and returns their numbers.
    fn advance(&mut self, from: &[f32], from_row: usize, needed: Range<usize>) -> &[f32] {
        let shared = needed.start..self.rows.end.max(needed.start);
        let shared_numbers = shared.len() * self.row;
        if !shared.is_empty() {
            let start = (shared.start - self.rows.start) * self.row;
            self.numbers.copy_within(start..start + shared_numbers, 0);
        }
        let new = shared.end..needed.end;
        let to = &mut self.numbers[shared_numbers..][..new.len() * self.row];
        self.expand.run(&from[new.start * from_row..new.end * from_row], to, Epilogue::Relu6);
        self.rows = needed;
        &self.numbers[..self.rows.len() * self.row]
    }
}

/// The last convolution, averaged over the picture: `[height, width, channels]` to `[dims]`.
struct Head {
    convolution: Pointwise,
}

impl CustomOp1 for Head {
    fn name(&self) -> &'static str {
        "efficientnet-lite head"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        let (from, [height, width, _]) = input(storage, layout)?;
        let (pixels, dims) = (height * width, self.convolution.outputs());
        let mut all = AlignedVec::zeros(pixels * dims);
        self.convolution.run(from, &mut all, Epilogue::Relu6);
        let mut mean = vec![0.0f32; dims];
        for pixel in all.chunks_exact(dims) {
            mean.iter_mut().zip(pixel).for_each(|(sum, x)| *sum += x);
        }
        mean.iter_mut().for_each(|sum| *sum /= pixels as f32);
        Ok((CpuStorage::F32(mean), dims.into()))
    }
}
