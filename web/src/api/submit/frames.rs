//! A request's body, frame by frame.

use axum::body::{Body, BodyDataStream, Bytes};
use bytes::BytesMut;
use futures_util::StreamExt as _;

use super::intake::Room;
use crate::error::Problem;

/// How many bytes of white space are read in search of something else.
const PEEK: usize = 16 << 10;

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

    /// Whether the first byte that is not white space begins a JSON object.
    pub(super) async fn is_json(&mut self) -> Result<bool, Problem> {
        loop {
            match self.seen.iter().find(|byte| !byte.is_ascii_whitespace()) {
                Some(first) => return Ok(*first == b'{'),
                None if self.seen.len() > PEEK => return Ok(false),
                None => match self.rest.next().await.transpose().map_err(|error| Problem::of_body(&error))? {
                    Some(frame) => self.seen.extend_from_slice(&frame),
                    None => return Ok(false),
                },
            }
        }
    }

    /// All of it, if that is at most `limit` bytes.
    pub(super) async fn whole(mut self, limit: u64, room: &mut Room) -> Result<Bytes, Problem> {
        let mut whole = Bytes::new();
        while let Some(frame) = self.next().await? {
            let length = whole.len() + frame.len();
            if length as u64 > limit {
                return Err(Problem::too_large(limit));
            }
            room.cover(length)?;
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
