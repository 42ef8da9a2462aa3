//! What a search found.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A candidate whose digest is sought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "FindingView", try_from = "FindingView")]
pub struct Finding {
    /// Its number.
    pub index: u64,
    /// The candidate, without what stands before and behind each.
    pub plain: Vec<u8>,
    /// The digest of all that is hashed.
    pub digest: [u8; 32],
}

/// A finding of a search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Finding)]
pub struct FindingView {
    /// The candidate's number, from 0.
    pub index: u64,
    /// The candidate, without what stands before and behind each, if it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plain: Option<String>,
    /// It in base64, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plain_base64: Option<String>,
    /// The digest, in hexadecimal.
    pub digest: String,
}

/// Why a finding cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FindingError {
    /// `plain` or `plain_base64`, and one of them alone, is needed.
    #[error("a finding has `plain`, or `plain_base64` in base64")]
    Plain,
    /// 64 hexadecimal digits are needed.
    #[error("a digest is 64 hexadecimal digits")]
    Digest,
}

impl From<Finding> for FindingView {
    fn from(finding: Finding) -> Self {
        let Finding { index, plain, digest } = finding;
        let (plain, plain_base64) = match String::from_utf8(plain) {
            Ok(plain) => (Some(plain), None),
            Err(error) => (None, Some(STANDARD.encode(error.as_bytes()))),
        };
        Self { index, plain, plain_base64, digest: const_hex::encode(digest) }
    }
}

impl TryFrom<FindingView> for Finding {
    type Error = FindingError;

    fn try_from(view: FindingView) -> Result<Self, FindingError> {
        let FindingView { index, plain, plain_base64, digest } = view;
        let plain = match (plain, plain_base64) {
            (Some(plain), None) => plain.into_bytes(),
            (None, Some(plain)) => STANDARD.decode(plain).map_err(|_| FindingError::Plain)?,
            _ => return Err(FindingError::Plain),
        };
        let digest = const_hex::decode_to_array(digest).map_err(|_| FindingError::Digest)?;
        Ok(Self { index, plain, digest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_served_is_read() {
        for (plain, member) in [(&b"honey"[..], "plain"), (b"\xff", "plain_base64"), (b"", "plain")] {
            let finding = Finding { index: 7, plain: plain.to_vec(), digest: [0xab; 32] };
            let served = serde_json::to_value(&finding).unwrap();
            assert_eq!(served.as_object().unwrap().len(), 3);
            assert!(served[member].is_string() && served["digest"] == "ab".repeat(32));
            assert_eq!(serde_json::from_value::<Finding>(served).unwrap(), finding);
        }
        for lie in ["{\"index\":1,\"digest\":\"ab\",\"plain\":\"\"}", "{\"index\":1,\"digest\":\"\"}"] {
            assert!(serde_json::from_str::<Finding>(lie).is_err());
        }
    }
}
