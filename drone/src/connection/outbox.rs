//! What waits to be sent, and how it shares frames.

use std::collections::VecDeque;

use tokio::io::AsyncWrite;
use wire::List;
use wire::codec::FrameWriter;
use wire::frame::{FrameError, MAX};
use wire::message::{Output, ToQueen};

use crate::pool::Key;
use crate::session::{Part, Say};

/// Outputs share a frame up to this size, in bytes; a longer one goes alone.
const SHARED: usize = 1 << 20;

/// An upper bound of what an output takes besides its results, in bytes.
const OUTPUT_HEAD: usize = 64;

/// The longest reason of a failure, in bytes.
const REASON: usize = 1024;

/// In the order in which it is to be said.
#[derive(Default)]
pub(super) struct Outbox(VecDeque<Say>);

/// One frame's worth.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    Outputs(Vec<Part>),
    Other(Say),
}

impl Outbox {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, say: Say) {
        self.0.push_back(say);
    }

    /// As [`push`](Self::push); a heartbeat that still waits makes way, since this one knows more.
    pub(super) fn push_heartbeat(&mut self, heartbeat: Say) {
        self.0.retain(|say| !matches!(say, Say::Heartbeat { .. }));
        self.push(heartbeat);
    }

    /// The next frame.
    pub(super) fn pop(&mut self) -> Option<Message> {
        let mut part = match self.0.pop_front()? {
            Say::Output(part) => part,
            other => return Some(Message::Other(other)),
        };
        let mut size = 0;
        let mut parts = Vec::new();
        loop {
            size += OUTPUT_HEAD + part.output.size();
            parts.push(part);
            let fits = |next: &Part| size + OUTPUT_HEAD + next.output.size() <= SHARED;
            let shares = matches!(self.0.front(), Some(Say::Output(next)) if fits(next));
            match self.0.pop_front_if(|_| shares && parts.len() < List::<Output<'_>>::MAX) {
                Some(Say::Output(next)) => part = next,
                _ => return Some(Message::Outputs(parts)),
            }
        }
    }
}

impl Message {
    /// Adds it to what `writer` sends next.
    pub(super) fn push_to<W: AsyncWrite + Unpin>(&self, writer: &mut FrameWriter<W>) -> Result<(), FrameError> {
        match self {
            Self::Outputs(parts) => {
                let outputs: Vec<_> = parts.iter().filter_map(output).collect();
                writer.push(&ToQueen::Outputs { outputs: outputs.into() }, MAX)
            }
            Self::Other(say) => writer.push(&other(say), MAX),
        }
    }
}

fn output(part: &Part) -> Option<Output<'_>> {
    let Key { lease, epoch } = part.key;
    let (from, to, spent_ns) = (part.from, part.to(), part.spent_ns);
    Some(Output { lease, epoch, from, to, spent_ns, output: part.output.as_wire()? })
}

fn other(say: &Say) -> ToQueen<'_> {
    match say {
        Say::Output(part) => ToQueen::Outputs { outputs: Vec::from_iter(output(part)).into() },
        Say::Failed { key, reason } => {
            let reason = &reason[..reason.floor_char_boundary(REASON)];
            ToQueen::Failed { lease: key.lease, epoch: key.epoch, reason }
        }
        Say::HandBack(keys) => {
            let leases: Vec<_> = keys.iter().map(|key| (key.lease, key.epoch)).collect();
            ToQueen::HandBack { leases: leases.into() }
        }
        Say::Heartbeat { progress, rates } => {
            ToQueen::Heartbeat { progress: progress.clone().into(), rates: rates.clone().into(), compressions: 0 }
        }
        Say::Leaving => ToQueen::Leaving,
    }
}

#[cfg(test)]
mod tests {
    use wire::ids::{Epoch, LeaseId, TaskId};

    use super::*;
    use crate::kernel;

    fn part(lease: u64, items: usize) -> Say {
        let output = kernel::Output::Digests(vec![0; 32 * items]);
        let key = Key { lease: LeaseId(lease), epoch: Epoch(1) };
        Say::Output(Part { task: TaskId(1), key, from: 0, spent_ns: 1, output })
    }

    fn sizes(says: Vec<Say>) -> Vec<usize> {
        let mut outbox = Outbox::default();
        says.into_iter().for_each(|say| outbox.push(say));
        let messages = std::iter::from_fn(|| outbox.pop());
        messages.map(|message| if let Message::Outputs(parts) = message { parts.len() } else { 0 }).collect()
    }

    #[test]
    fn small_outputs_share_a_frame_and_large_ones_go_alone() {
        assert_eq!(sizes((0..100).map(|lease| part(lease, 1)).collect()), [100]);
        assert_eq!(sizes(vec![part(1, 1), part(2, 40_000), part(3, 1), part(4, 1)]), [1, 1, 2]);
    }

    #[test]
    fn the_order_is_kept() {
        assert_eq!(sizes(vec![part(1, 1), part(2, 1), Say::Leaving, part(3, 1)]), [2, 0, 1]);
    }

    #[tokio::test]
    async fn a_shared_frame_is_at_most_a_mebibyte() {
        let mut outbox = Outbox::default();
        (0..100_000).for_each(|lease| outbox.push(part(u64::MAX - lease, 1)));
        let mut count = 0;
        while let Some(message) = outbox.pop() {
            let mut writer = FrameWriter::new(tokio::io::sink());
            message.push_to(&mut writer).unwrap();
            assert!(writer.pending() <= SHARED);
            count += if let Message::Outputs(parts) = message { parts.len() } else { 0 };
        }
        assert_eq!(count, 100_000);
    }
}
