//! Finding octets in the short words of a log line, where a call of `memchr` costs more than it saves.
//!
//! What is not here: finding more than one octet; see [`crate::lex`].

/// Octets looked at at once.
const WORD: usize = 8;

/// A set of octets: one look-up for each octet of a text instead of several comparisons.
pub(crate) struct Octets([bool; 256]);

impl Octets {
    /// Letters and digits of ASCII.
    pub(crate) const ALPHANUMERIC: Octets = Octets::alphanumeric();

    /// The octets of a list.
    pub(crate) const fn of(list: &[u8]) -> Octets {
        Octets([false; 256]).with(list)
    }

    const fn alphanumeric() -> Octets {
        let mut set = [false; 256];
        let mut octet = 0_u8;
        while octet.is_ascii() {
            set[octet as usize] = octet.is_ascii_alphanumeric();
            octet += 1;
        }
        Octets(set)
    }

    /// The same set and the octets of a list.
    pub(crate) const fn with(self, list: &[u8]) -> Octets {
        let mut set = self.0;
        let mut at = 0;
        while at < list.len() {
            set[list[at] as usize] = true;
            at += 1;
        }
        Octets(set)
    }

    /// Whether it holds the octet.
    #[inline]
    pub(crate) const fn has(&self, octet: u8) -> bool {
        self.0[octet as usize]
    }

    /// How many octets at the start of the text are of the set.
    #[inline]
    pub(crate) fn span(&self, text: &[u8]) -> usize {
        let end = text.iter().position(|octet| !self.has(*octet));
        end.unwrap_or(text.len())
    }

    /// Offset of the first octet that is of the set.
    #[inline]
    pub(crate) fn find(&self, text: &[u8]) -> Option<usize> {
        text.iter().position(|octet| self.has(*octet))
    }
}

/// Offset of the first `octet`, which is likely to be near.
#[inline]
pub(crate) fn find_octet(text: &[u8], octet: u8) -> Option<usize> {
    let mut rest = text;
    while let Some((word, behind)) = rest.split_first_chunk::<WORD>() {
        let found = matches(u64::from_le_bytes(*word), octet);
        if found != 0 {
            return Some(text.len() - rest.len() + found.trailing_zeros() as usize / 8);
        }
        rest = behind;
    }
    let at = rest.iter().position(|o| *o == octet)?;
    Some(text.len() - rest.len() + at)
}

/// Offset of the last `octet`, which is likely to be near the end.
#[inline]
pub(crate) fn find_last_octet(text: &[u8], octet: u8) -> Option<usize> {
    let mut rest = text;
    while let Some((before, word)) = rest.split_last_chunk::<WORD>() {
        let found = matches(u64::from_le_bytes(*word), octet);
        if found != 0 {
            return Some(rest.len() - 1 - found.leading_zeros() as usize / 8);
        }
        rest = before;
    }
    rest.iter().rposition(|o| *o == octet)
}

/// The highest bit of each octet of a word that is `octet`.
#[inline]
const fn matches(word: u64, octet: u8) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGHEST: u64 = ONES << 7;
    let differ = word ^ (ONES * octet as u64);
    // whatever but zero carries into the highest bit, or has it
    !(((differ & !HIGHEST) + !HIGHEST) | differ) & HIGHEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_octet_is_found_wherever_it_stands() {
        for octet in [0, b' ', b',', 0x7f, 0x80, 0xff] {
            for other in [0, 1, octet ^ 1, octet ^ 0x80, octet.wrapping_add(1), 0xff] {
                for length in 0..80 {
                    let mut text = vec![other; length];
                    for at in (0..length).rev() {
                        text[at] = octet;
                        both_ways(&text, octet);
                    }
                    for at in 0..length {
                        text[at] = other;
                        both_ways(&text, octet);
                    }
                }
            }
        }
    }

    fn both_ways(text: &[u8], octet: u8) {
        let first = text.iter().position(|o| *o == octet);
        assert_eq!(find_octet(text, octet), first);
        let last = text.iter().rposition(|o| *o == octet);
        assert_eq!(find_last_octet(text, octet), last);
    }

    #[test]
    fn a_set_holds_what_it_was_made_of() {
        const SET: Octets = Octets::ALPHANUMERIC.with(b"_\xff");
        for octet in 0..=u8::MAX {
            let expected = octet.is_ascii_alphanumeric() || octet == b'_' || octet == 0xff;
            assert_eq!(SET.has(octet), expected);
        }
        assert_eq!(
            (SET.span(b"a_1 b"), SET.span(b"ab"), SET.span(b"")),
            (3, 2, 0)
        );
        const END: Octets = Octets::of(b" ,");
        assert_eq!(
            (END.find(b"ab,"), END.find(b"ab"), END.find(b" ")),
            (Some(2), None, Some(0))
        );
    }
}
