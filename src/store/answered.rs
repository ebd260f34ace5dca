//! What an answer does to a case: all of it or nothing, and once. What it is to do is decided by those who call.
//!
//! That a mail was seen, and what follows from it, are one transaction: a run that dies in between would else never hear the "stop" in it
//! again.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::outreach::{State, add_event, close_drafts, move_case};
use super::{Result, Store, addressees};

/// What follows from an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// What it is, for the history.
    pub what: String,
    /// Who wrote it.
    pub note: String,
    /// Who is not written to any more, and why.
    pub suppressed: Vec<(String, String)>,
    /// The state the case comes into, and the words for that.
    pub state: Option<(State, String)>,
}

impl Store {
    /// Takes an answer in. `false` if that was done before: `digest` names the mail, so that a mailbox can be read again.
    pub fn take_in(
        &mut self,
        case: i64,
        digest: &str,
        effects: &Effects,
        now: i64,
    ) -> Result<bool> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        if was_seen(&transaction, case, digest)? {
            return Ok(false);
        }
        let note = format!("{} {digest}", effects.note);
        add_event(&transaction, case, now, &effects.what, &note)?;
        act(&transaction, case, effects, now)?;
        transaction.commit()?;
        Ok(true)
    }

    /// Takes in what the operator says of a case.
    pub fn settle(&mut self, case: i64, effects: &Effects, now: i64) -> Result<()> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        if effects.state.is_none() {
            add_event(&transaction, case, now, &effects.what, &effects.note)?;
        }
        act(&transaction, case, effects, now)?;
        transaction.commit()?;
        Ok(())
    }
}

fn act(connection: &Connection, case: i64, effects: &Effects, now: i64) -> Result<()> {
    for (name, reason) in &effects.suppressed {
        addressees::suppress(connection, name, reason, now)?;
    }
    if let Some((state, words)) = &effects.state {
        close_drafts(connection, case)?;
        move_case(connection, case, *state, now, words)?;
    }
    Ok(())
}

fn was_seen(connection: &Connection, case: i64, digest: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM outreach_event WHERE outreach = ?1 AND what LIKE 'reply-%' AND SUBSTR(note, -LENGTH(?2)) = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let seen = statement.query_row(params![case, digest], |_| Ok(()));
    Ok(seen.optional()?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Direction;
    use crate::store::outreach::{Audience, Draft, DraftLetter};

    fn store() -> Store {
        let mut store = Store::in_memory().unwrap();
        let draft = Draft {
            token: "AA".into(),
            direction: Direction::Outbound,
            organisation: "a.example".into(),
            problem: "not-offered".into(),
            audience: Audience::Postmaster,
            daily: 1.0,
            peers: vec![("a.example".into(), "mx.a.example".into())],
            asked: None,
            letter: Some(DraftLetter {
                kind: "notice".into(),
                address: "postmaster@a.example".into(),
                subject: "s".into(),
                body: "b\n".into(),
                message_id: "<AA@us.example>".into(),
            }),
        };
        store.replace_drafts("p", &[draft], 100).unwrap();
        store
    }

    fn stop() -> Effects {
        Effects {
            what: "reply-opt-out".into(),
            note: "from ann@a.example".into(),
            suppressed: vec![("a.example".into(), "opt-out".into())],
            state: Some((State::Declined, "opt-out".into())),
        }
    }

    #[test]
    fn an_answer_is_taken_in_once_and_ends_what_is_drafted() {
        let mut store = store();
        assert!(store.take_in(1, "0123", &stop(), 200).unwrap());
        assert!(!store.take_in(1, "0123", &stop(), 300).unwrap());
        let case = store.cases().unwrap().remove(0);
        assert_eq!((case.state, case.notices.len()), (State::Declined, 0));
        let what: Vec<String> = store
            .outreach_events()
            .unwrap()
            .into_iter()
            .map(|event| event.what)
            .collect();
        assert_eq!(what, ["planned", "reply-opt-out", "declined"]);
    }

    /// The disk is full when it is to be noted who does not want it: then the mail was not seen either.
    #[test]
    fn an_answer_that_could_not_be_acted_upon_is_read_again() {
        let mut store = store();
        let full = "CREATE TRIGGER full BEFORE INSERT ON suppression BEGIN SELECT RAISE(ABORT, 'full'); END";
        store.connection.execute_batch(full).unwrap();
        assert!(store.take_in(1, "0123", &stop(), 200).is_err());
        store.connection.execute_batch("DROP TRIGGER full").unwrap();
        assert!(store.take_in(1, "0123", &stop(), 300).unwrap());
        assert!(store.suppressions().unwrap()[0].covers("a.example"));
    }
}
