//! Which vector instructions the processor has. Encoders and indexes have kernels for each level.

use std::sync::LazyLock;

/// An instruction set that the kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimdLevel {
    /// AVX-512 F: 16 f32 lanes a register.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2 with fused multiply-add: 8 f32 lanes a register.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Plain loops that the compiler vectorizes for the target's baseline.
    Portable,
}

/// Detection takes longer than a short kernel, so its result is kept.
static BEST: LazyLock<SimdLevel> = LazyLock::new(|| SimdLevel::available()[0]);

impl SimdLevel {
    /// All levels that this processor supports, fastest first.
    pub fn available() -> Vec<Self> {
        let mut available = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                available.push(Self::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                available.push(Self::Avx2);
            }
        }
        available.push(Self::Portable);
        available
    }

    /// The fastest level that this processor supports.
    pub fn best() -> Self {
        *BEST
    }

    /// Number of f32 lanes of a register.
    pub fn lanes(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => 16,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 8,
            Self::Portable => 8,
        }
    }
}
