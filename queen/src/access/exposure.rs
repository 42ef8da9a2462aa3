//! Whether a Queen may serve other machines: only if what protects that port is set up, or `--insecure` is said.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;
use tokio::sync::Notify;

use super::certificates::CertificateFiles;

/// To whom a Queen shows herself, and as whom.
#[derive(Debug, Clone, Default)]
pub struct Exposure {
    /// Names under which HTTP is served, besides those that are in the data directory.
    pub hosts: Vec<String>,
    /// Whose word is taken for where a request came from.
    pub trusted_proxies: Vec<IpNet>,
    /// Serve others although nothing protects the Hive.
    pub insecure: bool,
    /// The operator's certificate for HTTP.
    pub files: Option<CertificateFiles>,
    /// Notified when that is to be read again.
    pub reload: Arc<Notify>,
    /// Inputs and digests are shown on the console although others are served.
    pub show_words: bool,
}

/// What is known at the start of where a Queen listens, and what protects her.
#[derive(Debug, Clone)]
pub struct Situation {
    /// Where Drones connect.
    pub drones: SocketAddr,
    /// Where HTTP is served.
    pub http: SocketAddr,
    /// There was a secret once, so that no Drone does without.
    pub has_secret: bool,
    /// There was a token once, so that no request does without.
    pub has_token: bool,
    /// Where the commands find what protects her; `None` if nothing is kept.
    pub data_dir: Option<PathBuf>,
}

/// Why a Queen must not serve: others could use the Hive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}, so others could use this Hive, and {lacking} yet: {advice}")]
pub struct Unprotected {
    what: String,
    lacking: &'static str,
    advice: String,
}

impl Exposure {
    /// Whether the console may tell inputs and digests: where nobody else's are served, or because it is wanted.
    pub fn may_show_words(&self, drones: SocketAddr, http: SocketAddr) -> bool {
        let is_reached_here = drones.ip().is_loopback() && http.ip().is_loopback();
        let is_passed_on = !self.trusted_proxies.is_empty() || !self.hosts.iter().all(|host| is_local(host));
        self.show_words || is_reached_here && !is_passed_on
    }

    /// Looks whether she may serve; says whether she does although nothing protects her.
    ///
    /// # Errors
    /// If nothing protects her, and `insecure` was not said.
    pub fn check(&self, situation: &Situation) -> Result<bool, Unprotected> {
        match self.find(situation) {
            Some(found) if !self.insecure => Err(found),
            found => Ok(found.is_some()),
        }
    }

    fn find(&self, situation: &Situation) -> Option<Unprotected> {
        let Situation { drones, http, has_secret, has_token, .. } = situation;
        let beyond = |flag, at: &SocketAddr| format!("{flag} {at} is not a loopback address");
        if !has_secret && !drones.ip().is_loopback() {
            return Some(lacks(situation, beyond("--drone-addr (HIVE_DRONE_ADDR)", drones), Lacking::Secret));
        }
        let host = self.hosts.iter().find(|host| !is_local(host));
        let what = match (http.ip().is_loopback(), host, self.trusted_proxies.first()) {
            (false, ..) => beyond("--http-addr (HIVE_HTTP_ADDR)", http),
            (true, Some(host), _) => format!("--host (HIVE_HOSTS) {host} is served"),
            (true, None, Some(proxy)) => format!("--trusted-proxy (HIVE_TRUSTED_PROXIES) {proxy} stands in front"),
            (true, None, None) => return None,
        };
        (!has_token).then(|| lacks(situation, what, Lacking::Token))
    }
}

enum Lacking {
    Secret,
    Token,
}

fn lacks(situation: &Situation, what: String, lacking: Lacking) -> Unprotected {
    let insecure = "or add --insecure (HIVE_INSECURE=1) if that is what you want";
    let (said, command) = match lacking {
        Lacking::Secret => ("drones need no secret", "secret create --name drones --join-file hive.join"),
        Lacking::Token => ("requests need no token", "token create --name admin --scope admin"),
    };
    let advice = match &situation.data_dir {
        None => format!("--ephemeral keeps no secrets and no tokens, so start her without it, {insecure}"),
        Some(directory) => {
            let directory = directory.display();
            let command = match situation.has_secret || situation.has_token {
                true => command,
                false => "init",
            };
            format!("set up what protects it with `queen {command} --data-dir {directory}`, {insecure}")
        }
    };
    Unprotected { what, lacking: said, advice }
}

/// Whether a name leads to this machine alone.
fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn situation(drones: &str, http: &str) -> Situation {
        Situation {
            drones: drones.parse().unwrap(),
            http: http.parse().unwrap(),
            has_secret: false,
            has_token: false,
            data_dir: Some("hive-data".into()),
        }
    }

    #[test]
    fn loopback_needs_nothing() {
        for address in ["127.0.0.1:1", "[::1]:1", "127.9.9.9:1"] {
            assert_eq!(Exposure::default().check(&situation(address, address)), Ok(false), "{address}");
        }
        let local = Exposure { hosts: vec!["localhost".into(), "::1".into()], ..Exposure::default() };
        assert_eq!(local.check(&situation("127.0.0.1:1", "127.0.0.1:2")), Ok(false));
    }

    #[test]
    fn words_are_told_where_nobody_elses_are_served() {
        let shows = |exposure: &Exposure, http: &str| {
            exposure.may_show_words("127.0.0.1:1".parse().unwrap(), http.parse().unwrap())
        };
        let (local, other) = ("[::1]:2", "10.0.0.1:2");
        let host = |host: &str| Exposure { hosts: vec![host.into()], ..Exposure::default() };
        let proxy = Exposure { trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()], ..Exposure::default() };
        assert!(shows(&Exposure::default(), local) && !shows(&Exposure::default(), other));
        assert!(shows(&host("localhost"), local) && !shows(&host("hive.example"), local) && !shows(&proxy, local));
        assert!(shows(&Exposure { show_words: true, ..proxy }, other));
    }

    #[test]
    fn others_need_what_protects_that_port() {
        let (open, local) = ("0.0.0.0:1", "127.0.0.1:1");
        let proxy = Exposure { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..Exposure::default() };
        let host = Exposure { hosts: vec!["hive.example".into()], ..Exposure::default() };
        for (exposure, drones, http, needs_secret, said) in [
            (Exposure::default(), open, local, true, "--drone-addr"),
            (Exposure::default(), local, open, false, "--http-addr"),
            (proxy, local, local, false, "--trusted-proxy"),
            (host, local, local, false, "--host"),
        ] {
            let bare = situation(drones, http);
            let refused = exposure.check(&bare).unwrap_err().to_string();
            assert!(refused.contains(said) && refused.contains("`queen init --data-dir hive-data`"), "{refused}");
            let insecure = Exposure { insecure: true, ..exposure.clone() };
            assert_eq!(insecure.check(&bare), Ok(true), "{said}");
            let half = Situation { has_secret: !needs_secret, has_token: needs_secret, ..bare.clone() };
            let refused = exposure.check(&half).unwrap_err().to_string();
            assert!(
                refused.contains(if needs_secret { "queen secret create" } else { "queen token create" }),
                "{refused}"
            );
            let whole = Situation { has_secret: needs_secret, has_token: !needs_secret, ..bare.clone() };
            assert_eq!((exposure.check(&whole), insecure.check(&whole)), (Ok(false), Ok(false)), "{said}");
            let nothing = Situation { data_dir: None, ..bare };
            assert!(exposure.check(&nothing).unwrap_err().to_string().contains("--ephemeral"));
        }
    }
}
