//! A stream for people, such as standard output, behind a queue.
//!
//! A thread of its own writes the lines. A reader who stalls, such as a paused terminal or a
//! collector of logs that hangs, stops that thread alone: lines that do not fit into the queue
//! meanwhile are dropped, and counted.

use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of lines that may wait to be written; as many again may be on their way out.
const CAPACITY_BYTES: usize = 1 << 20;

/// Bytes that are written at once. A pipe takes so many as one.
const WRITE_BYTES: usize = 4 << 10;

/// How long a reader who takes nothing is waited for at the end.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The pause before a stream that does not block is written to again.
const WOULD_BLOCK_RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// Lines that were dropped since this process began.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// See [`dropped_lines`](super::dropped_lines).
pub(super) fn dropped() -> u64 {
    DROPPED.load(Relaxed)
}

/// Takes lines, each in one call of `write`, and never blocks. Clones share the queue.
#[derive(Clone)]
pub(super) struct Output(Arc<Queue>);

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    /// Lines came, or were written.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Lines that wait to be written.
    waiting: Vec<u8>,
    /// Lines dropped since that was last told.
    dropped: u64,
    /// Bytes that ever came into the queue, and those of them that nothing more will be done about.
    accepted: u64,
    finished: u64,
}

impl Output {
    /// Begins to write to `out`. How many lines were dropped is told to `tell`, behind the lines
    /// that came before them.
    ///
    /// # Errors
    /// If there can be no more threads.
    pub(super) fn start(out: impl Write + Send + 'static, tell: impl Fn(u64) + Send + 'static) -> io::Result<Self> {
        let output = Self(Arc::default());
        let queue = Arc::clone(&output.0);
        thread::Builder::new().name("log".into()).spawn(move || queue.write_to(out, tell))?;
        Ok(output)
    }

    /// Waits until everything that came before is written, or the reader takes nothing for
    /// [`FLUSH_TIMEOUT`].
    pub(super) fn finish(&self) {
        let mut state = self.0.lock();
        let goal = state.accepted;
        let (mut reached, mut since) = (state.finished, Instant::now());
        while state.finished < goal {
            let Some(left) = FLUSH_TIMEOUT.checked_sub(since.elapsed()) else { return };
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            if state.finished > reached {
                (reached, since) = (state.finished, Instant::now());
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        match state.waiting.len() + line.len() > CAPACITY_BYTES {
            true => {
                state.dropped += 1;
                DROPPED.fetch_add(1, Relaxed);
            }
            false => {
                state.waiting.extend_from_slice(line);
                state.accepted += line.len() as u64;
                self.0.changed.notify_all();
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut out: impl Write, tell: impl Fn(u64)) {
        loop {
            let (lines, dropped) = self.next_lines();
            for piece in lines.chunks(WRITE_BYTES) {
                // A reader that went away (`drone | head`) is no reason to stop working.
                let _ = write_all(&mut out, piece).and_then(|()| out.flush());
                self.lock().finished += piece.len() as u64;
                self.changed.notify_all();
            }
            if dropped > 0 {
                tell(dropped);
            }
        }
    }

    /// All lines that wait, and how many were dropped behind them. Waits until there are any.
    fn next_lines(&self) -> (Vec<u8>, u64) {
        let state = self.changed.wait_while(self.lock(), |state| state.waiting.is_empty());
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut state.waiting), std::mem::take(&mut state.dropped))
    }
}

/// Like [`Write::write_all`], but waits where the stream, which others may share, does not block.
fn write_all(out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(WOULD_BLOCK_RETRY_INTERVAL),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A reader who takes a piece each time it is let, and says how many lines that were.
    struct Reader {
        lets: Receiver<()>,
        took: Sender<usize>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.lets.recv().map_err(|_| io::Error::from(ErrorKind::BrokenPipe))?;
            let _ = self.took.send(bytes.iter().filter(|byte| **byte == b'\n').count());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// An output, what lets its reader take a piece, and the counts of lines that were taken or dropped.
    fn output() -> (Output, Sender<()>, Receiver<usize>, Receiver<usize>) {
        let ((lets, let_on), (took, taken), (tell, dropped)) = (channel(), channel(), channel());
        let output = Output::start(Reader { lets: let_on, took }, move |count| {
            let _ = tell.send(count as usize);
        });
        (output.unwrap(), lets, taken, dropped)
    }

    #[test]
    fn a_reader_who_stalls_stops_nobody_and_what_is_dropped_is_counted() {
        let (mut output, lets, taken, dropped) = output();
        let line = [[b'x'; 1023].as_slice(), b"\n"].concat();
        let sent = 3 * CAPACITY_BYTES / line.len();
        for _ in 0..sent {
            output.write_all(&line).unwrap();
        }
        // From here on the reader takes all there is.
        thread::spawn(move || while lets.send(()).is_ok() {});
        let mut lost = dropped.recv().unwrap();
        output.finish();
        let taken = taken.try_iter().sum::<usize>();
        while taken + lost < sent {
            lost += dropped.recv().unwrap();
        }
        assert!(taken + lost == sent && taken > 0 && lost > 0, "{taken} taken, {lost} lost of {sent}");
    }

    #[test]
    fn the_end_does_not_wait_for_a_reader_who_stalls() {
        let (mut output, _lets, taken, _) = output();
        output.write_all(b"nobody reads this\n").unwrap();
        output.finish();
        assert!(taken.try_recv().is_err());
    }

    #[test]
    fn a_reader_who_left_hurts_nobody() {
        let (mut output, lets, _, _) = output();
        drop(lets);
        output.write_all(b"is anybody there?\n").unwrap();
        output.finish();
        let state = output.0.lock();
        assert_eq!(state.finished, state.accepted);
    }

    #[test]
    fn a_stream_that_does_not_block_loses_nothing() {
        struct Slow(bool, Vec<u8>);
        impl Write for Slow {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = !self.0;
                match self.0 {
                    true => Err(ErrorKind::WouldBlock.into()),
                    false => self.1.write(&bytes[..1]),
                }
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut slow = Slow(false, Vec::new());
        write_all(&mut slow, b"line\n").unwrap();
        assert_eq!(slow.1, b"line\n");
    }
}
