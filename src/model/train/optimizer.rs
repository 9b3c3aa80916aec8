//! Adam (Kingma & Ba 2015). On the CPU one fused pass over memory updates a variable and both of its moments in place;
//! on other devices it consists of tensor operations.
//!
//! A variable and its moments are one tensor, `[3, elements]`: values, first moment, second moment. So an update is one
//! in-place operation on two tensors, and a checkpoint stores one tensor per variable.

use candle_core::{CpuStorage, Device, InplaceOp2, Layout, Result, Tensor, bail};
use rayon::prelude::*;

use crate::model::{
    Hyperparameters,
    dscmr::network::{Shape, initial},
    tensors::{Weights, tensor},
    text_cnn::EMBEDDING,
};

/// Added to the root of the second moment; PyTorch's default.
const EPSILON: f32 = 1e-8;

/// Elements per task of a thread. Elements are independent, so the result does not depend on the number of threads.
const CHUNK: usize = 1 << 16;

/// All variables of a head with their moments, and the number of steps taken.
pub(crate) struct Optimizer {
    shape: Shape,
    steps: u64,
    states: Vec<Tensor>,
}

/// Coefficients of one step.
struct Update {
    beta1: f32,
    beta2: f32,
    /// Learning rate divided by the bias correction of the first moment.
    rate: f32,
    /// Root of the bias correction of the second moment.
    correction: f32,
}

impl Optimizer {
    /// Initial variables with moments of 0. The values depend on the name of the head; those of the tokens are
    /// `embeddings`.
    pub(crate) fn new(
        shape: Shape,
        seed: u64,
        head: &str,
        embeddings: Option<&[f32]>,
        device: &Device,
    ) -> Result<Self> {
        let state = |name: &&'static str| {
            let mut values = match embeddings {
                Some(embeddings) if *name == EMBEDDING => embeddings.to_vec(),
                _ => initial(&shape, head, name, seed),
            };
            let elements = values.len();
            values.resize(3 * elements, 0.0);
            tensor(values, (3, elements))?.to_device(device)
        };
        Ok(Self { shape, steps: 0, states: shape.names().iter().map(state).collect::<Result<_>>()? })
    }

    /// Restores the state of a checkpoint.
    pub(crate) fn restore(shape: Shape, steps: u64, states: Vec<Tensor>, device: &Device) -> Result<Self> {
        let states = states.iter().map(|state| state.to_device(device)).collect::<Result<_>>()?;
        Ok(Self { shape, steps, states })
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// Each variable with its moments, `[3, elements]`, in the order of [`Shape::names`].
    pub(crate) fn states(&self) -> &[Tensor] {
        &self.states
    }

    /// The variables in their shapes. They share memory with the optimizer, so [`Self::update`] changes them.
    pub(crate) fn weights(&self) -> Result<Weights> {
        self.shape
            .names()
            .iter()
            .zip(&self.states)
            .map(|(&name, state)| Ok((name, state.get(0)?.reshape(self.shape.of(name))?)))
            .collect()
    }

    /// A copy of the variables on the CPU.
    pub(crate) fn snapshot(&self) -> Result<Weights> {
        self.weights()?.into_iter().map(|(name, weight)| Ok((name, weight.copy()?.to_device(&Device::Cpu)?))).collect()
    }

    /// Takes one step. `progress`, in [0, 1), is the completed fraction of all steps.
    pub(crate) fn update(&mut self, gradients: &Weights, settings: &Hyperparameters, progress: f64) -> Result<()> {
        self.steps += 1;
        let steps = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let update = Update {
            beta1: settings.beta1 as f32,
            beta2: settings.beta2 as f32,
            rate: (settings.schedule.factor(progress) * settings.learning_rate / (1.0 - settings.beta1.powi(steps)))
                as f32,
            correction: (1.0 - settings.beta2.powi(steps)).sqrt() as f32,
        };
        for (name, state) in self.shape.names().iter().zip(&self.states) {
            let gradient = gradients[name].contiguous()?;
            match state.device() {
                Device::Cpu => state.inplace_op2(&gradient, &update)?,
                _ => update.by_tensors(state, &gradient)?,
            }
        }
        Ok(())
    }
}

