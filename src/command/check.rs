//! Is the store whole? What the store can say of itself, and whether what other stages wrote into it can be read by them.

use crate::session::{Own, Tracker};
use crate::store::{Check, Store};

use super::intake;

/// Every check. It reads the whole store.
pub(super) fn checks(store: &Store) -> Vec<Check> {
    let mut checks = store.checks();
    checks.push(Check {
        name: "bookmarks",
        words: "it can be read how far each log was read",
        wrong: wrong(bookmarks(store)),
    });
    checks.push(Check {
        name: "sessions",
        words: "the sessions still open can be read",
        wrong: wrong(sessions(store)),
    });
    checks
}

fn wrong(found: anyhow::Result<()>) -> String {
    found.err().map_or(String::new(), |e| format!("{e:#}"))
}

fn bookmarks(store: &Store) -> anyhow::Result<()> {
    store
        .bookmarks()?
        .iter()
        .try_for_each(|bookmark| intake::remembered(bookmark).map(|_| ()))
}

fn sessions(store: &Store) -> anyhow::Result<()> {
    let open = store.open_sessions()?;
    if open.is_empty() {
        return Ok(());
    }
    Ok(Tracker::new(Own::default(), false).restore(&open)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Batch, Bookmark};

    #[test]
    fn what_other_stages_cannot_read_is_named() {
        let mut store = Store::in_memory().unwrap();
        let names = |store: &Store| -> Vec<&str> {
            let checks = checks(store).into_iter();
            checks
                .filter(|c| !c.wrong.is_empty())
                .map(|c| c.name)
                .collect()
        };
        assert!(names(&store).is_empty());
        let torn = Bookmark {
            id: 1,
            state: "{".into(),
            ..Bookmark::default()
        };
        store
            .commit(&mut Batch::new(false), &[torn], "{\"hosts\":", None)
            .unwrap();
        assert_eq!(names(&store), ["bookmarks", "sessions"]);
    }
}
