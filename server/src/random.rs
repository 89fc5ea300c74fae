//! Randomness of the operating system.

/// Fresh bytes from the operating system.
///
/// # Errors
/// When the system has none to give: nothing may be handed out then.
pub fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
