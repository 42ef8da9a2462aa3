//! Bodies of requests and answers: what they are bounded by, and what goes with them.

pub(crate) mod attached;
pub(crate) mod bounded;
pub(crate) mod lasting;
pub(crate) mod metered;
pub(crate) mod whole;
