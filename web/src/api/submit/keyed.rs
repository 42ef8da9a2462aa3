//! `Idempotency-Key`: a request that may be sent again without creating a second task.

use axum::http::{HeaderMap, HeaderName};
use sha2::{Digest as _, Sha256};
use wire::blob::BlobBuf;
use wire::ids::TaskId;

use crate::access::TokenId;
use crate::error::Problem;
use crate::hive::{Claimed, Hive, Identity, NewTask};
use crate::model::Verify;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The header as people read it; also the `path` of a problem with it.
const NAME: &str = "Idempotency-Key";

/// The longest key, in characters.
const KEY_MAX: usize = 255;

/// A request with an idempotency key: holds the claim on it, and hashes what it asks for.
pub(super) struct Keyed {
    key: [u8; 32],
    claimed: Claimed,
    fingerprint: Fingerprint,
}

impl Keyed {
    /// Claims the key that a request has, if any.
    pub(super) async fn of(
        hive: &dyn Hive,
        headers: &HeaderMap,
        token: Option<TokenId>,
    ) -> Result<Option<Self>, Problem> {
        let Some(key) = key(headers)? else { return Ok(None) };
        let key = hashed(&key, token);
        let claimed = hive.claim(key).await?;
        Ok(Some(Self { key, claimed, fingerprint: Fingerprint::default() }))
    }

    /// Whether a task was created with the key, so that there is nothing to pass on.
    pub(super) fn is_known(&self) -> bool {
        matches!(self.claimed, Claimed::Known { .. })
    }

    /// Hashes everything but the inputs.
    pub(super) fn begin(&mut self, new: &NewTask) {
        self.fingerprint.begin(new);
    }

    /// Hashes inputs, in their order.
    pub(super) fn add(&mut self, inputs: &BlobBuf) {
        inputs.as_blob().iter().for_each(|input| self.fingerprint.field(input));
    }

    /// What the task is known by, once all of it is hashed.
    pub(super) fn identity(&self) -> Identity {
        Identity { key: self.key, fingerprint: self.fingerprint.0.clone().finalize().into() }
    }

    /// The task that was created with the key, if any; it must be the one that is asked for.
    pub(super) fn known(&self) -> Result<Option<TaskId>, Problem> {
        match self.claimed {
            Claimed::New(_) => Ok(None),
            Claimed::Known { task, fingerprint } if fingerprint == self.identity().fingerprint => Ok(Some(task)),
            Claimed::Known { task, .. } => Err(Problem::invalid(format!(
                "this `{NAME}` was used for another task, number {task}; repeat that request as it was, \
                 or give the new one a key of its own"
            ))
            .with("path", NAME)),
        }
    }
}

/// A hash of fields, each behind its length: other fields are other bytes. It is kept on disk,
/// so that what goes into it must not change.
#[derive(Debug, Default)]
struct Fingerprint(Sha256);

impl Fingerprint {
    fn field(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn begin(&mut self, new: &NewTask) {
        let NewTask { specification, name, priority, deadline_seconds, batch, verify, owner: _, address: _ } = new;
        self.field(specification.kind().as_bytes());
        specification.fields(|field| self.field(field));
        self.field(&[u8::from(name.is_some())]);
        self.field(name.as_deref().unwrap_or_default().as_bytes());
        // What a request has of these makes the field longer, by another power of two each (a batch by 1, verifying all
        // by 2, a deadline by 4; the next is 8): none is taken for another, and requests without are hashed as ever.
        let mut urgency = priority.to_le_bytes().to_vec();
        urgency.extend(deadline_seconds.iter().flat_map(|seconds| seconds.to_le_bytes()));
        urgency.extend(batch.then_some(1));
        urgency.extend((*verify == Verify::All).then_some([2, 2]).into_iter().flatten());
        self.field(&urgency);
    }
}

/// A key is of the token that it came with, if any: no key begins with a zero byte.
fn hashed(key: &[u8], token: Option<TokenId>) -> [u8; 32] {
    let mut hash = Sha256::new();
    if let Some(TokenId(id)) = token {
        hash.update([0]);
        hash.update(id.to_le_bytes());
    }
    hash.update(key);
    hash.finalize().into()
}

/// The key that a request has, without quotes.
fn key(headers: &HeaderMap) -> Result<Option<Vec<u8>>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::malformed(format!("a request has at most one `{NAME}`")).with("path", NAME));
    }
    let key = bare(value.as_bytes()).filter(|key| (1..=KEY_MAX).contains(&key.len()));
    key.map(Some).ok_or_else(|| {
        let detail = format!(
            "`{NAME}` is 1 to {KEY_MAX} visible ASCII characters, best in quotes, such as \
             \"8e03978e-40d5-43dd-bc93-6894a57f9324\""
        );
        Problem::malformed(detail).with("path", NAME)
    })
}

