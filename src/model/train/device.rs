//! The device that a training runs on. Trained weights are moved back to the CPU, where queries are answered.

use serde::{Deserialize, Serialize};

use crate::model::ModelError;

/// Device that a training runs on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Device {
    /// The first GPU, if this build supports GPUs (`--features cuda`) and there is one; else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The first GPU.
    Cuda,
}

impl Device {
    /// Opens the device. The first value says which one it is, and is never [`Self::Auto`].
    ///
    /// # Errors
    /// [`ModelError::Device`] if [`Self::Cuda`] cannot be used.
    pub(crate) fn open(self) -> Result<(Self, candle_core::Device), ModelError> {
        let cpu = (Self::Cpu, candle_core::Device::Cpu);
        if self == Self::Cpu || (self == Self::Auto && !cfg!(feature = "cuda")) {
            return Ok(cpu);
        }
        if !cfg!(feature = "cuda") {
            let reason = "this build has no GPU support; build with `--features cuda`, or train with `--device cpu`";
            return Err(ModelError::Device(reason.into()));
        }
        match candle_core::Device::new_cuda(0) {
            Ok(gpu) => Ok((Self::Cuda, gpu)),
            Err(error) if self == Self::Auto => {
                tracing::info!(%error, "no usable GPU; training on the CPU");
                Ok(cpu)
            }
            Err(error) => Err(ModelError::Device(error.to_string())),
        }
    }
}

#[cfg(all(test, not(feature = "cuda")))]
mod tests {
    use super::*;

    #[test]
    fn without_cuda_auto_opens_the_cpu_and_cuda_fails() {
        for device in [Device::Auto, Device::Cpu] {
            assert_eq!(device.open().expect("a device").0, Device::Cpu);
        }
        let refused = Device::Cuda.open().expect_err("no GPU").to_string();
        assert!(refused.contains("--features cuda"), "{refused}");
    }
}
