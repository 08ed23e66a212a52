//! One measure against a slow mode of the processor.

/// Clears the upper halves of the vector registers of this thread, where there are any.
///
/// The matrix products behind `faer` are AVX-512 assembly that leaves them dirty. From then on,
/// until something clears them, the same thread runs everything compiled for plain x86-64, and
/// `exp` of the C library, many times slower: 180 ns instead of 9 ns for one `exp`, measured on a
/// Xeon with AVX-512. To be called after a matrix product and at the start of a hot task on a
/// pool that may have run one; it takes a nanosecond.
#[inline]
pub fn clear_upper_halves() {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = faer::traits::pulp::x86::V3::try_new() {
        v3.avx._mm256_zeroupper();
    }
}
