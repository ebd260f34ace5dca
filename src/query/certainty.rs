//! How sure a claim is.

use crate::outcome::Class;

/// How sure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// More than once, and each time a line says so.
    Certain,
    /// No one line says why; that it was in clear is proven by the log as a whole, or stated.
    ProvenBySilence,
    /// It happened a single time.
    Once,
    /// The log cannot tell.
    CannotTell,
}

impl Certainty {
    /// How sure it is that `class` was the case, having been found `n` times.
    pub fn of(class: Class, n: u64) -> Certainty {
        match class {
            Class::Unknown => Certainty::CannotTell,
            _ if n <= 1 => Certainty::Once,
            // "Not offered" is the silence of a log that would tell of an offer.
            Class::PlaintextCauseUnknown | Class::PlaintextNotOffered => Certainty::ProvenBySilence,
            _ => Certainty::Certain,
        }
    }

    /// The words shown.
    pub fn words(self) -> &'static str {
        match self {
            Certainty::Certain => "certain",
            Certainty::ProvenBySilence => "proven by the log",
            Certainty::Once => "seen once",
            Certainty::CannotTell => "the log cannot tell",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_occurrence_is_shown_as_one() {
        assert_eq!(Certainty::of(Class::HandshakeFailed, 1), Certainty::Once);
        assert_eq!(Certainty::of(Class::HandshakeFailed, 2), Certainty::Certain);
        assert_eq!(
            Certainty::of(Class::PlaintextCauseUnknown, 9),
            Certainty::ProvenBySilence
        );
        assert_eq!(Certainty::of(Class::Unknown, 9), Certainty::CannotTell);
    }
}
