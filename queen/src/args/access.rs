//! Flags and commands about who may do what.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};
use ipnet::IpNet;
use web::access::Scope;

use super::data_dir::DataDir;
use super::values::{self, Span};
use crate::access::certificates::CertificateFiles;
use crate::access::exposure::Exposure;

/// To whom a Queen shows herself, and as whom.
#[derive(Debug, Clone, Args)]
pub struct Expose {
    /// A name under which HTTP is served, besides localhost, addresses, and the names that `queen init` was given;
    /// once for each, or with commas between them
    #[arg(
        long,
        env = "HIVE_HOSTS",
        value_name = "NAME",
        value_delimiter = ',',
        value_parser = values::listed(values::host)
    )]
    pub host: Vec<Option<String>>,
    /// A reverse proxy, such as 10.0.0.7 or 10.0.0.0/24, whose X-Forwarded-For and X-Forwarded-Proto are believed;
    /// once for each, or with commas between them
    #[arg(
        long,
        env = "HIVE_TRUSTED_PROXIES",
        value_name = "CIDR",
        value_delimiter = ',',
        value_parser = values::listed(values::network)
    )]
    pub trusted_proxy: Vec<Option<IpNet>>,
    /// A certificate of your own for HTTP, with those that lead to its authority, in PEM; read again on SIGHUP.
    /// Drones go on with the Hive's own
    #[arg(long, env = "HIVE_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Its key, in PEM, which only its owner may read
    #[arg(long, env = "HIVE_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Serve addresses that are not loopback although nothing protects the Hive, so that anybody who reaches them
    /// can use it; what is set up stays in force
    #[arg(long, env = "HIVE_INSECURE", value_parser = BoolishValueParser::new())]
    pub insecure: bool,
    /// Show words and digests on the console where addresses are served that are not loopback
    #[arg(long, env = "HIVE_SHOW_WORDS", value_parser = BoolishValueParser::new())]
    pub show_words: bool,
}

impl Expose {
    /// What the library has to know.
    pub fn exposure(&self) -> Exposure {
        let files = self.tls_cert.clone().zip(self.tls_key.clone());
        Exposure {
            hosts: self.host.iter().flatten().cloned().collect(),
            trusted_proxies: self.trusted_proxy.iter().flatten().copied().collect(),
            insecure: self.insecure,
            files: files.map(|(certificate, key)| CertificateFiles { certificate, key }),
            show_words: self.show_words,
            ..Exposure::default()
        }
    }
}

pub(super) const INIT: &str = "\
Makes a secret for drones, a certificate authority, and a token that may do everything. From then on
both ports speak TLS, drones need the join file, and requests need a token. A directory is set up
once; a token or a join file that is lost is made anew with `queen token` and `queen secret`.

Examples:
  queen init > admin.token
  queen init --data-dir /var/lib/hive --host hive.example.org --join-file /root/hive.join

The token stands alone on stdout, and what to do next on stderr. Exit codes: 0 if it is set up,
1 if not, 2 for a wrong command line.";

/// Sets a Hive up.
#[derive(Debug, Clone, Args)]
pub struct Init {
    /// Made for its owner alone if there is none.
    #[command(flatten)]
    pub directory: DataDir,
    /// A name under which browsers and other clients reach the Queen; once for each
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = values::host)]
    pub host: Vec<String>,
    /// The file for drones to write, readable by its owner alone; one that is there is not replaced
    #[arg(long, value_name = "FILE", default_value = "hive.join")]
    pub join_file: PathBuf,
}

pub(super) const TOKENS: &str = "\
Beside a running Queen it takes effect at once; else at her next start. Scopes: `read` sees
everything, `submit` submits and has its own tasks, `control` is both and changes everybody's tasks
and drones, `admin` is all of that and says who may do what.

Examples:
  queen token create --name ci --scope submit --expires 90d > ci.token
  queen token create --name admin2 --scope admin      when the admin token is lost
  queen token list
  queen token revoke ci";

/// What to do about tokens.
#[derive(Debug, Clone, Args)]
pub struct Tokens {
    /// Whether to make, list or revoke.
    #[command(subcommand)]
    pub command: TokenCommand,
}

/// What to do about tokens.
#[derive(Debug, Clone, Subcommand)]
pub enum TokenCommand {
    /// Make a token; it is printed this once
    Create {
        /// Where everything is.
        #[command(flatten)]
        directory: DataDir,
        /// What it is called, in lists and as the owner of tasks
        #[arg(long)]
        name: String,
        /// What it may be used for: read, submit, control or admin; several with commas between them
        #[arg(long, value_name = "SCOPE", required = true, value_delimiter = ',', num_args = 1..)]
        scope: Vec<Scope>,
        /// After how long it is not valid any more, such as 12h or 90d; never unless said
        #[arg(long, value_name = "TIME")]
        expires: Option<Span>,
    },
    /// List the valid tokens
    List {
        /// Where everything is.
        #[command(flatten)]
        directory: DataDir,
    },
    /// Revoke a token: requests, sessions and event streams with it end at once
    Revoke {
        /// Where everything is.
        #[command(flatten)]
        directory: DataDir,
        /// Its number, or its name
        #[arg(value_name = "ID|NAME")]
        which: String,
    },
}

pub(super) const SECRETS: &str = "\
Beside a running Queen it takes effect at once; else at her next start. To change a secret, make
another, give drones its join file, and revoke the first.

Examples:
  queen secret create --name attic --join-file attic.join
  queen secret list
  queen secret revoke attic";

/// What to do about the Drones' secrets.
#[derive(Debug, Clone, Args)]
pub struct Secrets {
    /// Whether to make, list or revoke.
    #[command(subcommand)]
    pub command: SecretCommand,
}

/// What to do about the Drones' secrets.
#[derive(Debug, Clone, Subcommand)]
pub enum SecretCommand {
    /// Make a secret, and the file with which drones join
    Create {
        /// Where everything is.
        #[command(flatten)]
        directory: DataDir,
        /// What it is called: letters, digits, dots, hyphens and _
        #[arg(long)]
        name: String,
        /// The file for drones to write, readable by its owner alone; one that is there is not replaced
        #[arg(long, value_name = "FILE")]
        join_file: PathBuf,
    },
    /// List the valid secrets
    List {
        /// Where everything is.
        #[command(flatten)]
        directory: DataDir,
    },
    /// Revoke a secret: drones that came with it are cut off at once
    Revoke {
        /// Where everything is.
        #[command(flatten)]
        directory: DataDir,
        /// What it is called
        name: String,
    },
}