impl InplaceOp2 for Update {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn cpu_fwd(
        &self,
        state: &mut CpuStorage,
        state_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<()> {
        let (CpuStorage::F32(state), CpuStorage::F32(gradient)) = (state, gradient) else {
            bail!("adam: variables and gradients are f32")
        };
        let (Some((begin, end)), Some((g_begin, g_end))) =
            (state_layout.contiguous_offsets(), gradient_layout.contiguous_offsets())
        else {
            bail!("adam: variables and gradients are contiguous")
        };
        let (state, gradient) = (&mut state[begin..end], &gradient[g_begin..g_end]);
        let elements = gradient.len();
        if state.len() != 3 * elements {
            bail!("adam: {} values with moments for {elements} gradients", state.len())
        }
        let (values, moments) = state.split_at_mut(elements);
        let (first, second) = moments.split_at_mut(elements);
        values
            .par_chunks_mut(CHUNK)
            .zip(first.par_chunks_mut(CHUNK))
            .zip(second.par_chunks_mut(CHUNK))
            .zip(gradient.par_chunks(CHUNK))
            .for_each(|(((values, first), second), gradient)| self.chunk(values, first, second, gradient));
        Ok(())
    }
}

impl Update {
    /// The same in tensor operations, for devices without a fused pass.
    fn by_tensors(&self, state: &Tensor, gradient: &Tensor) -> Result<()> {
        let gradient = gradient.flatten_all()?;
        let (value, first, second) = (state.get(0)?, state.get(1)?, state.get(2)?);
        let towards = |moment: Tensor, decay: f32, gradient: &Tensor| {
            (moment * f64::from(decay))? + (gradient * f64::from(1.0 - decay))?
        };
        let first = towards(first, self.beta1, &gradient)?;
        let second = towards(second, self.beta2, &gradient.sqr()?)?;
        let root = ((second.sqrt()? / f64::from(self.correction))? + f64::from(EPSILON))?;
        let value = (value - ((&first * f64::from(self.rate))? / root)?)?;
        // In place, because the variables of the network are views of this memory.
        state.slice_set(&Tensor::stack(&[value, first, second], 0)?, 0, 0)
    }

    fn chunk(&self, values: &mut [f32], first: &mut [f32], second: &mut [f32], gradient: &[f32]) {
        for (((value, m), v), &g) in values.iter_mut().zip(first).zip(second).zip(gradient) {
            *m = self.beta1 * *m + (1.0 - self.beta1) * g;
            *v = self.beta2 * *v + (1.0 - self.beta2) * g * g;
            *value -= self.rate * *m / (v.sqrt() / self.correction + EPSILON);
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_nn::{AdamW, Optimizer as _, ParamsAdamW};

    use super::*;
    use crate::model::{Schedule, TrainSettings};

    #[test]
    fn adam_agrees_with_candles_adamw_without_decay() {
        let shape = Shape { image: 3, text: 4, hidden: 5, dims: 2, classes: 2, text_cnn: None };
        let settings = Hyperparameters {
            learning_rate: 1e-2,
            schedule: Schedule::Constant,
            beta1: 0.5,
            ..TrainSettings::default().class.optimizer
        };
        let mut ours = Optimizer::new(shape, 1, "test", None, &Device::Cpu).expect("an optimizer");
        let vars: Vec<candle_core::Var> = ours
            .snapshot()
            .expect("weights")
            .into_values()
            .map(|w| candle_core::Var::from_tensor(&w).expect("a variable"))
            .collect();
        let names: Vec<&str> = ours.snapshot().expect("weights").into_keys().collect();
        let params = ParamsAdamW { lr: 1e-2, beta1: 0.5, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 };
        let mut theirs = AdamW::new(vars.clone(), params).expect("an optimizer");
        for _ in 0..20 {
            // Σ (w² + sin w), whose gradients differ by element and by step.
            let loss = |w: &Tensor| (w.sqr()? + w.sin()?)?.sum_all();
            let gradients = ours.weights().expect("weights").into_iter();
            let gradients =
                gradients.map(|(name, w)| (name, ((&w * 2.0).expect("2w") + w.cos().expect("cos")).expect("gradient")));
            ours.update(&gradients.collect(), &settings, 0.0).expect("a step");
            let total = vars
                .iter()
                .map(|v| loss(v).expect("a loss"))
                .reduce(|a, b| (a + b).expect("a sum"))
                .expect("variables");
            theirs.backward_step(&total).expect("a step");
        }
        let ours = ours.weights().expect("weights");
        for (name, var) in names.iter().zip(&vars) {
            let difference = (&ours[name] - var.as_tensor()).and_then(|d| d.abs()?.flatten_all()?.max(0)).expect("max");
            let difference = difference.to_scalar::<f32>().expect("a number");
            assert!(difference < 2e-5, "{name}: {difference}");
        }
    }

    #[test]
    fn tensor_operations_agree_with_the_fused_pass() {
        let update = Update { beta1: 0.9, beta2: 0.999, rate: 1e-2, correction: 0.2 };
        let gradient = tensor((0..12).map(|i| (i as f32 - 5.5) * 0.3).collect(), (4, 3)).expect("a gradient");
        let drawn = || tensor((0..36).map(|i| ((i * 7 % 11) as f32) * 0.1).collect(), (3, 12)).expect("a state");
        let (fused, plain) = (drawn(), drawn());
        let view = plain.get(0).and_then(|value| value.reshape((4, 3))).expect("a view");
        for _ in 0..5 {
            fused.inplace_op2(&gradient, &update).expect("a step");
            update.by_tensors(&plain, &gradient).expect("a step");
        }
        let values = |t: &Tensor| t.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("values");
        for (ours, theirs) in values(&fused).iter().zip(values(&plain)) {
            assert!((ours - theirs).abs() < 1e-5, "{ours} and {theirs}");
        }
        assert_eq!(values(&view), values(&plain)[..12], "views of the state change as well");
    }
}
