//! The words outcomes are made of (channel, cause, fault, delivery) are few, and millions of counts are compared by them: each is kept once, for
//! as long as the program runs, and passed around as what it is.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use rusqlite::Row;

static WORDS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// The one that is kept of all equal words. They come from the closed lists of outcomes: what is kept is bounded by those.
pub fn word(text: &str) -> &'static str {
    let mut words = WORDS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = words.get(text) {
        return known;
    }
    let kept: &'static str = Box::leak(text.into());
    words.insert(kept);
    kept
}

/// Reads a word from a column.
pub fn read_word(row: &Row<'_>, column: usize) -> rusqlite::Result<&'static str> {
    let text = row.get_ref(column)?.as_str()?;
    Ok(word(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_words_are_kept_once() {
        let text = String::from("no-shared-cipher");
        assert!(std::ptr::eq(word(&text), word("no-shared-cipher")));
        assert_eq!(word(""), "");
    }
}
