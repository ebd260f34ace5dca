//! What is required of TLS, and does a session meet it?
//!
//! What the log does not tell is neither met nor failed. A requirement that asks for more never loses less: it is judged first, and what is denied
//! besides only turns what met it into doubt.

use maillog::Protocol;

use crate::outcome::Direction;

use super::policy::Server;

/// What would be required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// Any TLS.
    Tls,
    /// At least this version.
    Version(Protocol),
    /// A certificate from a known authority, and in Postfix with the right name; outbound only.
    Verified,
    /// DANE; outbound only, and the log does not tell it from other ways to verify.
    Dane,
}

impl Requirement {
    /// Whether it can be asked of mail in this direction.
    pub fn concerns(self, direction: Direction) -> bool {
        direction == Direction::Outbound
            || matches!(self, Requirement::Tls | Requirement::Version(_))
    }

    fn judge(self, session: &Session<'_>) -> Judgement {
        match self {
            Requirement::Tls => Judgement::Kept,
            Requirement::Version(least) => match Protocol::parse(session.protocol.as_bytes()) {
                Some(protocol) if protocol >= least => Judgement::Kept,
                Some(_) => Judgement::Lost,
                None => Judgement::Unknown,
            },
            Requirement::Verified => session.judge_certificate(),
            Requirement::Dane => Judgement::Unknown,
        }
    }
}

/// Ciphers that would no longer be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CipherClass {
    /// Without a certificate.
    Anonymous,
    /// 3DES.
    TripleDes,
    /// RC4.
    Rc4,
    /// CBC mode.
    Cbc,
    /// Finite-field Diffie-Hellman of less than 2048 bits, or of a size that is not logged.
    Dhe,
}

/// Finite-field Diffie-Hellman of so many bits will do.
const DHE_BITS: u64 = 2048;

impl CipherClass {
    /// Whether a session used one of these, by OpenSSL's name of the cipher. Only suites up to TLS 1.2 are.
    fn holds(self, session: &Session<'_>) -> bool {
        let cipher = session.cipher;
        let starts = |heads: &[&str]| heads.iter().any(|h| cipher.starts_with(h));
        let has = |parts: &[&str]| parts.iter().any(|p| cipher.contains(p));
        match self {
            CipherClass::Anonymous => starts(&["ADH-", "AECDH-", "DH-anon"]),
            CipherClass::TripleDes => has(&["DES-CBC3", "3DES"]),
            CipherClass::Rc4 => has(&["RC4"]),
            CipherClass::Cbc => {
                !cipher.is_empty() && !starts(&["TLS_"]) && !has(&["GCM", "CHACHA20", "CCM", "RC4"])
            }
            CipherClass::Dhe => {
                let is_dhe = starts(&["DHE-", "EDH-"]) || session.key_exchange.starts_with("DHE");
                is_dhe && bits(session.key_exchange).is_none_or(|bits| bits < DHE_BITS)
            }
        }
    }
}

/// The size of a key exchange: `DHE (2048 bits)`, `ffdhe3072`.
fn bits(key_exchange: &str) -> Option<u64> {
    let from = key_exchange.find(|c: char| c.is_ascii_digit())?;
    let digits: String = key_exchange[from..]
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What would be required.
    pub require: Requirement,
    /// What would no longer be accepted.
    pub deny: Vec<CipherClass>,
}

/// What would become of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Judgement {
    /// It met the requirement.
    Kept,
    /// In clear by an entry of our own map, which goes before what is required of all.
    Spared,
    /// The log cannot tell.
    Unknown,
    /// It did not meet it.
    Lost,
}

/// What the log tells of a session's TLS.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session<'r> {
    pub(super) tls: &'r str,
    pub(super) protocol: &'r str,
    pub(super) cipher: &'r str,
    pub(super) key_exchange: &'r str,
    pub(super) verification: &'r str,
    /// In clear because our own policy says so.
    pub(super) by_policy: bool,
    /// Which of our servers it was of.
    pub(super) server: Server,
    /// This server has found certificates good: it knows authorities.
    pub(super) trusts: bool,
}

impl Question {
    pub(super) fn judge(&self, session: &Session<'_>) -> Judgement {
        match session.tls {
            "plaintext" if session.by_policy && session.server == Server::Postfix => {
                Judgement::Spared
            }
            "plaintext" => Judgement::Lost,
            "encrypted" => match self.require.judge(session) {
                // That another cipher could be agreed on instead is not in the log.
                Judgement::Kept if self.denies(session) => Judgement::Unknown,
                judgement => judgement,
            },
            _ => Judgement::Unknown,
        }
    }

    /// Whether it was over TLS of a version or with a cipher that would no longer be accepted.
    pub(super) fn is_too_weak(&self, session: &Session<'_>) -> bool {
        let is_too_old = matches!(self.require, Requirement::Version(_))
            && session.tls == "encrypted"
            && self.require.judge(session) == Judgement::Lost;
        is_too_old || self.denies(session)
    }

    fn denies(&self, session: &Session<'_>) -> bool {
        session.tls == "encrypted" && self.deny.iter().any(|class| class.holds(session))
    }
}

