//! `hive login`: asks where the Queen is and with which token, looks whether that is right, and keeps it.

use std::io::{self, BufRead as _, Write as _};

use crate::arguments::{Output, Reach};
use crate::connection::{Connection, DEFAULT_URL, Request, Retries, Target, certificates};
use crate::failure::Failure;
use crate::notes::Notes;
use crate::profile::{self, Profile};
use crate::{show, target};

/// # Errors
/// If the Queen cannot be reached, does not take the token, or nothing can be kept.
pub fn run(reach: &Reach, retries: Retries, notes: &Notes) -> Result<(), Failure> {
    let name = reach.profile.as_deref().unwrap_or(profile::DEFAULT);
    let path = profile::path(name)?;
    let terminal = console::Term::stderr();
    let is_asked = terminal.is_term() && io::IsTerminal::is_terminal(&io::stdin());
    let url = match (&reach.url, is_asked) {
        (Some(url), _) => url.clone(),
        (None, true) => {
            let text = ask(&format!("Where is the Queen? [{DEFAULT_URL}] "))?;
            let text = if text.is_empty() { DEFAULT_URL } else { text.as_str() };
            text.parse().map_err(Failure::Here)?
        }
        (None, false) => {
            return Err(Failure::Here("say where the Queen is: --url https://hive.example.org:8081".to_owned()));
        }
    };
    let ca = match (&reach.ca, url.is_tls() && is_asked) {
        (Some(path), _) => Some(target::authority(path)?),
        (None, true) => match ask("The file with her authority's certificate? [none: this system knows it] ")?.as_str()
        {
            "" => None,
            path => Some(target::authority(path.as_ref())?),
        },
        (None, false) => None,
    };
    if let Some(ca) = &ca {
        certificates(ca.as_bytes())?;
    }
    let token = token(reach, &terminal)?;
    let target = Target { url, ca, token };
    target::guard(&target, reach.allow_plain_http)?;
    let connection = Connection::new(target.clone(), retries, notes.clone())?;
    connection.ask(&Request::get("/tasks?limit=1")).map_err(|failure| match failure {
        Failure::Refused { status: 401, .. } if target.token.is_none() => Failure::Here(
            "she needs a token: give it in standard input (hive login … < token), or with --token-file FILE".to_owned(),
        ),
        failure => failure,
    })?;
    let Target { url, ca, token } = target;
    let with = if token.is_some() { "with the token" } else { "without a token" };
    let text = format!("{url} answers, {with}; kept as the profile {name} in {}\n", path.display());
    Profile { url, ca, token }.write(&path)?;
    match reach.output {
        Output::Text => show::print(&text),
        Output::Json | Output::Quiet => Ok(()),
    }
}

/// What an option says; what is in standard input, unless that is a terminal; what the environment says; what a person
/// says.
fn token(reach: &Reach, terminal: &console::Term) -> Result<Option<String>, Failure> {
    if let Some(token) = target::token_by_option(reach)? {
        return Ok(Some(token));
    }
    let is_person = io::IsTerminal::is_terminal(&io::stdin());
    if !is_person {
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        read.map_err(|error| Failure::here("the token cannot be read from standard input", &error))?;
        let token = target::first_line(&line);
        if !token.is_empty() {
            return Ok(Some(token.to_owned()));
        }
    }
    if let Some(token) = target::token_by_environment()? {
        return Ok(Some(token));
    }
    match (is_person, terminal.is_term()) {
        (false, _) => Ok(None),
        (true, false) => Err(Failure::Here(
            "the token is not asked for where standard error is no terminal, since it would be shown: give it with \
             --token-file FILE, or in standard input"
                .to_owned(),
        )),
        (true, true) => {
            say("The token? (It is not shown; none if she needs none) ")?;
            let token = terminal.read_secure_line();
            let token = token.map_err(|error| Failure::here("the token cannot be read", &error))?;
            Ok(Some(token.trim().to_owned()).filter(|token| !token.is_empty()))
        }
    }
}

fn say(question: &str) -> Result<(), Failure> {
    let mut console = io::stderr().lock();
    let said = write!(console, "{question}").and_then(|()| console.flush());
    said.map_err(|error| Failure::here("nothing can be asked", &error))
}

fn ask(question: &str) -> Result<String, Failure> {
    say(question)?;
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    read.map_err(|error| Failure::here("the answer cannot be read", &error))?;
    Ok(line.trim().to_owned())
}
