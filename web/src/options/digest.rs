//! A digest task's options.

use super::fault::{fault, unknown};
use super::given::Options;
use crate::error::Problem;
use crate::kinds::digest::{ALGORITHMS, Algorithm, Digest, Encoding, MAX_ITERATIONS, MAX_KEY};

/// Takes what belongs to a digest task.
pub(super) fn specification(options: &mut Options) -> Result<Digest, Problem> {
    let encoding = match options.text("encoding")?.as_deref() {
        None | Some("utf8") => Encoding::Utf8,
        Some("hex") => Encoding::Hex,
        Some("base64") => Encoding::Base64,
        Some(other) => return Err(unknown("encoding", other, "utf8, hex, base64")),
    };
    let algorithm = match options.text("algorithm")?.as_deref() {
        None | Some("sha256") => Algorithm::Sha256,
        Some("sha256d") => Algorithm::Sha256d,
        Some("hmac-sha256") => Algorithm::HmacSha256 { key: secret(options, "key", "key_hex")? },
        Some("pbkdf2-hmac-sha256") => Algorithm::Pbkdf2HmacSha256 {
            salt: secret(options, "salt", "salt_hex")?,
            iterations: options
                .integer("iterations", 1..=i64::from(MAX_ITERATIONS))?
                .and_then(|count| u32::try_from(count).ok())
                .ok_or_else(|| fault("iterations", "pbkdf2-hmac-sha256 needs `iterations`".to_owned()))?,
        },
        Some(other) => return Err(unknown("algorithm", other, &ALGORITHMS.join(", "))),
    };
    Ok(Digest { algorithm, encoding })
}

fn secret(options: &mut Options, name: &'static str, name_hex: &'static str) -> Result<Vec<u8>, Problem> {
    let given = if options.has(name_hex) { name_hex } else { name };
    let bytes = options.bytes(name, &[(name_hex, Encoding::Hex)])?;
    let bytes = bytes.ok_or_else(|| fault(name, format!("this algorithm needs `{name}`, or `{name_hex}`")))?;
    if bytes.len() > MAX_KEY {
        return Err(fault(given, format!("`{given}` is longer than {MAX_KEY} bytes")));
    }
    Ok(bytes)
}
