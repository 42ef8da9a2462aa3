//! The Hive's own certificate authority: it signs the certificates by which the Queen proves that she is the Queen.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use web::model::Timestamp;
use wire::join::QUEEN_NAME;

/// What the authority is called in its certificate.
const AUTHORITY_NAME: &str = "Hive authority";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the authority is valid, and what it signs.
const AUTHORITY_LIFE: Duration = DAY.saturating_mul(20 * 365);
const CERTIFICATE_LIFE: Duration = DAY.saturating_mul(365);

/// How long before it is made a certificate is already valid, for those whose clock is behind.
const BACKDATED: Duration = DAY;

/// Characters of a line of PEM (RFC 7468, section 2).
const PEM_LINE_CHARS: usize = 64;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// There is no randomness, a name cannot be one, or a key is damaged.
    #[error("no certificate could be made: {0}")]
    Unmade(#[from] rcgen::Error),
    /// Nobody who has the authority's certificate would believe what it signs.
    #[error(
        "the authority's key is not the one of its certificate: it is damaged, of which `queen check` says more; restore \
         a backup"
    )]
    Damaged,
}

/// The authority: its certificate and its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Authority {
    /// In DER.
    pub certificate: Vec<u8>,
    /// In PKCS #8.
    pub key: Vec<u8>,
}

/// A certificate that it signed, with its key.
#[derive(Debug)]
pub struct Issued {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl Authority {
    /// A new one, for 20 years from now.
    ///
    /// # Errors
    /// If there is no randomness for a key.
    pub fn generate(now: Timestamp) -> Result<Self, CertificateError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = authority();
        valid(&mut params, now, AUTHORITY_LIFE);
        let certificate = params.self_signed(&key)?.der().to_vec();
        Ok(Self { certificate, key: key.serialize_der() })
    }

    /// Its certificate in PEM (RFC 7468).
    pub fn pem(&self) -> String {
        let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
        let text = STANDARD.encode(&self.certificate);
        for line in text.as_bytes().chunks(PEM_LINE_CHARS) {
            pem.extend(line.iter().map(|byte| char::from(*byte)));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
        pem
    }

    /// Signs a certificate for the Queen, for a year from now, with these names and addresses besides
    /// [`QUEEN_NAME`].
    ///
    /// # Errors
    /// If a name cannot be one, or what is kept of the authority is damaged.
    pub fn issue(&self, names: &[String], now: Timestamp) -> Result<Issued, CertificateError> {
        let signing = PrivatePkcs8KeyDer::from(self.key.as_slice());
        let signing = KeyPair::from_pkcs8_der_and_sign_algo(&signing, &PKCS_ECDSA_P256_SHA256)?;
        let public = signing.public_key_raw();
        let certificate = CertificateDer::from(self.certificate.as_slice());
        let is_whole = RootCertStore::empty().add(certificate).is_ok();
        if !is_whole || !self.certificate.windows(public.len()).any(|part| part == public) {
            return Err(CertificateError::Damaged);
        }
        let all: Vec<String> = [QUEEN_NAME.to_owned()].into_iter().chain(names.iter().cloned()).collect();
        let mut params = CertificateParams::new(all)?;
        params.distinguished_name = Default::default();
        params.distinguished_name.push(DnType::CommonName, QUEEN_NAME);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let expires_at = valid(&mut params, now, CERTIFICATE_LIFE);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.signed_by(&key, &Issuer::from_params(&authority(), &signing))?.der().clone();
        Ok(Issued { certificate, key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(), expires_at })
    }
}

/// What the authority's certificate says, apart from when it is valid.
fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = Default::default();
    params.distinguished_name.push(DnType::CommonName, AUTHORITY_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Says from when to when a certificate is valid; returns its end.
fn valid(params: &mut CertificateParams, now: Timestamp, life: Duration) -> Timestamp {
    // Certificates know no fractions of seconds, and 1970 is before any of them.
    let now = Duration::from_secs(u64::try_from(now.0 / 1000).unwrap_or_default());
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(BACKDATED);
    params.not_after = epoch + now + life;
    Timestamp(i64::try_from((now + life).as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_not_the_certificates_signs_nothing() {
        let [mut authority, other] = [(); 2].map(|()| Authority::generate(Timestamp(0)).unwrap());
        assert!(authority.issue(&[], Timestamp(0)).is_ok());
        authority.key = other.key;
        assert!(matches!(authority.issue(&[], Timestamp(0)), Err(CertificateError::Damaged)));
    }
}
