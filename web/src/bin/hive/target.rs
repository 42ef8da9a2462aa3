//! Whom to ask, and as whom: what the options, the environment and the profile say together.

use std::env;
use std::fs;
use std::path::Path;

use crate::arguments::Reach;
use crate::connection::{DEFAULT_URL, Target};
use crate::failure::Failure;
use crate::notes::Notes;
use crate::profile::{self, Profile};

/// What is to be asked. A profile's token and certificate are for the profile's address alone.
///
/// # Errors
/// If a file or a profile cannot be read, or a token would travel in the open.
pub fn resolve(reach: &Reach, notes: &Notes) -> Result<Target, Failure> {
    let name = reach.profile.as_deref().unwrap_or(profile::DEFAULT);
    let kept = match (profile::path(name), &reach.profile) {
        (Ok(path), named) => match (Profile::read(&path), named) {
            (Ok(None), Some(name)) => {
                let text =
                    format!("there is no profile {name}: `hive login --profile {name}` makes it ({})", path.display());
                return Err(Failure::Here(text));
            }
            // Nobody asked for it, and it may be another Queen's.
            (Err(failure), None) if reach.url.is_some() => {
                notes.note(&format!("{failure}\nIt goes on without it"));
                None
            }
            (profile, _) => profile?,
        },
        // Without a home there is none.
        (Err(_), None) => None,
        (Err(failure), Some(_)) => return Err(failure),
    };
    let kept = match (kept, &reach.url, &reach.profile) {
        (Some(kept), Some(url), Some(name)) if kept.url != *url => {
            let text = format!(
                "the profile {name} is for {}, and --url or HIVE_URL is {url}: leave one of them out",
                kept.url
            );
            return Err(Failure::Here(text));
        }
        (Some(kept), Some(url), None) if kept.url != *url => None,
        (kept, ..) => kept,
    };
    let url = match (&reach.url, &kept) {
        (Some(url), _) => url.clone(),
        (None, Some(kept)) => kept.url.clone(),
        (None, None) => DEFAULT_URL.parse().map_err(Failure::Here)?,
    };
    let (kept_ca, kept_token) = kept.map_or((None, None), |kept| (kept.ca, kept.token));
    let ca = reach.ca.as_deref().map(authority).transpose()?.or(kept_ca);
    let token = token(reach)?.or(kept_token);
    let target = Target { url, ca, token };
    guard(&target, reach.allow_plain_http)?;
    Ok(target)
}

/// Keeps a token from being read on its way.
pub fn guard(target: &Target, allow_plain_http: bool) -> Result<(), Failure> {
    let url = &target.url;
    if target.token.is_some() && !url.is_tls() && !url.is_loopback() && !allow_plain_http {
        return Err(Failure::Here(format!(
            "the token is not sent to {url}, since anybody between here and there could read it: use https://, or add \
             --allow-plain-http if that is what you want"
        )));
    }
    Ok(())
}

/// The certificates in a file, and nothing else of it: a join file has them too, beside a secret.
pub fn authority(path: &Path) -> Result<String, Failure> {
    let read = fs::read_to_string(path);
    read.map(|text| certificates_of(&text)).map_err(|error| {
        Failure::here(format!("the file of the authority (--ca, HIVE_CA) {} cannot be read", path.display()), &error)
    })
}

/// The blocks of PEM (RFC 7468) that are certificates.
fn certificates_of(text: &str) -> String {
    let mut is_within = false;
    let lines = text.lines().filter(|line| {
        let line = line.trim_end();
        let is_last = line == "-----END CERTIFICATE-----";
        let is_kept = is_within || line == "-----BEGIN CERTIFICATE-----";
        is_within = is_kept && !is_last;
        is_kept
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The token that the options or the environment give.
pub fn token(reach: &Reach) -> Result<Option<String>, Failure> {
    match token_by_option(reach)? {
        None => token_by_environment(),
        found => Ok(found),
    }
}

/// The token in the file that an option names.
pub fn token_by_option(reach: &Reach) -> Result<Option<String>, Failure> {
    reach.token_file.as_deref().map(from_file).transpose()
}

/// The token in the environment, or in the file that it names.
pub fn token_by_environment() -> Result<Option<String>, Failure> {
    if let Some(token) = env::var_os("HIVE_TOKEN").filter(|token| !token.is_empty()) {
        let token = token.into_string().map_err(|_| Failure::Here("HIVE_TOKEN is no text".to_owned()))?;
        return Ok(Some(token.trim().to_owned()));
    }
    env::var_os("HIVE_TOKEN_FILE").filter(|path| !path.is_empty()).map(|path| from_file(Path::new(&path))).transpose()
}

fn from_file(path: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::here(format!("the token's file {} cannot be read", path.display()), &error))?;
    match first_line(&text) {
        "" => Err(Failure::Here(format!("there is no token in {}", path.display()))),
        token => Ok(token.to_owned()),
    }
}

/// What stands before the first line feed, without spaces around it.
pub fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_certificates_is_taken_of_a_join_file() {
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let key = "-----BEGIN PRIVATE KEY-----\nBBBB\n-----END PRIVATE KEY-----\n";
        let file = format!("# With this file\nhive-join 1\nsecret drones 00ff\n{certificate}{key}{certificate}");
        assert_eq!(certificates_of(&file), certificate.repeat(2));
        assert_eq!(certificates_of("hive-join 1\nsecret drones 00ff\n"), "");
    }
}
