//! Random bytes from the operating system.

/// Returns random bytes from the operating system.
///
/// # Errors
/// If the random number generator fails. The caller must not issue any secret then.
pub fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
