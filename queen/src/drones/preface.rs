//! The prefaces of a connection. Who connects to the Drones' port without being a Drone gets an answer that helps.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use wire::preface::{MAGIC, Preface, Role};

use super::disconnect::Disconnect;

/// The first byte of every TLS connection: a record of the handshake (RFC 8446, 5.1).
pub(super) const TLS_HANDSHAKE: u8 = 0x16;

/// The longest request that is read before it is answered, and what is read after that, in bytes.
const MAX_REQUEST_BYTES: usize = 16 << 10;

/// Methods that the first bytes of an HTTP request may be of.
const METHODS: [&[u8]; 8] = [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT "];

/// Reads the Drone's preface and sends ours. `None` if it was no Drone: it has been answered, and told where the page
/// is.
pub(super) async fn exchange<S>(socket: &mut S, page: &str) -> Result<Option<Preface>, Disconnect>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut first = Vec::with_capacity(Preface::SIZE);
    // Who begins in another way is answered without waiting for all eight bytes.
    while first.len() < Preface::SIZE && may_become(&MAGIC, &first) | METHODS.iter().any(|m| may_become(m, &first)) {
        let missing = Preface::SIZE - first.len();
        if (&mut *socket).take(missing as u64).read_buf(&mut first).await? == 0 {
            break;
        }
    }
    if let Ok(bytes) = <[u8; Preface::SIZE]>::try_from(&first[..])
        && let Ok(preface) = Preface::decode(bytes)
    {
        socket.write_all(&Preface::ours(Role::Queen).encode()).await?;
        socket.flush().await?;
        return Ok(Some(preface));
    }
    if !first.is_empty() {
        answer(socket, first, page).await?;
    }
    Ok(None)
}

fn may_become(whole: &[u8], begin: &[u8]) -> bool {
    let length = whole.len().min(begin.len());
    whole[..length] == begin[..length]
}

async fn answer<S>(socket: &mut S, mut request: Vec<u8>, page: &str) -> Result<(), Disconnect>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let reply = match METHODS.iter().any(|method| request.starts_with(method)) {
        true => {
            while request.len() < MAX_REQUEST_BYTES && !request.windows(4).any(|end| end == b"\r\n\r\n") {
                if socket.read_buf(&mut request).await? == 0 {
                    break;
                }
            }
            redirect(page, target(&request))
        }
        false if request.first() == Some(&TLS_HANDSHAKE) => format!(
            "This port is for the Hive's drones, and has no TLS: `queen init` sets that up. Until then drones come \
             without --join; the page is at {page}/\n"
        ),
        false => format!(
            "This port is for the Hive's drones, whose connections begin with the bytes F0 9F 90 9D; \
             the page is at {page}/\n"
        ),
    };
    socket.write_all(reply.as_bytes()).await?;
    socket.shutdown().await?;
    // Closing with unread bytes would reset the connection before the answer is read.
    tokio::io::copy(&mut socket.take(MAX_REQUEST_BYTES as u64), &mut tokio::io::sink()).await?;
    Ok(())
}

/// The path that a request asks for; the root if it is nothing that may stand in a header.
fn target(request: &[u8]) -> &str {
    let line = request.split(|byte| *byte == b'\r' || *byte == b'\n').next().unwrap_or_default();
    let target = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    match std::str::from_utf8(target) {
        Ok(path) if path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()) => path,
        _ => "/",
    }
}

fn redirect(page: &str, path: &str) -> String {
    let body = format!("This port is for the Hive's drones; HTTP is served at {page}{path}\n");
    format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: {page}{path}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_is_redirected() {
        assert_eq!(target(b"GET /tasks?x=1 HTTP/1.1\r\nHost: x\r\n"), "/tasks?x=1");
        assert_eq!(target(b"GET http://elsewhere/ HTTP/1.1\r\n"), "/");
        assert_eq!(target(b"GET"), "/");
        assert_eq!(target(b"GET /a\xff HTTP/1.1"), "/");
    }
}
