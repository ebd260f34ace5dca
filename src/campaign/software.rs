//! Which mail server a peer runs, as far as what it has said tells: for offering the fix for that one and no other.
//!
//! A guess that is not sure is none: then the letter names all of them.

/// A mail server, or what stands before one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Software {
    /// Postfix.
    Postfix,
    /// Sendmail.
    Sendmail,
    /// Exim.
    Exim,
    /// OpenSMTPD.
    OpenSmtpd,
    /// Microsoft Exchange.
    Exchange,
    /// A Cisco firewall that hides STARTTLS.
    Cisco,
}

/// Each, its word (the name of its partial), and what it says: all of these pieces, in this order.
const SIGNS: &[(Software, &str, &[&[&str]])] = &[
    // XXXXXXXX in place of STARTTLS, stars in place of the banner: `inspect esmtp`
    (Software::Cisco, "cisco", &[&["250-xxxxxxx"], &["220 ****"]]),
    (
        Software::Postfix,
        "postfix",
        &[&["250 2.0.0 ok: queued as "], &[" esmtp postfix"]],
    ),
    (
        Software::Exim,
        "exim",
        &[&["250 ok id=1", "-"], &[" esmtp exim "]],
    ),
    (
        Software::Exchange,
        "exchange",
        &[
            &["250 2.6.0 <", "[internalid=", "queued mail for delivery"],
            &["microsoft esmtp mail service"],
        ],
    ),
    (Software::Sendmail, "sendmail", &[&[" esmtp sendmail "]]),
    (Software::OpenSmtpd, "opensmtpd", &[&[" esmtp opensmtpd"]]),
];

impl Software {
    /// The word: the name of its recipe.
    pub fn name(self) -> &'static str {
        SIGNS.iter().find(|s| s.0 == self).map_or("", |s| s.1)
    }

    /// All there are.
    pub fn all() -> impl Iterator<Item = Software> {
        SIGNS.iter().map(|sign| sign.0)
    }

    /// By what it said to us: a banner, an answer to EHLO, or what followed the mail.
    pub fn guess(said: &str) -> Option<Software> {
        let said = said.to_ascii_lowercase();
        let has = |pieces: &[&str]| {
            let mut rest = said.as_str();
            pieces.iter().all(|piece| match rest.find(piece) {
                Some(at) => {
                    rest = &rest[at + piece.len()..];
                    true
                }
                None => false,
            })
        };
        let found = SIGNS
            .iter()
            .find(|(.., signs)| signs.iter().any(|pieces| has(pieces)));
        found.map(|(software, ..)| *software)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_say() {
        for (said, expected) in [
            (
                "status=sent (250 2.0.0 Ok: queued as 4F1A01)",
                Some(Software::Postfix),
            ),
            (
                "220 mx.a.example ESMTP Postfix (Debian/GNU)",
                Some(Software::Postfix),
            ),
            (
                "status=sent (250 OK id=1tGzAB-0000Xy-2C)",
                Some(Software::Exim),
            ),
            (
                "(250 2.6.0 <x@a.example> [InternalId=123, Hostname=EX1] 1234 bytes in 0.1, 10 KB/sec Queued mail for delivery)",
                Some(Software::Exchange),
            ),
            (
                "220 mx.a.example ESMTP Sendmail 8.17.1/8.17.1; Fri",
                Some(Software::Sendmail),
            ),
            (
                "220 mx.a.example ESMTP OpenSMTPD",
                Some(Software::OpenSmtpd),
            ),
            ("220 ****************************2**", Some(Software::Cisco)),
            ("250 2.0.0 5AKA0001 Message accepted for delivery", None),
            ("250 ok", None),
            ("", None),
        ] {
            assert_eq!(Software::guess(said), expected, "{said}");
        }
    }
}
