//! Which of the messages under way are letters of our own outreach: they say nothing about the mail we exchange with somebody, so their
//! deliveries are left out like those between our own hosts (RFC 8460 section 3 has the same rule for its reports).
//!
//! A letter is known by the form of its envelope sender alone, `mailbox+tlsnag-0123abcd@domain`, so that the same log gives the same store
//! whatever was sent from it. Anybody can write such a sender on mail to us. Sessions of clients are therefore never left out, and
//! what a client brought is none of our letters. Where that is not seen any more (the mail waits, and is tried again), what is
//! left out is how the forger's own mail was passed on: it accuses nobody.
//!
//! Not known: letters without an extension in their envelope sender (`delimiter = ""`), which count as ordinary mail.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// What stands before the token; `mail::message` writes it.
const MARK: &[u8] = b"tlsnag-";
/// How long a token is.
const TOKEN: usize = 8;
/// How many letters are remembered. Some ten go out on a day.
const MOST: usize = 256;
/// For how long, in seconds: servers give a message up after five days.
const SECONDS: i64 = 6 * 86_400;

/// Whether an envelope sender is that of a letter.
pub fn is_sender(sender: &[u8]) -> bool {
    let Some(at) = memchr::memrchr(b'@', sender) else {
        return false;
    };
    let Some((name, token)) = sender[..at].split_last_chunk::<TOKEN>() else {
        return false;
    };
    let Some(mailbox) = name.strip_suffix(MARK) else {
        return false;
    };
    // The delimiter stands between a mailbox and the mark.
    mailbox.len() > 1
        && mailbox.last().is_some_and(|b| b.is_ascii_punctuation())
        && token.iter().all(u8::is_ascii_hexdigit)
}

/// The letters of one log host that are under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letters(VecDeque<(String, i64)>);

impl Letters {
    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes note of who sent a message; queue ids are used again for other messages. `now` is steady time.
    pub fn take(&mut self, queue_id: &[u8], is_letter: bool, now: i64) {
        if self.0.is_empty() && !is_letter {
            return;
        }
        self.0
            .retain(|(id, at)| id.as_bytes() != queue_id && now - at <= SECONDS);
        if is_letter {
            if self.0.len() == MOST {
                self.0.pop_front();
            }
            self.0.push_back((super::proof::text(queue_id), now));
        }
    }

    /// Whether a message is a letter.
    pub fn has(&self, queue_id: &[u8], now: i64) -> bool {
        let is_it = |(id, at): &(String, i64)| id.as_bytes() == queue_id && now - at <= SECONDS;
        self.0.iter().any(is_it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_known_by_its_envelope_sender() {
        for letter in [
            "ann+tlsnag-4f2a91c0@us.example",
            "ann-tlsnag-4F2A91C0@us.example",
        ] {
            assert!(is_sender(letter.as_bytes()), "{letter}");
        }
        for other in [
            "",
            "ann@us.example",
            "tlsnag-4f2a91c0",
            "tlsnag-4f2a91c0@us.example",
            "+tlsnag-4f2a91c0@us.example",
            "anntlsnag-4f2a91c0@us.example",
            "ann+tlsnag-4f2a91cg@us.example",
            "ann+tlsnag-4f2a91c@us.example",
            "ann+tlsnag-4f2a91c01@us.example",
            "ann@tlsnag-4f2a91c0",
        ] {
            assert!(!is_sender(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_queue_id_is_a_letters_until_another_message_has_it() {
        let mut letters = Letters::default();
        letters.take(b"4F1A01", false, 0);
        assert!(letters.is_empty());
        letters.take(b"4F1A01", true, 0);
        assert!(letters.has(b"4F1A01", SECONDS) && !letters.has(b"4F1A02", 0));
        assert!(!letters.has(b"4F1A01", SECONDS + 1), "given up by then");
        letters.take(b"4F1A01", false, 10);
        assert!(!letters.has(b"4F1A01", 10));
    }

    #[test]
    fn as_many_as_there_are_are_remembered_within_bounds() {
        let mut letters = Letters::default();
        for i in 0..2 * MOST {
            letters.take(format!("4F{i}").as_bytes(), true, 0);
        }
        assert_eq!(letters.0.len(), MOST);
        assert!(letters.has(format!("4F{}", 2 * MOST - 1).as_bytes(), 0));
    }
}
