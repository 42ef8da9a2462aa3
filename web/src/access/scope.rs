//! Scopes: what a token may be for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// What a token may be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// See everything: tasks and results of all, Drones, statistics, events.
    Read,
    /// Submit tasks; see its own ones and their results; cancel, pause, resume, retry, change and delete them.
    Submit,
    /// [`Read`](Self::Read) and [`Submit`](Self::Submit), and do to everybody's tasks and to Drones what can be done.
    Control,
    /// [`Control`](Self::Control), and say who may do what: tokens, the Drones' secrets, sessions, the audit trail.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Read, Self::Submit, Self::Control, Self::Admin];

    /// The name in requests and views.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Submit => "submit",
            Self::Control => "control",
            Self::Admin => "admin",
        }
    }

    /// Its own bit, and those of the scopes that it includes.
    fn bits(self) -> u8 {
        match self {
            Self::Read => 0b0001,
            Self::Submit => 0b0010,
            Self::Control => 0b0111,
            Self::Admin => 0b1111,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text that is no [`Scope`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a scope is read, submit, control or admin")]
pub struct ScopeError;

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(name: &str) -> Result<Self, ScopeError> {
        Self::ALL.into_iter().find(|scope| scope.name() == name).ok_or(ScopeError)
    }
}

/// A set of scopes, with all that they include.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Every scope.
    pub const ALL: Self = Self(0b1111);

    /// Whether `scope` is among them.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & scope.bits() == scope.bits()
    }

    /// Those that are not included in another one, which say all there is to say.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        let included = move |scope: Scope| {
            let wider = |other: Scope| other != scope && other.bits() & scope.bits() == scope.bits();
            Scope::ALL.into_iter().any(|other| wider(other) && self.has(other))
        };
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope) && !included(*scope))
    }

    /// As a number, for a row.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Of what [`bits`](Self::bits) gave; bits without a meaning are dropped.
    pub fn of_bits(bits: u8) -> Self {
        Scope::ALL.into_iter().filter(|scope| bits & scope.bits() == scope.bits()).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bits()))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Scope::name).collect();
        f.pad(&names.join(", "))
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Scope>::deserialize(deserializer).map(|scopes| scopes.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(names: &str) -> Scopes {
        names.split(',').map(|name| name.parse::<Scope>().unwrap()).collect()
    }

    #[test]
    fn scopes_include_others() {
        assert!(scopes("admin").has(Scope::Control) && scopes("control").has(Scope::Submit));
        assert!(scopes("control").has(Scope::Read) && !scopes("control").has(Scope::Admin));
        assert!(!scopes("submit").has(Scope::Read) && !scopes("read").has(Scope::Submit));
        assert!(!scopes("read,submit").has(Scope::Control), "two small ones are not the wide one");
        assert_eq!(scopes("read,admin").to_string(), "admin");
        assert_eq!(scopes("submit,read").to_string(), "read, submit");
        for each in [scopes("read"), scopes("submit"), scopes("read,submit"), scopes("control"), Scopes::ALL] {
            assert_eq!(Scopes::of_bits(each.bits()), each);
        }
        assert_eq!(Scopes::of_bits(0b1000), Scopes::default(), "no scope is its own bit alone");
    }
}
