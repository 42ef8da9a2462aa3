//! What protects a Drones' port: an authority, certificates, secrets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use queen::access::{JoinSecret, JoinSecrets, TlsIdentity};
use queen::drones::Protection;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use web::model::Timestamp;
use wire::join::{JoinFile, QUEEN_NAME};
use wire::proof::Keys;

/// Who signs the certificates of a Hive.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        // Who is called as its authority is taken to have signed itself.
        params.distinguished_name.push(DnType::CommonName, "a test's authority");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate of the Queen's.
    pub fn certify(&self) -> TlsIdentity {
        self.certify_until(2100)
    }

    /// One that ends with the first day of a year.
    pub fn certify_until(&self, year: i32) -> TlsIdentity {
        let mut params = CertificateParams::new([QUEEN_NAME.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(year, 1, 1));
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        TlsIdentity::new(vec![certificate.der().clone()], key).unwrap()
    }

    pub fn join_file(&self, name: &str, secret: [u8; 32]) -> JoinFile {
        JoinFile { name: name.into(), secret, authority: self.pem.clone() }
    }
}

/// All that protects the Drones' port of one Queen, and can be changed while she runs.
pub struct Shield {
    pub authority: Authority,
    tls: watch::Sender<Arc<TlsIdentity>>,
    secrets: watch::Sender<Arc<JoinSecrets>>,
    /// The number of the secret that was made last.
    last: AtomicU64,
}

impl Shield {
    /// With a certificate, and no secret.
    pub fn new() -> Self {
        let authority = Authority::new();
        let tls = watch::Sender::new(Arc::new(authority.certify()));
        Self { authority, tls, secrets: watch::Sender::default(), last: AtomicU64::new(0) }
    }

    pub fn protection(&self) -> Protection {
        Protection { tls: self.tls.subscribe(), secrets: self.secrets.subscribe() }
    }

    /// Another certificate from now on.
    pub fn serve(&self, served: TlsIdentity) {
        self.tls.send_replace(Arc::new(served));
    }

    /// Makes a secret. One of the same name is revoked by that.
    pub fn admit(&self, name: &str) -> JoinFile {
        let id = 1 + self.last.fetch_add(1, SeqCst);
        let key: [u8; 32] = Sha256::digest(format!("{name} {id}")).into();
        self.change(|secrets| {
            secrets.by_name.insert(name.into(), JoinSecret { id, key, created_at: Timestamp::now() });
        });
        self.authority.join_file(name, key)
    }

    pub fn revoke(&self, name: &str) {
        self.change(|secrets| _ = secrets.by_name.remove(name));
    }

    fn change(&self, change: impl FnOnce(&mut JoinSecrets)) {
        self.secrets.send_modify(|secrets| change(Arc::make_mut(secrets)));
    }
}

/// Where a Drone connects, and by what it is let in.
#[derive(Clone)]
pub struct Entry {
    pub queen: SocketAddr,
    pub file: Option<JoinFile>,
}

impl Entry {
    pub fn new(queen: SocketAddr, file: &JoinFile) -> Self {
        Self { queen, file: Some(file.clone()) }
    }
}

impl From<SocketAddr> for Entry {
    fn from(queen: SocketAddr) -> Self {
        Self { queen, file: None }
    }
}

impl From<&Entry> for Entry {
    fn from(entry: &Entry) -> Self {
        entry.clone()
    }
}

/// TLS with who shows a certificate of the file's authority, and with what proofs are made on that connection.
pub async fn connect(queen: SocketAddr, file: &JoinFile) -> std::io::Result<(TlsStream<TcpStream>, Keys)> {
    connect_with(queen, file, &[&rustls::version::TLS13]).await
}

/// The same by one of these versions of TLS.
pub async fn connect_with(
    queen: SocketAddr,
    file: &JoinFile,
    versions: &[&'static SupportedProtocolVersion],
) -> std::io::Result<(TlsStream<TcpStream>, Keys)> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(file.authority.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.resumption = Resumption::disabled();
    let socket = TcpStream::connect(queen).await?;
    let name = ServerName::try_from(QUEEN_NAME).unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
    let leaf = Sha256::digest(&stream.get_ref().1.peer_certificates().unwrap()[0]).into();
    Ok((stream, Keys { secret: file.secret, leaf }))
}

/// TLS with whoever is there.
pub async fn connect_blindly(queen: SocketAddr) -> TlsStream<TcpStream> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.dangerous().with_custom_certificate_verifier(Arc::new(Blind)).with_no_client_auth();
    let socket = TcpStream::connect(queen).await.unwrap();
    let name = ServerName::try_from(QUEEN_NAME).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap()
}

/// Believes every certificate.
#[derive(Debug)]
struct Blind;

impl ServerCertVerifier for Blind {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
