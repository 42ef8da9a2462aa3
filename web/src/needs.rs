//! What requests need of who sends them.

use crate::access::{Caller, Scope};

/// What a route needs of who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it says nothing of what is kept here, or is the way in.
    Nothing,
    /// To see everything: `read`.
    Read,
    /// To see tasks: `read`, or `submit`, which shows its own ones alone.
    SeeTasks,
    /// To create tasks: `submit`.
    Submit,
    /// To change the task in the path: `control`, or `submit` if it is its own.
    ChangeTask,
    /// To change what belongs to everybody: `control`.
    Control,
    /// To say who may do what: `admin`.
    Admin,
}

impl Needs {
    /// Whether this caller has it; whose a task is, is looked at when the task is.
    pub fn are_met_by(self, caller: &Caller) -> bool {
        match self {
            Self::Nothing => true,
            Self::Read => caller.may(Scope::Read),
            Self::SeeTasks => caller.may(Scope::Read) || caller.may(Scope::Submit),
            // `control` includes `submit`.
            Self::Submit | Self::ChangeTask => caller.may(Scope::Submit),
            Self::Control => caller.may(Scope::Control),
            Self::Admin => caller.may(Scope::Admin),
        }
    }

    /// The scope that lacks, in words.
    pub(crate) fn scope(self) -> &'static str {
        match self {
            Self::Nothing => "no scope",
            Self::Read => "the scope `read`",
            Self::SeeTasks => "the scope `read`, or `submit` to see its own tasks",
            Self::Submit => "the scope `submit`",
            Self::ChangeTask => "the scope `control`, or `submit` to change its own tasks",
            Self::Control => "the scope `control`",
            Self::Admin => "the scope `admin`",
        }
    }
}
