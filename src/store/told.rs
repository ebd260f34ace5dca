//! What an operator has been told of, so that it is told once. What that is, is the business of those who tell.

use super::bookmark::{load_state, save_state};
use super::{Result, Store};

/// Its name among the states.
pub(super) const TOLD: &str = "told";
/// Likewise; the kind of digest follows.
const DIGESTED: &str = "digest";

impl Store {
    /// What was told, as it was saved; empty if nothing.
    pub fn told(&self) -> Result<String> {
        Ok(load_state(&self.connection, TOLD)?.unwrap_or_default())
    }

    /// Saves what was told. An import that runs at the same time is not disturbed: it reads nothing of this.
    pub fn save_told(&self, text: &str) -> Result<()> {
        save_state(&self.connection, TOLD, text)
    }

    /// The last day, in days since 1970, of which the operator has had a digest of this kind.
    pub fn digested(&self, kind: &str) -> Result<Option<i32>> {
        let name = format!("{DIGESTED} {kind}");
        Ok(load_state(&self.connection, &name)?.and_then(|day| day.parse().ok()))
    }

    /// Saves it.
    pub fn save_digested(&self, kind: &str, day: i32) -> Result<()> {
        save_state(
            &self.connection,
            &format!("{DIGESTED} {kind}"),
            &day.to_string(),
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::outcome::Class;
    use crate::store::fixture::{self, outbound};

    #[test]
    fn what_was_told_is_forgotten_with_what_it_was_about() {
        let peer = outbound("a.example").plaintext(Class::PlaintextNotOffered);
        let mut store = fixture::store([peer.build()]);
        assert_eq!(store.told().unwrap(), "");
        store.save_told("[\"a.example\"]").unwrap();
        let redact = |open: &str, _: &[String]| Ok((open.to_owned(), 0));
        store.forget_peer("other.example", redact).unwrap();
        assert_eq!(store.told().unwrap(), "[\"a.example\"]");
        store.forget_peer("a.example", redact).unwrap();
        assert_eq!(store.told().unwrap(), "");
    }
}
