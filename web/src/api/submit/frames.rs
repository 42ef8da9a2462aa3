//! A request's body, frame by frame.

use axum::body::{Body, BodyDataStream, Bytes};
use bytes::BytesMut;
use futures_util::StreamExt as _;

use crate::error::Problem;
use crate::room::Share;

/// How many bytes of white space are read in search of something else.
const PEEK: usize = 16 << 10;

/// Byte order marks (Unicode, 2.13), which say how a text is encoded.
pub(super) const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
const UTF16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// What a body looks like at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// A JSON object, perhaps behind a byte order mark.
    Json,
    /// A byte order mark of UTF-16.
    Utf16,
    /// Anything else.
    Other,
}

/// The frames of a body; some may have been looked at already.
pub(super) struct Frames {
    seen: Vec<u8>,
    rest: BodyDataStream,
}

impl Frames {
    pub(super) fn new(body: Body) -> Self {
        Self { seen: Vec::new(), rest: body.into_data_stream() }
    }

    /// The next frame; `None` behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        if !self.seen.is_empty() {
            return Ok(Some(std::mem::take(&mut self.seen).into()));
        }
        self.rest.next().await.transpose().map_err(|error| Problem::of_body(&error))
    }

    /// What it looks like: reads until there is a byte that is not white space.
    pub(super) async fn start(&mut self) -> Result<Start, Problem> {
        loop {
            if let Some(start) = start_of(&self.seen) {
                return Ok(start);
            }
            match self.rest.next().await.transpose().map_err(|error| Problem::of_body(&error))? {
                Some(frame) => self.seen.extend_from_slice(&frame),
                None => return Ok(Start::Other),
            }
        }
    }

    /// All of it, if that is at most `limit` bytes.
    pub(super) async fn whole(mut self, limit: u64, share: &mut Share) -> Result<Bytes, Problem> {
        let mut whole = Bytes::new();
        while let Some(frame) = self.next().await? {
            let length = whole.len() + frame.len();
            if length as u64 > limit {
                return Err(Problem::too_large(limit));
            }
            share.cover(length)?;
            // Most come in one frame.
            whole = match whole.is_empty() {
                true => frame,
                false => {
                    let mut longer = BytesMut::from(whole);
                    longer.extend_from_slice(&frame);
                    longer.freeze()
                }
            };
        }
        Ok(whole)
    }
}

/// What begins with these bytes; `None` if more of them are needed.
fn start_of(bytes: &[u8]) -> Option<Start> {
    if [UTF8_MARK].iter().chain(&UTF16_MARKS).any(|mark| mark.len() > bytes.len() && mark.starts_with(bytes)) {
        return None;
    }
    let text = bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes);
    if UTF16_MARKS.iter().any(|mark| bytes.starts_with(mark)) {
        return Some(Start::Utf16);
    }
    match text.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => Some(Start::Json),
        Some(_) => Some(Start::Other),
        None => (bytes.len() > PEEK).then_some(Start::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_shows_at_its_start_what_it_is() {
        for (bytes, start) in [
            (&b""[..], None),
            (b" \r\n", None),
            (b" {", Some(Start::Json)),
            (b"x{", Some(Start::Other)),
            (b"\xef\xbb", None),
            (b"\xef\xbb\xbf", None),
            (b"\xef\xbb\xbf {", Some(Start::Json)),
            (b"\xef\xbb\xbfx", Some(Start::Other)),
            (b"\xefx", Some(Start::Other)),
            (b"\xff", None),
            (b"\xff\xfe{\0", Some(Start::Utf16)),
            (b"\xfe\xff\0{", Some(Start::Utf16)),
        ] {
            assert_eq!(start_of(bytes), start, "{bytes:x?}");
        }
        assert_eq!(start_of(&[b' '; PEEK + 1]), Some(Start::Other));
    }
}
