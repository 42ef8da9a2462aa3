//! What a task is, whatever kind of work it asks for: its terms, its inputs, its results, its end.

pub mod ending;
pub mod inputs;
pub mod job;
pub mod material;
pub mod results;
pub mod search;
pub mod terms;

pub use ending::{Ending, SearchCounts, Tally};
pub use inputs::{Extent, Inputs, Large, SMALL};
pub use job::{Job, TASKS_END, member_id};
pub use material::Material;
pub use results::{Piece, ResultMap, Results, Trust, join};
pub use search::{Finding, Marks, Searched};
pub use terms::{LongSecret, Room, SecretHash, SecretRef, Terms, hash_of, is_long};
