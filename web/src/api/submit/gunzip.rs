//! Bodies, and files in forms, that come compressed with gzip (RFC 1952).
//!
//! A few bytes may become a thousand times as many, so that they are undone in small steps: what comes out of one is
//! passed on before the next, and all of it is bounded as a body is that comes as it stands.

use std::io::{self, Write};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use flate2::write::MultiGzDecoder;
use futures_util::StreamExt as _;

use crate::error::BodyError;

/// Compressed bytes that are undone in a step. DEFLATE makes at most 1,032 bytes of each (RFC 1951, 3.2.5).
const STEP: usize = 256;

/// What came out is passed on from so many bytes on.
const PIECE: usize = 64 << 10;

/// Undoes gzip, step by step; one file may follow the other.
pub(super) struct Gunzip {
    /// Where the bytes come out.
    decoder: MultiGzDecoder<Vec<u8>>,
    /// Compressed bytes that came, and were not undone yet.
    packed: Bytes,
    /// How many bytes may still come out.
    left: u64,
    limit: u64,
}

impl Gunzip {
    /// At most `limit` bytes may come out.
    pub(super) fn new(limit: u64) -> Self {
        Self::with_left(limit, limit)
    }

    /// So many bytes are left of the `limit` bytes that may come out.
    pub(super) fn with_left(left: u64, limit: u64) -> Self {
        Self { decoder: MultiGzDecoder::new(Vec::new()), packed: Bytes::new(), left, limit }
    }

    /// How many bytes may still come out.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Takes compressed bytes; those before have been undone.
    pub(super) fn feed(&mut self, packed: Bytes) {
        self.packed = packed;
    }

    /// The next bytes that come out; `None` when more have to be fed.
    ///
    /// # Errors
    /// If it is no gzip, or too much comes out.
    pub(super) fn step(&mut self) -> Result<Option<Bytes>, BodyError> {
        while !self.packed.is_empty() {
            let step = self.packed.split_to(STEP.min(self.packed.len()));
            self.decoder.write_all(&step).map_err(no_gzip)?;
            if self.decoder.get_ref().len() >= PIECE {
                break;
            }
        }
        self.out()
    }

    /// What comes out at the end.
    ///
    /// # Errors
    /// If it is cut off, or does not fit its checksum.
    pub(super) fn end(&mut self) -> Result<Option<Bytes>, BodyError> {
        self.decoder.try_finish().map_err(no_gzip)?;
        self.out()
    }

    fn out(&mut self) -> Result<Option<Bytes>, BodyError> {
        let out = std::mem::take(self.decoder.get_mut());
        self.left = self.left.checked_sub(out.len() as u64).ok_or(BodyError::TooLong { limit: self.limit })?;
        Ok((!out.is_empty()).then(|| out.into()))
    }
}

fn no_gzip(_: io::Error) -> BodyError {
    BodyError::NoGzip
}

/// Whether the bytes behind these headers are said to be compressed with gzip, and in no other way besides.
pub(super) fn is_gzip(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let is_gzip = codings.next().is_some_and(|coding| {
        ["gzip", "x-gzip"].iter().any(|name| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
    });
    is_gzip && codings.next().is_none()
}

/// The request with its body as it was before it was compressed, if it was: of at most `limit` bytes.
pub(super) fn undone(mut request: Request, limit: u64) -> Request {
    if !is_gzip(request.headers()) {
        return request;
    }
    request.headers_mut().remove(CONTENT_ENCODING);
    request.headers_mut().remove(CONTENT_LENGTH);
    request.map(|body| {
        let packed = Packed { body: body.into_data_stream(), gunzip: Some(Gunzip::new(limit)) };
        Body::from_stream(futures_util::stream::unfold(packed, async |mut packed| {
            let next = packed.next().await?;
            Some((next, packed))
        }))
    })
}

/// A compressed body.
struct Packed {
    body: axum::body::BodyDataStream,
    /// `None` behind the end, or an error.
    gunzip: Option<Gunzip>,
}

impl Packed {
    async fn next(&mut self) -> Option<Result<Bytes, axum::Error>> {
        loop {
            let gunzip = self.gunzip.as_mut()?;
            match gunzip.step() {
                Ok(Some(out)) => return Some(Ok(out)),
                Ok(None) => {}
                Err(error) => return self.fail(axum::Error::new(error)),
            }
            match self.body.next().await {
                Some(Ok(packed)) => gunzip.feed(packed),
                Some(Err(error)) => return self.fail(error),
                None => {
                    let end = gunzip.end();
                    self.gunzip = None;
                    return end.map_err(axum::Error::new).transpose();
                }
            }
        }
    }

    fn fail(&mut self, error: axum::Error) -> Option<Result<Bytes, axum::Error>> {
        self.gunzip = None;
        Some(Err(error))
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// What comes out, fed with pieces of this length.
    fn unpack(bytes: &[u8], piece: usize, limit: u64) -> Result<(Vec<u8>, usize), BodyError> {
        let (mut gunzip, mut whole, mut longest) = (Gunzip::new(limit), Vec::new(), 0);
        for piece in bytes.chunks(piece) {
            gunzip.feed(Bytes::copy_from_slice(piece));
            while let Some(out) = gunzip.step()? {
                longest = longest.max(out.len());
                whole.extend_from_slice(&out);
            }
        }
        whole.extend_from_slice(&gunzip.end()?.unwrap_or_default());
        Ok((whole, longest))
    }

    #[test]
    fn what_was_packed_comes_out_however_it_is_cut() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(|number| format!("line {number}\n").into_bytes()).collect();
        let (one, other) = text.split_at(text.len() / 3);
        let two_files = [packed(one), packed(other)].concat();
        for piece in [1, 7, 255, 256, 257, 1 << 20] {
            assert!(unpack(&two_files, piece, text.len() as u64).unwrap().0 == text, "{piece}");
        }
        assert_eq!(unpack(&packed(b""), 9, 0).unwrap().0, b"");
    }

    #[test]
    fn what_unpacks_to_too_much_is_refused_before_it_is_all_there() {
        let bomb = packed(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100_000);
        assert_eq!(unpack(&bomb, bomb.len(), 1 << 20), Err(BodyError::TooLong { limit: 1 << 20 }));
        let (whole, longest) = unpack(&bomb, bomb.len(), 64 << 20).unwrap();
        assert!(whole.len() == 64 << 20 && longest <= PIECE + 2 * STEP * 1032, "{longest} bytes at once");
    }

    #[test]
    fn what_is_no_gzip_or_is_cut_off_is_refused() {
        let whole = packed(b"honey\n");
        for cut in [1, whole.len() / 2, whole.len() - 1] {
            assert_eq!(unpack(&whole[..cut], 64, 100), Err(BodyError::NoGzip), "{cut}");
        }
        let mut wrong = whole.clone();
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(unpack(&wrong, 64, 100), Err(BodyError::NoGzip));
        assert_eq!(unpack(b"honey\n", 64, 100), Err(BodyError::NoGzip));
        assert_eq!(unpack(&[&whole[..], b"more"].concat(), 64, 100), Err(BodyError::NoGzip));
    }
}
