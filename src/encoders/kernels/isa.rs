//! Which instructions the processor has.

/// The instruction sets that the kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::encoders) enum Isa {
    /// 16 numbers a register.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 8 numbers a register, fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Whatever the compiler makes of arrays of 8.
    Portable,
}

impl Isa {
    /// Those that this processor has, the fastest first.
    pub(in crate::encoders) fn available() -> Vec<Self> {
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

    /// The fastest that this processor has.
    pub(in crate::encoders) fn best() -> Self {
        Self::available()[0]
    }

    /// Numbers a register.
    pub(super) fn lanes(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => 16,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 8,
            Self::Portable => 8,
        }
    }
}
