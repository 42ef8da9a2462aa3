//! Who sends a request, and what they may do.

use std::sync::Arc;

use super::scope::{Scope, Scopes};
use super::token::TokenId;

/// Whose a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The token that it was submitted with.
    pub token: TokenId,
    /// What that is called.
    pub name: Arc<str>,
}

/// A token that is valid, as a request has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub id: TokenId,
    /// For people.
    pub name: Arc<str>,
    /// What it may be used for.
    pub scopes: Scopes,
}

/// Who sends a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Caller {
    /// Somebody who showed no token, where one is needed.
    #[default]
    Unknown,
    /// Anybody at all, where no token is needed.
    Anyone,
    /// Who has this token.
    Holder(Arc<Holder>),
}

impl Caller {
    /// Whether they may do what `scope` is for.
    pub fn may(&self, scope: Scope) -> bool {
        match self {
            Self::Unknown => false,
            Self::Anyone => true,
            Self::Holder(holder) => holder.scopes.has(scope),
        }
    }

    /// The token that they showed.
    pub fn holder(&self) -> Option<&Arc<Holder>> {
        match self {
            Self::Holder(holder) => Some(holder),
            Self::Unknown | Self::Anyone => None,
        }
    }

    /// Whose the tasks are that they submit.
    pub fn owner(&self) -> Option<Owner> {
        self.holder().map(|holder| Owner { token: holder.id, name: Arc::clone(&holder.name) })
    }

    /// The token whose tasks are all that they may see; `None` if they see everybody's.
    pub fn only_own(&self) -> Option<TokenId> {
        self.holder().filter(|holder| !holder.scopes.has(Scope::Read)).map(|holder| holder.id)
    }

    /// Whether they may see a task of this owner.
    pub fn sees(&self, owner: Option<TokenId>) -> bool {
        *self != Self::Unknown && self.only_own().is_none_or(|own| owner == Some(own))
    }

    /// Whether they may change a task of this owner: everybody's by `control`, their own by `submit`.
    pub fn controls(&self, owner: Option<TokenId>) -> bool {
        let is_own = || owner.is_some() && owner == self.holder().map(|holder| holder.id);
        self.may(Scope::Control) || self.may(Scope::Submit) && is_own()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(names: &str) -> Scopes {
        names.split(',').map(|name| name.parse::<Scope>().unwrap()).collect()
    }

    #[test]
    fn who_submits_sees_and_controls_their_own() {
        let caller =
            |names: &str| Caller::Holder(Arc::new(Holder { id: TokenId(7), name: "ci".into(), scopes: scopes(names) }));
        let (own, other) = (Some(TokenId(7)), Some(TokenId(8)));
        let sees = |caller: &Caller| [own, other, None].map(|owner| caller.sees(owner));
        let controls = |caller: &Caller| [own, other, None].map(|owner| caller.controls(owner));
        assert_eq!(sees(&caller("submit")), [true, false, false]);
        assert_eq!(controls(&caller("submit")), [true, false, false]);
        assert_eq!(sees(&caller("read")), [true; 3]);
        assert_eq!(controls(&caller("read")), [false; 3]);
        assert_eq!(controls(&caller("read,submit")), [true, false, false]);
        assert_eq!(controls(&caller("control")), [true; 3]);
        assert_eq!((sees(&Caller::Anyone), controls(&Caller::Anyone)), ([true; 3], [true; 3]));
        assert_eq!((sees(&Caller::Unknown), controls(&Caller::Unknown)), ([false; 3], [false; 3]));
    }
}
