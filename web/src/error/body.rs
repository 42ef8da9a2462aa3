//! Why a request's body breaks off.

/// Why a request's body breaks off before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// It is longer than it may be.
    #[error("the body is longer than {limit} bytes")]
    TooLong {
        /// In bytes.
        limit: u64,
    },
    /// The head of a form's field does not end.
    #[error("what stands before a field's value is longer than {limit} bytes")]
    LongHead {
        /// In bytes.
        limit: usize,
    },
    /// It is said to be compressed with gzip, and is not, or not all of it is there.
    #[error("this is not gzip, or not all of it")]
    NoGzip,
    /// Nothing came of it for a while.
    #[error("the body stopped coming")]
    Stopped,
    /// Hardly anything came of it, and others need the room.
    #[error("the body comes at less than 1 KiB a second, while bodies take nearly all the room there is")]
    Crawls,
    /// The place of its connection has gone to somebody else.
    #[error("every place is taken, and another connection was given this one's")]
    Displaced,
    /// What was shown at the request's head does not count any more.
    #[error("the token or session that this request began with has ended")]
    Unknown,
}
