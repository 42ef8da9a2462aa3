//! An answer that comes before all of its request has gone: a line in the middle of a long upload is wrong, or there
//! is no room for it. The Queen says so at once, reads on for a moment, and then closes the connection, so that who
//! only writes is told of a broken pipe. Here what comes is looked for while a body is sent; when it has come, the
//! rest of the body goes nowhere, and the answer is read as if that had been sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};
use ureq::{Error, Timeout};

/// How often it is looked whether an answer has come, in time and in bytes: the Queen reads on for two seconds, or
/// 64 MiB.
const LOOK: Duration = Duration::from_millis(250);
const LOOK_BYTES: usize = 32 << 20;

/// How long a look may take. The system rounds it up to some milliseconds.
const GLANCE: Duration = Duration::from_millis(1);

/// How long an answer is waited for when a body cannot be sent on.
const LAST_WORD: Duration = Duration::from_secs(2);

const CALM: u8 = 0;
const SENDING: u8 = 1;
const ANSWERED: u8 = 2;

/// Whether an answer has come while a body was sent. Clones are the same one; one request is under way at a time.
#[derive(Debug, Clone, Default)]
pub struct Early(Arc<AtomicU8>);

impl Early {
    /// A long body is sent from now on.
    pub fn begin(&self) {
        self.0.store(SENDING, Ordering::Relaxed);
    }

    /// None is any more.
    pub fn end(&self) {
        self.0.store(CALM, Ordering::Relaxed);
    }

    /// Whether the rest of the body need not be read.
    pub fn has_come(&self) -> bool {
        self.0.load(Ordering::Relaxed) == ANSWERED
    }

    fn is_watched(&self) -> bool {
        self.0.load(Ordering::Relaxed) == SENDING
    }

    fn came(&self) {
        self.0.store(ANSWERED, Ordering::Relaxed);
    }
}

impl<In: Transport> Connector<In> for Early {
    type Out = Attentive<In>;

    fn connect(&self, _: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|inner| Attentive {
            inner,
            early: self.clone(),
            looked: Instant::now(),
            sent: 0,
            has_unread: false,
            is_torn: false,
        }))
    }
}

/// A connection that looks for answers while it sends.
#[derive(Debug)]
pub struct Attentive<T> {
    inner: T,
    early: Early,
    /// When it was last looked.
    looked: Instant,
    /// Bytes sent since.
    sent: usize,
    /// What came was not taken yet.
    has_unread: bool,
    /// A part of a request was not sent, so that no other one can follow.
    is_torn: bool,
}

impl<T: Transport> Attentive<T> {
    /// Whether an answer comes within `wait`.
    fn look(&mut self, wait: Duration) -> bool {
        let timeout = NextTimeout { after: wait.into(), reason: Timeout::RecvResponse, ..NextTimeout::default() };
        (self.looked, self.sent) = (Instant::now(), 0);
        let has_come = matches!(self.inner.await_input(timeout), Ok(true));
        if has_come {
            (self.has_unread, self.is_torn) = (true, true);
            self.early.came();
        }
        has_come
    }
}

impl<T: Transport> Transport for Attentive<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if self.is_torn {
            return Ok(());
        }
        let sent = self.inner.transmit_output(amount, timeout);
        if !self.early.is_watched() {
            return sent;
        }
        self.sent += amount;
        match sent {
            Ok(()) => {
                if self.sent >= LOOK_BYTES || self.looked.elapsed() >= LOOK {
                    self.look(GLANCE);
                }
                Ok(())
            }
            Err(_) if self.look(LAST_WORD) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn maybe_await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if std::mem::take(&mut self.has_unread) || self.buffers().can_use_input() {
            return Ok(true);
        }
        self.await_input(timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        !self.is_torn && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
