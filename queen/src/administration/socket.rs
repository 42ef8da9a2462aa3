//! The socket in the data directory: a line of JSON each way. Its file is its owner's alone, and who asks is the
//! Queen's user or the superuser.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::geteuid;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::answer::answer;
use super::request::{Reply, Request};
use crate::hive::SharedHive;
use crate::store;

/// The longest path of a socket, in bytes, that every system takes.
const MAX_PATH_BYTES: usize = 100;

/// The longest request, in bytes.
const MAX_REQUEST_BYTES: u64 = 64 << 10;

/// The longest reply, in bytes: a list of all tokens.
const MAX_REPLY_BYTES: u64 = 1 << 20;

/// How many commands are answered at once; more wait.
const MAX_CLIENTS: usize = 16;

/// How long a line may take on its way.
const LINE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an answer may take, which waits for the disk.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Where a Queen is asked, until it is dropped.
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Takes the place of one that a Queen left who was killed: only who has the directory's lock may call this.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn bind(directory: &Path) -> io::Result<Self> {
        let path = store::socket(directory);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let opened = File::open(directory)?;
        let listener = UnixListener::bind(short(&opened, &path))?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
    }

    /// Answers until `stop`.
    pub async fn serve(&self, hive: &SharedHive, stop: &CancellationToken) {
        let mut clients = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept(), if clients.len() < MAX_CLIENTS => accepted,
                Some(_) = clients.join_next() => continue,
                () = stop.cancelled() => return,
            };
            match accepted {
                Ok((stream, _)) => {
                    let hive = hive.clone();
                    clients.spawn(async move {
                        if let Err(error) = converse(stream, &hive).await {
                            tracing::debug!(%error, "a command beside the Queen was not answered");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a command beside the Queen cannot be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // The next Queen would remove it as well.
        let _ = fs::remove_file(&self.path);
    }
}

/// Asks the Queen who has this directory open; `None` if nobody listens.
///
/// # Errors
/// If whoever listens is not her, or does not answer.
pub(super) async fn ask(directory: &Path, request: &Request) -> io::Result<Option<Reply>> {
    let opened = File::open(directory)?;
    let stream = match UnixStream::connect(short(&opened, &store::socket(directory))).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let owner = fs::metadata(directory).map(|found| std::os::unix::fs::MetadataExt::uid(&found))?;
    require_trusted(&stream, &[owner, ROOT])?;
    let (from, mut to) = stream.into_split();
    within(LINE_TIMEOUT, say(&mut to, request)).await?;
    within(ANSWER_TIMEOUT, hear(from, MAX_REPLY_BYTES)).await.map(Some)
}

/// The superuser's number.
const ROOT: u32 = 0;

async fn converse(stream: UnixStream, hive: &SharedHive) -> io::Result<()> {
    require_trusted(&stream, &[geteuid().as_raw(), ROOT])?;
    let (from, mut to) = stream.into_split();
    let request = within(LINE_TIMEOUT, hear(from, MAX_REQUEST_BYTES)).await?;
    let reply = answer(hive, request, true).await;
    within(LINE_TIMEOUT, say(&mut to, &reply)).await
}

fn require_trusted(stream: &UnixStream, users: &[u32]) -> io::Result<()> {
    let user = stream.peer_cred()?.uid();
    match users.contains(&user) {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("user {user} is not trusted here"))),
    }
}

async fn say(to: &mut (impl AsyncWriteExt + Unpin), what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    to.write_all(&line).await
}

async fn hear<T: DeserializeOwned>(from: impl AsyncReadExt + Unpin, longest: u64) -> io::Result<T> {
    let mut line = Vec::new();
    BufReader::new(from.take(longest)).read_until(b'\n', &mut line).await?;
    Ok(serde_json::from_slice(&line)?)
}

async fn within<T>(time: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(time, work).await.map_err(|_| io::ErrorKind::TimedOut)?
}

/// A socket's path has to be short, so one that is not is said by way of the directory, which is open.
fn short(directory: &File, path: &Path) -> PathBuf {
    match path.as_os_str().len() <= MAX_PATH_BYTES {
        true => path.to_owned(),
        false => store::socket(Path::new(&format!("/proc/self/fd/{}", directory.as_raw_fd()))),
    }
}
