//! What is done to many tasks at once: asked for by ids or by a filter, counted, carried out task by task.

mod asked;
mod door;
pub(crate) mod jobs;
mod run;

pub(crate) use self::asked::{Asked, RENEW};
pub(crate) use self::door::Bulk;
