//! Where a host is: a name that was never found is mistyped, and one that was found before comes back.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// A host that is not found at the first try.
#[derive(Debug, thiserror::Error)]
#[error("the host {host} is not found ({why}); is it written right? --url or HIVE_URL says where she is")]
struct Unknown {
    host: String,
    why: String,
}

/// Finds hosts; the one that is asked for first has to be there.
#[derive(Debug, Default)]
pub struct Hosts<R = DefaultResolver> {
    inner: R,
    is_known: AtomicBool,
}

impl<R: Resolver> Resolver for Hosts<R> {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        match self.inner.resolve(uri, config, timeout) {
            Ok(found) => {
                self.is_known.store(true, Ordering::Relaxed);
                Ok(found)
            }
            Err(error @ (Error::Io(_) | Error::HostNotFound)) if !self.is_known.load(Ordering::Relaxed) => {
                let why = match &error {
                    Error::Io(error) => error.to_string(),
                    error => error.to_string(),
                };
                let host = uri.host().unwrap_or_default().to_owned();
                Err(Error::Other(Box::new(Unknown { host, why })))
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use ureq::Timeout;

    use super::*;

    /// Finds a host while it is told to.
    #[derive(Debug, Default)]
    struct Scripted(AtomicBool);

    impl Resolver for Scripted {
        fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
            match self.0.load(Ordering::Relaxed) {
                true => Ok(self.empty()),
                false => Err(Error::Io(std::io::Error::other("no address"))),
            }
        }
    }

    #[test]
    fn a_host_that_was_found_once_is_no_mistake() {
        let hosts = Hosts::<Scripted>::default();
        let uri = Uri::from_static("http://hive.exmple.org:8081");
        let config = ureq::Agent::config_builder().build();
        let resolve = || {
            let timeout = NextTimeout { reason: Timeout::Resolve, ..NextTimeout::default() };
            hosts.resolve(&uri, &config, timeout)
        };
        let complaint = resolve().unwrap_err();
        assert!(matches!(&complaint, Error::Other(error) if error.to_string().contains("host hive.exmple.org")));
        hosts.inner.0.store(true, Ordering::Relaxed);
        assert!(resolve().is_ok());
        hosts.inner.0.store(false, Ordering::Relaxed);
        assert!(matches!(resolve(), Err(Error::Io(_))), "that passes");
    }
}
