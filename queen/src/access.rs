//! Who may use the Hive and who may work for it, and what proves that the Queen is the Queen.

pub mod authority;
pub mod certificates;
pub mod exposure;
pub mod grants;
mod random;
mod secrets;
pub mod tls;
pub mod token;

pub use self::authority::{Authority, CertificateError, Issued};
pub use self::certificates::Certificates;
pub use self::grants::Grants;
pub use self::random::random;
pub use self::secrets::{JoinSecret, JoinSecrets};
pub use self::tls::TlsIdentity;
pub use self::token::Token;
