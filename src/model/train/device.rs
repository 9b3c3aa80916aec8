//! Where the steps of a training are taken. What was learned is the CPU's again: queries are answered there.

use serde::{Deserialize, Serialize};

use crate::model::DscmrError;

/// Where a training computes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Device {
    /// On the first GPU, if this build can use one (`--features cuda`) and one is there; else on the CPU.
    #[default]
    Auto,
    /// On the CPU.
    Cpu,
    /// On the first GPU.
    Cuda,
}

impl Device {
    /// The device with what it turned out to be, which is never [`Self::Auto`].
    ///
    /// # Errors
    /// [`DscmrError::Device`] if a GPU was asked for by name and cannot be used.
    pub(crate) fn open(self) -> Result<(Self, candle_core::Device), DscmrError> {
        let cpu = (Self::Cpu, candle_core::Device::Cpu);
        if self == Self::Cpu || (self == Self::Auto && !cfg!(feature = "cuda")) {
            return Ok(cpu);
        }
        if !cfg!(feature = "cuda") {
            let reason =
                "this diptych was built without it; build with `--features cuda`, or train with `--device cpu`";
            return Err(DscmrError::Device(reason.into()));
        }
        match candle_core::Device::new_cuda(0) {
            Ok(gpu) => Ok((Self::Cuda, gpu)),
            Err(error) if self == Self::Auto => {
                tracing::info!(%error, "no GPU can be used; the training takes the CPU");
                Ok(cpu)
            }
            Err(error) => Err(DscmrError::Device(error.to_string())),
        }
    }
}

#[cfg(all(test, not(feature = "cuda")))]
mod tests {
    use super::*;

    #[test]
    fn without_cuda_auto_is_the_cpu_and_a_gpu_is_refused() {
        for device in [Device::Auto, Device::Cpu] {
            assert_eq!(device.open().expect("a device").0, Device::Cpu);
        }
        let refused = Device::Cuda.open().expect_err("no GPU").to_string();
        assert!(refused.contains("--features cuda"), "{refused}");
    }
}
