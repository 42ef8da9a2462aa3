//! `queen init`, `queen token` and `queen secret`, as people see them.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};

use super::answer::answer;
use super::join_file::NewJoinFile;
use super::request::{Reply, Request};
use super::socket;
use crate::args::{Init, SecretCommand, TokenCommand};
use crate::clock::System;
use crate::core::Timeouts;
use crate::hive::{MAX_QUEUED, Settings, SharedHive};
use crate::store::{self, Location, Store, StoreError};

/// How often it is tried again where a Queen starts or stops, who has the directory and cannot be asked.
const ATTEMPTS: u32 = 10;

/// How long it is waited before a directory is opened again that was open elsewhere.
const OPEN_RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// The memory limit of a Queen who only makes tokens and secrets, in bytes.
const MEMORY_LIMIT: u64 = 64 << 20;

/// Sets a Hive up.
///
/// # Errors
/// If it is already, or anything cannot be written.
pub async fn init(Init { directory, host, join_file }: &Init) -> anyhow::Result<()> {
    let directory = &directory.data_dir;
    let file = NewJoinFile::create(join_file, directory)?;
    let again = |how: &str| {
        format!(
            "{} is set up {how}: make another token with `queen token create --name NAME --scope admin --data-dir \
             {0}`, and another join file with `queen secret create --name NAME --join-file FILE --data-dir {0}`",
            directory.display()
        )
    };
    let store = match Location::new(directory.clone()).open() {
        Err(StoreError::Locked { .. }) => bail!(
            "a Queen has {} open: stop her, and then set it up; or, if it is set up already, use `queen token` and \
             `queen secret`",
            directory.display()
        ),
        opened => opened?,
    };
    if store.access.has_token() || store.access.has_secret() {
        bail!(again("already"));
    }
    let home = store.path().unwrap_or(directory).to_owned();
    let (text, token) = with_store(store, async |hive| hive.set_up(host).await).await??;
    // Both are tried, since there is no second time.
    let (said, written) = (say(&token), file.write(&text));
    said.and(written).with_context(|| again("now, though not all of what was made could be handed over"))?;
    let authority = store::authority(&home);
    // On another machine it is where it was copied to.
    let file_name = join_file.file_name().unwrap_or_default().display();
    let (home, join_file) = (home.display(), join_file.display());
    let name = host.first().map_or("HOST", String::as_str);
    note(&format!(
        "\
{home} is set up: from now on both ports speak TLS, drones need the join file, and requests need a token.

1. Start her:
     queen --data-dir {home} --drone-addr 0.0.0.0:8080 --http-addr 0.0.0.0:8081
2. Copy {join_file} to each machine that is to work for her, readable by its owner alone (0600), and there:
     drone --queen {name}:8080 --join {file_name}
3. Copy {} to whoever uses her, so that browsers and programs know her:
     curl --cacert authority.pem https://{name}:8081/readyz
4. Log in at https://{name}:8081/ with the admin token. It stands alone on standard output, this once; if it is lost:
     queen token create --name NAME --scope admin --data-dir {home}",
        authority.display()
    ));
    Ok(())
}

/// Makes, lists or revokes tokens.
///
/// # Errors
/// If it is refused, or cannot be done.
pub async fn token(command: TokenCommand) -> anyhow::Result<()> {
    match command {
        TokenCommand::Create { directory, name, scope, expires } => {
            let expires_seconds = expires.map(|span| span.0.as_secs());
            let request = Request::CreateToken { name, scopes: scope, expires_seconds };
            match ask(&directory.data_dir, request).await? {
                Reply::Made { what, text, restart } => {
                    say(&text)?;
                    note(&format!("Made {what}; it is shown this once, alone on standard output"));
                    note_restart(restart);
                    Ok(())
                }
                other => show(other),
            }
        }
        TokenCommand::List { directory } => show(ask(&directory.data_dir, Request::ListTokens).await?),
        TokenCommand::Revoke { directory, which } => show(ask(&directory.data_dir, Request::RevokeToken(which)).await?),
    }
}

/// Makes, lists or revokes secrets.
///
/// # Errors
/// If it is refused, or cannot be done.
pub async fn secret(command: SecretCommand) -> anyhow::Result<()> {
    match command {
        SecretCommand::Create { directory, name, join_file } => {
            let file = NewJoinFile::create(&join_file, &directory.data_dir)?;
            match ask(&directory.data_dir, Request::CreateSecret(name)).await? {
                Reply::Made { what, text, restart } => {
                    file.write(&text)?;
                    note(&format!(
                        "Made {what}: copy {0} to each machine that is to join with it, readable by its owner alone \
                         (0600), and there: drone --queen HOST:8080 --join {0}",
                        join_file.display()
                    ));
                    note_restart(restart);
                    Ok(())
                }
                other => show(other),
            }
        }
        SecretCommand::List { directory } => show(ask(&directory.data_dir, Request::ListSecrets).await?),
        SecretCommand::Revoke { directory, name } => show(ask(&directory.data_dir, Request::RevokeSecret(name)).await?),
    }
}

/// Says something that is not what was asked for.
fn note(text: &str) {
    // What was to be done is done, whether or not anybody can be told.
    let _ = writeln!(io::stderr(), "{text}");
}

fn note_restart(restart: bool) {
    if restart {
        note("The Queen who runs now began without: start her again, so that her ports speak TLS and ask for it");
    }
}

fn show(reply: Reply) -> anyhow::Result<()> {
    match reply {
        Reply::Made { what, .. } => note(&format!("Made {what}")),
        Reply::Revoked(what) => note(&format!("Revoked {what}")),
        Reply::List(lines) => say(&table(&lines))?,
        Reply::Refused(reason) => bail!(reason),
    }
    Ok(())
}

/// Lines with their columns below each other.
fn table(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let line = |cells: &Vec<String>| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{text}").context("cannot print")
}

/// Asks the Queen who has the directory open, or does it here if nobody has.
async fn ask(directory: &Path, request: Request) -> anyhow::Result<Reply> {
    let home = store::find_used(directory)?;
    for attempt in 1.. {
        let socket = store::socket(&home);
        let asked = socket::ask(&home, &request).await;
        if let Some(reply) = asked.with_context(|| format!("cannot ask the Queen at {}", socket.display()))? {
            return Ok(reply);
        }
        match Location::new(directory.to_owned()).open() {
            Err(StoreError::Locked { .. }) if attempt < ATTEMPTS => tokio::time::sleep(OPEN_RETRY_INTERVAL).await,
            opened => return with_store(opened?, async |hive| answer(hive, request, false).await).await,
        }
    }
    Err(anyhow!("the Queen does not listen at {}", store::socket(&home).display()))
}

/// Changes who may do what in a directory that no Queen has open, and nothing else in it.
async fn with_store<T>(store: Store, work: impl AsyncFnOnce(&SharedHive) -> T) -> anyhow::Result<T> {
    let settings = Settings {
        memory_limit: MEMORY_LIMIT,
        drone_addr: String::new(),
        keep_finished: Duration::MAX,
        max_data: None,
        timeouts: Timeouts::default(),
        max_queued: MAX_QUEUED,
        clock: Arc::new(System::start()),
        show_words: false,
    };
    let (hive, driver) = SharedHive::over(settings, store)?;
    hive.leave_tasks();
    let mut done = None;
    driver.run(&hive, async { done = Some(work(&hive).await) }).await?;
    done.context("the writer has ended before it began")
}