impl Session<'_> {
    /// Sendmail asks for a good chain and no name. Postfix has checked the name only where it says so. A server that knows no authorities finds no
    /// chain good, and one that allows ciphers without a certificate cannot tell whether there is one.
    fn judge_certificate(&self) -> Judgement {
        match self.verification {
            "verified" => Judgement::Kept,
            "trusted" if self.server == Server::Sendmail => Judgement::Kept,
            "untrusted" if self.trusts => Judgement::Lost,
            _ => Judgement::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SESSION: Session<'static> = Session {
        tls: "encrypted",
        protocol: "TLSv1.2",
        cipher: "ECDHE-RSA-AES256-GCM-SHA384",
        key_exchange: "",
        verification: "trusted",
        by_policy: false,
        server: Server::Postfix,
        trusts: true,
    };

    const CLASSES: [CipherClass; 5] = [
        CipherClass::Anonymous,
        CipherClass::TripleDes,
        CipherClass::Rc4,
        CipherClass::Cbc,
        CipherClass::Dhe,
    ];

    fn judge(require: Requirement, session: Session<'_>) -> Judgement {
        let deny = Vec::new();
        Question { require, deny }.judge(&session)
    }

    #[test]
    fn a_cipher_is_of_a_class_by_its_name_and_the_size_that_is_logged() {
        for (class, cipher, key_exchange, expected) in [
            (CipherClass::Cbc, "ECDHE-RSA-AES256-SHA384", "", true),
            (CipherClass::Cbc, "ECDHE-RSA-AES256-GCM-SHA384", "", false),
            (CipherClass::Anonymous, "ADH-AES256-GCM-SHA384", "", true),
            (CipherClass::TripleDes, "DES-CBC3-SHA", "", true),
            (CipherClass::Rc4, "RC4-SHA", "", true),
            (CipherClass::Dhe, "DHE-RSA-AES256-GCM-SHA384", "", true),
            (
                CipherClass::Dhe,
                "DHE-RSA-AES256-SHA",
                "DHE (1024 bits)",
                true,
            ),
            (
                CipherClass::Dhe,
                "DHE-RSA-AES256-SHA",
                "DHE (2048 bits)",
                false,
            ),
            (
                CipherClass::Dhe,
                "TLS_AES_256_GCM_SHA384",
                "DHE (2048 bits)",
                false,
            ),
            (
                CipherClass::Dhe,
                "TLS_AES_256_GCM_SHA384",
                "ffdhe3072",
                false,
            ),
            (CipherClass::Dhe, "TLS_AES_256_GCM_SHA384", "X25519", false),
        ] {
            let session = Session {
                cipher,
                key_exchange,
                ..SESSION
            };
            assert_eq!(
                class.holds(&session),
                expected,
                "{class:?} {cipher} {key_exchange}"
            );
        }
        for class in CLASSES {
            let cipher = "TLS_AES_256_GCM_SHA384";
            assert!(!class.holds(&Session { cipher, ..SESSION }), "{class:?}");
        }
    }

    #[test]
    fn a_certificate_is_judged_as_the_server_that_asked_for_it_would() {
        use Judgement::{Kept, Lost, Unknown};
        for (verification, trusts, postfix, sendmail) in [
            ("verified", true, Kept, Kept),
            ("trusted", true, Unknown, Kept),
            ("untrusted", true, Lost, Lost),
            // No session was ever trusted: rather our own want of authorities.
            ("untrusted", false, Unknown, Unknown),
            ("anonymous", true, Unknown, Unknown),
            ("", true, Unknown, Unknown),
        ] {
            for (server, expected) in [(Server::Postfix, postfix), (Server::Sendmail, sendmail)] {
                let session = Session {
                    verification,
                    trusts,
                    server,
                    ..SESSION
                };
                let found = judge(Requirement::Verified, session);
                assert_eq!(found, expected, "{verification} {trusts} {server:?}");
            }
        }
    }

    #[test]
    fn what_our_own_map_sends_in_clear_is_no_loss_in_postfix() {
        for (server, expected) in [
            (Server::Postfix, Judgement::Spared),
            (Server::Sendmail, Judgement::Lost),
        ] {
            let session = Session {
                tls: "plaintext",
                by_policy: true,
                server,
                ..SESSION
            };
            assert_eq!(judge(Requirement::Tls, session), expected);
        }
    }

    proptest! {
        /// What is asked for in addition is never a gain, and never takes a loss back.
        #[test]
        fn to_ask_for_more_never_loses_less(
            tls in prop::sample::select(vec!["encrypted", "plaintext", "unknown"]),
            protocol in prop::sample::select(vec!["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3", ""]),
            cipher in prop::sample::select(vec!["DES-CBC3-SHA", "RC4-SHA", "ADH-AES128-SHA", "DHE-RSA-AES128-SHA", "TLS_AES_128_GCM_SHA256", ""]),
            verification in prop::sample::select(vec!["verified", "trusted", "untrusted", "anonymous", ""]),
            by_policy: bool,
            trusts: bool,
            deny in prop::sample::subsequence(CLASSES.to_vec(), 0..=5),
            more in prop::sample::subsequence(CLASSES.to_vec(), 0..=5),
        ) {
            let chains: [&[Requirement]; 3] = [
                &[Requirement::Tls, Requirement::Version(Protocol::Tls12), Requirement::Version(Protocol::Tls13)],
                &[Requirement::Tls, Requirement::Verified],
                &[Requirement::Tls, Requirement::Dane],
            ];
            for server in [Server::Postfix, Server::Sendmail] {
                let session = Session { tls, protocol, cipher, key_exchange: "", verification, by_policy, server, trusts };
                let denied = [deny.clone(), more.clone()].concat();
                for chain in chains {
                    let by = |require: &Requirement, deny: &[CipherClass]| {
                        Question { require: *require, deny: deny.to_vec() }.judge(&session)
                    };
                    for pair in chain.windows(2) {
                        prop_assert!(by(&pair[0], &deny) <= by(&pair[1], &deny), "{pair:?} {session:?}");
                    }
                    for require in chain {
                        prop_assert!(by(require, &deny) <= by(require, &denied), "{require:?} {session:?}");
                    }
                }
            }
        }
    }
}
