//! Inputs on their way from a request to the Hive.

use wire::blob::BlobBuf;

use super::asker::Asker;
use super::keyed::Keyed;
use super::resources::Resources;
use crate::error::Problem;
use crate::hive::{Amount, Estimate, NewTask, SEGMENT, Submitted, Upload};
use crate::kinds::Specification;
use crate::kinds::digest::{Encoding, EncodingError, MAX_INPUT};
use crate::options::Wanted;
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

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.full.is_empty() && self.last.is_empty()
    }

    fn size(&self) -> usize {
        self.full.iter().chain([&self.last]).map(BlobBuf::layout_len).sum()
    }
}

/// What comes of a request.
pub(crate) enum Outcome {
    /// A task.
    Submitted(Submitted),
    /// None, but what one would take.
    Estimated(Estimate),
}

/// A task in the making: a small one is submitted in one call, a larger one piece by piece.
pub(super) struct Intake<'a> {
    resources: &'a Resources,
    new: NewTask,
    /// Pieces that are only counted, if what it would take is all that is to be told.
    counted: Option<Vec<Amount>>,
    pub(super) pieces: Pieces,
    upload: Option<Box<dyn Upload>>,
    share: Share,
    asker: Asker,
}

impl<'a> Intake<'a> {
    pub(super) fn new(resources: &'a Resources, wanted: Wanted, asker: Asker) -> Self {
        let pieces = Pieces { encoding: encoding(&wanted.new).unwrap_or_default(), ..Pieces::default() };
        Self::of_pieces(resources, wanted, asker, pieces, resources.room.share())
    }

    /// Of inputs that are all there.
    pub(super) fn of_pieces(
        resources: &'a Resources,
        Wanted { mut new, is_dry }: Wanted,
        mut asker: Asker,
        pieces: Pieces,
        share: Share,
    ) -> Self {
        (new.owner, new.address) = (asker.owner.take(), asker.address);
        if let Some(keyed) = &mut asker.keyed {
            keyed.begin(&new);
        }
        Self { resources, new, counted: is_dry.then(Vec::new), pieces, upload: None, share, asker }
    }

    /// Passes on what makes whole pieces; `held` are the bytes that its caller holds besides.
    pub(super) async fn pass_on(&mut self, held: usize) -> Result<(), Problem> {
        self.share.cover(self.pieces.size() + held)?;
        if let Some(counted) = &mut self.counted {
            counted.extend(self.pieces.full.drain(..).map(|piece| amount(&piece)));
            return Ok(());
        }
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

    /// Whether it is a task that has inputs.
    pub(super) fn has_inputs(&self) -> bool {
        encoding(&self.new).is_some()
    }

    /// Creates the task, or finds the one that was created with the request's key; or says what it would take.
    pub(super) async fn finish(mut self) -> Result<Outcome, Problem> {
        let Some(mut counted) = self.counted.take() else { return self.submit().await.map(Outcome::Submitted) };
        let Pieces { full, last, .. } = &self.pieces;
        counted.extend(full.iter().chain([last]).filter(|piece| !piece.is_empty()).map(amount));
        Ok(Outcome::Estimated(self.resources.hive.estimate(&self.new, &counted).await?))
    }

    async fn submit(mut self) -> Result<Submitted, Problem> {
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

fn amount(piece: &BlobBuf) -> Amount {
    let inputs = piece.len() as u64;
    Amount { inputs, bytes: piece.layout_len() as u64 - size_of::<u32>() as u64 * (inputs + 1) }
}

/// How a task's inputs are written; `None` for a search, which has none.
pub(super) fn encoding(new: &NewTask) -> Option<Encoding> {
    match &new.specification {
        Specification::Digest(digest) => Some(digest.encoding),
        Specification::Search(_) => None,
    }
}

/// A search was asked for with inputs.
pub(super) fn no_inputs(path: &str) -> Problem {
    Problem::invalid(format!("a search has no inputs, so that `{path}` does not belong to it")).with("path", path)
}
