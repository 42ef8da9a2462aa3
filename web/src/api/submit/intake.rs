//! Inputs on their way from a request to the Hive.

use wire::blob::BlobBuf;

use super::asker::Asker;
use super::keyed::Keyed;
use super::resources::Resources;
use crate::error::Problem;
use crate::hive::{NewTask, SEGMENT, Submitted, Upload};
use crate::kinds::Specification;
use crate::kinds::digest::{Encoding, EncodingError, MAX_INPUT};
use crate::room::Share;

/// Why an input is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadInput {
    #[error("an input is at most {MAX_INPUT} bytes long, as it is written")]
    TooLong,
    #[error("{0}")]
    Encoding(#[from] EncodingError),
}

/// Checked inputs, in pieces of at most [`SEGMENT`] bytes, or of one longer input alone.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    encoding: Encoding,
    full: Vec<BlobBuf>,
    last: BlobBuf,
}

impl Pieces {
    /// Adds one input.
    pub(super) fn add(&mut self, input: &[u8]) -> Result<(), BadInput> {
        if input.len() > MAX_INPUT {
            return Err(BadInput::TooLong);
        }
        self.encoding.check(input)?;
        if !self.last.is_empty() && self.last.layout_len() + size_of::<u32>() + input.len() > SEGMENT {
            // The next piece is likely to look like this one.
            let strings = self.last.len() + self.last.len() / 16;
            let bytes = SEGMENT.saturating_sub(self.last.len() * size_of::<u32>());
            self.full.push(std::mem::replace(&mut self.last, BlobBuf::with_capacity(strings, bytes)));
        }
        self.last.push(input);
        Ok(())
    }

    /// Finds the first input that is not written in `encoding`, by its index.
    pub(super) fn check(&self, encoding: Encoding) -> Result<(), (usize, EncodingError)> {
        let inputs = self.full.iter().chain([&self.last]).flat_map(|piece| piece.as_blob().iter());
        inputs.enumerate().try_for_each(|(index, input)| encoding.check(input).map_err(|error| (index, error)))
    }

    fn size(&self) -> usize {
        self.full.iter().chain([&self.last]).map(BlobBuf::layout_len).sum()
    }
}

/// A task in the making: a small one is submitted in one call, a larger one piece by piece.
pub(super) struct Intake<'a> {
    resources: &'a Resources,
    new: NewTask,
    pub(super) pieces: Pieces,
    upload: Option<Box<dyn Upload>>,
    share: Share,
    asker: Asker,
}

impl<'a> Intake<'a> {
    pub(super) fn new(resources: &'a Resources, new: NewTask, asker: Asker) -> Self {
        let pieces = Pieces { encoding: encoding(&new), ..Pieces::default() };
        Self::of_pieces(resources, new, asker, pieces, resources.room.share())
    }

    /// Of inputs that are all there.
    pub(super) fn of_pieces(
        resources: &'a Resources,
        mut new: NewTask,
        mut asker: Asker,
        pieces: Pieces,
        share: Share,
    ) -> Self {
        (new.owner, new.address) = (asker.owner.take(), asker.address);
        if let Some(keyed) = &mut asker.keyed {
            keyed.begin(&new);
        }
        Self { resources, new, pieces, upload: None, share, asker }
    }

    /// Passes on what makes whole pieces; `held` are the bytes that its caller holds besides.
    pub(super) async fn pass_on(&mut self, held: usize) -> Result<(), Problem> {
        self.share.cover(self.pieces.size() + held)?;
        for piece in std::mem::take(&mut self.pieces.full) {
            if let Some(keyed) = &mut self.asker.keyed {
                keyed.add(&piece);
                if keyed.is_known() {
                    continue;
                }
            }
            let upload = match &mut self.upload {
                Some(upload) => upload,
                None => self.upload.insert(self.resources.hive.begin(self.new.clone()).await?),
            };
            upload.push(piece).await?;
        }
        Ok(())
    }

    /// Creates the task, or finds the one that was created with the request's key.
    pub(super) async fn finish(mut self) -> Result<Submitted, Problem> {
        self.pass_on(0).await?;
        let last = self.pieces.last;
        if let Some(keyed) = &mut self.asker.keyed {
            keyed.add(&last);
            if let Some(known) = keyed.known()? {
                return Ok(Submitted::Seen(self.resources.hive.task(known).await?.into()));
            }
        }
        // The claim stays with `self` until the Hive has answered.
        let identity = self.asker.keyed.as_ref().map(Keyed::identity);
        Ok(match self.upload {
            None => self.resources.hive.submit(self.new, last, identity, self.asker.waits).await?,
            Some(mut upload) => {
                // Never empty: a piece is full only when one more input has come.
                upload.push(last).await?;
                Submitted::Seen(upload.finish(identity).await?.into())
            }
        })
    }
}

/// How a task's inputs are written; a search has none.
pub(super) fn encoding(new: &NewTask) -> Encoding {
    match &new.specification {
        Specification::Digest(digest) => digest.encoding,
        Specification::Search(_) => Encoding::default(),
    }
}
