//! Bytes for secrets.

/// 32 bytes that nobody can guess.
///
/// # Errors
/// If the system has no randomness to give.
pub fn random() -> Result<[u8; 32], getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
