//! The optional export `fit`: for which scopes the guest was written.

use std::fmt;
use std::pin::pin;

use super::artifact::Artifact;
use super::bindings::fit;
use super::instance::{Instance, within};
use super::trap::Trap;
use crate::manifest::Scope;

/// The scopes for which a guest was written, in the contract's order and words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit(Vec<&'static str>);

impl Fit {
    /// Whether the guest names no scope at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the guest was written for this scope.
    pub fn has(&self, scope: &Scope) -> bool {
        self.0.contains(&scope.name())
    }
}

/// `connection, room and shared`.
impl fmt::Display for Fit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_last() {
            Some((last, [])) => formatter.write_str(last),
            Some((last, others)) => write!(formatter, "{} and {last}", others.join(", ")),
            None => formatter.write_str("no scope"),
        }
    }
}

impl From<Vec<fit::Scope>> for Fit {
    fn from(named: Vec<fit::Scope>) -> Self {
        const WORDS: [(fit::Scope, &str); 4] = [
            (fit::Scope::Connection, "connection"),
            (fit::Scope::Room, "room"),
            (fit::Scope::Shared, "shared"),
            (fit::Scope::Event, "event"),
        ];
        Fit(WORDS.iter().filter(|(scope, _)| named.contains(scope)).map(|(_, word)| *word).collect())
    }
}

impl Instance {
    /// Ask the guest for which scopes it was written; none when it does not say. After a trap the instance must be
    /// dropped.
    pub async fn scopes(&mut self, artifact: &Artifact) -> Result<Option<Fit>, Box<Trap>> {
        let Some(indices) = &artifact.optional.fit else { return Ok(None) };
        let limit = self.begin();
        let named = match indices.load(&mut self.store, &self.exports) {
            Ok(guest) => {
                let call = pin!(guest.call_scopes(&mut self.store));
                within(limit, &self.clock, call).await
            }
            Err(error) => Some(Err(error)),
        };
        Ok(Some(self.finish(named, limit)?.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_named_once_and_in_order() {
        let fit = Fit::from(vec![fit::Scope::Shared, fit::Scope::Connection, fit::Scope::Room, fit::Scope::Shared]);
        assert_eq!(fit.to_string(), "connection, room and shared");
        assert!(fit.has(&Scope::Shared(4)) && !fit.has(&Scope::Event));
        assert_eq!(Fit::from(vec![fit::Scope::Event]).to_string(), "event");
        assert!(Fit::from(Vec::new()).is_empty());
    }
}