/// A structured field's string (RFC 9651) without its quotes, or a key that came without any.
fn bare(value: &[u8]) -> Option<Vec<u8>> {
    let Some(quoted) = value.strip_prefix(b"\"") else {
        // Those would be quoted, or be more than one value.
        let is_bare = |byte: &u8| byte.is_ascii_graphic() && !b"\"\\,;".contains(byte);
        return value.iter().all(is_bare).then(|| value.to_vec());
    };
    let mut quoted = quoted.strip_suffix(b"\"")?.iter().copied();
    let mut key = Vec::with_capacity(quoted.len());
    while let Some(byte) = quoted.next() {
        key.push(match byte {
            b'\\' => quoted.next().filter(|byte| b"\"\\".contains(byte))?,
            b'"' => return None,
            byte if byte.is_ascii_graphic() => byte,
            _ => return None,
        });
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use wire::sieve::DigestOrder;
    use wire::space::CounterFormat;

    use super::*;
    use crate::kinds::Specification;
    use crate::kinds::digest::{Algorithm, Digest, Encoding};
    use crate::kinds::search::{self, Mask, Masks, Search, Set, Sought, Space, Stop};

    #[test]
    fn keys_come_with_quotes_or_without() {
        let bare = |value: &str| bare(value.as_bytes()).map(|key| String::from_utf8(key).unwrap());
        for (value, key) in [
            ("8e03978e-40d5", "8e03978e-40d5"),
            ("\"8e03978e-40d5\"", "8e03978e-40d5"),
            ("a+b/c==", "a+b/c=="),
            ("\"a,b;c\"", "a,b;c"),
            (r#""a\"\\b""#, r#"a"\b"#),
        ] {
            assert_eq!(bare(value).as_deref(), Some(key), "{value}");
        }
        for value in
            ["a b", "a,b", "a;b=1", "a\"b", "\"a", "a\"", "\"", "\"a\"b\"", r#""a\b""#, r#""a\""#, "\"a b\"", "é"]
        {
            assert_eq!(bare(value), None, "{value}");
        }
    }

    /// Keys outlive the program that stored them.
    #[test]
    fn fingerprints_stay_as_they_are() {
        let fingerprint = |algorithm, encoding, name: Option<&str>, priority, deadline_seconds, inputs: &[&str]| {
            let specification = Specification::Digest(Digest { algorithm, encoding });
            let mut fingerprint = Fingerprint::default();
            let name = name.map(str::to_owned);
            fingerprint.begin(&NewTask {
                specification,
                name,
                priority,
                deadline_seconds,
                batch: false,
                verify: Verify::Sample,
                owner: None,
                address: None,
            });
            inputs.iter().for_each(|input| fingerprint.field(input.as_bytes()));
            const_hex::encode(fingerprint.0.finalize())
        };
        assert_eq!(
            fingerprint(Algorithm::Sha256, Encoding::Utf8, None, 0, None, &["honey"]),
            "dfc534308600b40b99721af4ebb8c789abd9f69d4100c0515c70f5d789d710d3"
        );
        let algorithm = Algorithm::Pbkdf2HmacSha256 { salt: b"salt".to_vec(), iterations: 600_000 };
        assert_eq!(
            fingerprint(algorithm, Encoding::Hex, Some("bees"), -7, None, &["00", "", "ff"]),
            "3e859a447271975175dfe2954e280f8b67901006f36669f1e686dff69d967635"
        );
        assert_eq!(
            fingerprint(Algorithm::Sha256, Encoding::Utf8, None, 0, Some(60), &["honey"]),
            "5feb73cc4b66a76e2b5939ce8d22d08885e38bea66ee71e31a84add943128b51"
        );
        let fingerprint_with = |deadline_seconds, batch, verify| {
            let specification =
                Specification::Digest(Digest { algorithm: Algorithm::Sha256, encoding: Encoding::Utf8 });
            let mut fingerprint = Fingerprint::default();
            fingerprint.begin(&NewTask {
                specification,
                name: None,
                priority: 0,
                deadline_seconds,
                batch,
                verify,
                owner: None,
                address: None,
            });
            const_hex::encode(fingerprint.0.finalize())
        };
        let mut all = std::collections::BTreeSet::new();
        for deadline in [None, Some(60)] {
            for (batch, verify) in
                [(false, Verify::Sample), (true, Verify::Sample), (false, Verify::All), (true, Verify::All)]
            {
                assert!(all.insert(fingerprint_with(deadline, batch, verify)), "other options are other requests");
            }
        }
        // It is not one more input.
        let input = "\x3c\0\0\0";
        assert_ne!(
            fingerprint(Algorithm::Sha256, Encoding::Utf8, None, 0, Some(60), &[]),
            fingerprint(Algorithm::Sha256, Encoding::Utf8, None, 0, None, &[input])
        );
    }

    #[test]
    fn fingerprints_of_searches_stay_as_they_are() {
        let search = |space, sought, stop| {
            let (prefix, suffix) = (b"a".to_vec(), b"bc".to_vec());
            let (algorithm, max_findings, mark_bits) = (search::Algorithm::Sha256d, 7, 6);
            let search = Search { algorithm, prefix, suffix, space, sought, stop, max_findings, mark_bits };
            let mut fingerprint = Fingerprint::default();
            fingerprint.begin(&NewTask {
                specification: Specification::Search(search),
                name: None,
                priority: 0,
                deadline_seconds: None,
                batch: false,
                verify: Verify::Sample,
                owner: None,
                address: None,
            });
            const_hex::encode(fingerprint.0.finalize())
        };
        let mask = Mask { text: "ab,?1x".to_owned(), sets: vec![Set::new(b"ab".to_vec()), Set::new(b"x".to_vec())] };
        let masks = Space::Masks(Masks::new(vec![mask.clone(), mask]).unwrap());
        let targets = Sought::Targets { count: 2, digests: [[1; 32], [2; 32]].concat() };
        assert_eq!(
            search(masks.clone(), targets, Stop::All),
            "41618af09a325d70c3f1bb730cc269f2355b18770ea7143e357a3b663e68cef3"
        );
        let interval = |order| Sought::Interval { order, from: [0; 32], to: [7; 32] };
        let counter = |format| Space::Counter { from: 5, to: 9, format };
        let other = search(counter(CounterFormat::Decimal), interval(DigestOrder::Big), Stop::First);
        assert_eq!(other, "373cabcd5f1a946296440855101e2b1ed2f2fdb3ea38a9c50dfb3c4df885797b");
        let all: std::collections::BTreeSet<_> = [
            search(counter(CounterFormat::Hex), interval(DigestOrder::Big), Stop::First),
            search(counter(CounterFormat::Decimal), interval(DigestOrder::Little), Stop::First),
            search(counter(CounterFormat::Decimal), interval(DigestOrder::Big), Stop::Lowest),
            search(masks, interval(DigestOrder::Big), Stop::First),
            other,
        ]
        .into();
        assert_eq!(all.len(), 5, "other searches are other requests");
    }
}
