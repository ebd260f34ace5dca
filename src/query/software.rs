//! Which mail server a peer runs, as far as what it has said tells: for the report by software, and for offering the fix for that one and no
//! other. What it says of mail over TLS is not kept, and so not looked at.
//!
//! A guess that is not sure is none. What a server says after a mail was taken comes from the host that took it, or through it from one
//! behind; so it "appears to run" that.

use hashbrown::{HashMap, HashSet};

use crate::store::{Result, Store};

/// What runs at each of these hosts and addresses that we sent to, as far as the kept log lines quote what it said; what it said last counts.
pub fn find_software<'n>(
    store: &Store,
    wanted: &HashSet<(&'n str, &'n str)>,
) -> Result<HashMap<(&'n str, &'n str), Software>> {
    let numbers: HashMap<(&str, &str), usize> = wanted.iter().copied().zip(0..).collect();
    let mut found: Vec<Option<((i64, i64), Software)>> = vec![None; numbers.len()];
    let is_wanted = |host: &str, address: &str| numbers.contains_key(&(host, address));
    store.each_at_host(is_wanted, |said| {
        let Some(number) = numbers.get(&(said.host, said.address)) else {
            return;
        };
        let known = &mut found[*number];
        if known.is_some_and(|(order, _)| order > said.order) {
            return;
        }
        let lines = said.lines();
        let mut guesses = lines
            .iter()
            .filter_map(|line| Software::of_line(&line.text, said.address));
        if let Some(software) = guesses.next_back() {
            *known = Some((said.order, software));
        }
    })?;
    let named = wanted.iter().zip(found);
    Ok(named
        .filter_map(|(name, found)| Some((*name, found?.1)))
        .collect())
}

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

/// What is known about one.
struct Sign {
    software: Software,
    /// The name of its recipe.
    name: &'static str,
    /// Lower case; any of these tells. In a banner, in an answer to EHLO, or in what follows a mail, with and without the code before it.
    texts: &'static [&'static str],
    /// The same for answers with a queue number. Sendmail logs them without their codes.
    queued: &'static [Queued],
}

/// What comes before a queue number, how it looks, what comes after it.
type Queued = (&'static str, fn(&str) -> bool, &'static str);

const ACCEPTED: &str = " message accepted for delivery";

/// The closed list.
const SIGNS: &[Sign] = &[
    // `inspect esmtp` writes X over STARTTLS in the answer to EHLO, and stars over the banner
    Sign {
        software: Software::Cisco,
        name: "cisco",
        texts: &["250-xxxxxxx", "250 xxxxxxx", "220 *****"],
        queued: &[],
    },
    Sign {
        software: Software::Postfix,
        name: "postfix",
        texts: &[
            "2.0.0 ok: queued as ",
            "dsn=2.0.0, stat=sent (ok: queued as ",
            " esmtp postfix",
        ],
        queued: &[],
    },
    Sign {
        software: Software::Exim,
        name: "exim",
        texts: &[" esmtp exim "],
        queued: &[("ok id=", is_exim, "")],
    },
    Sign {
        software: Software::Exchange,
        name: "exchange",
        texts: &["[internalid=", " microsoft esmtp mail service"],
        queued: &[],
    },
    Sign {
        software: Software::OpenSmtpd,
        name: "opensmtpd",
        texts: &[" esmtp opensmtpd"],
        queued: &[
            ("2.0.0 ", is_opensmtpd, ACCEPTED),
            ("stat=sent (", is_opensmtpd, ACCEPTED),
        ],
    },
    Sign {
        software: Software::Sendmail,
        name: "sendmail",
        texts: &[" esmtp sendmail "],
        queued: &[
            ("2.0.0 ", is_sendmail, ACCEPTED),
            ("stat=sent (", is_sendmail, ACCEPTED),
        ],
    },
];

impl Software {
    /// The word: the name of its recipe.
    pub fn name(self) -> &'static str {
        let sign = SIGNS.iter().find(|sign| sign.software == self);
        sign.map_or("", |sign| sign.name)
    }

    /// All there are.
    pub fn all() -> impl Iterator<Item = Software> {
        SIGNS.iter().map(|sign| sign.software)
    }

    /// By a log line about a session with the server at `address`, unless it quotes another one: mail that failed at one host may have gone
    /// to the next in the end.
    pub fn of_line(text: &str, address: &str) -> Option<Software> {
        let is_named = [format!("[{address}]"), format!("[IPv6:{address}]")]
            .iter()
            .any(|name| text.contains(name));
        let quotes_somebody = ["relay=", " said: "].iter().any(|word| text.contains(word));
        (is_named || !quotes_somebody).then(|| Software::guess(text))?
    }

    /// By what it said to us: a banner, an answer to EHLO, or what followed the mail. Nobody if two claim it.
    pub fn guess(said: &str) -> Option<Software> {
        let said = said.to_ascii_lowercase();
        let mut found = SIGNS.iter().filter(|sign| sign.fits(&said));
        match (found.next(), found.next()) {
            (Some(sign), None) => Some(sign.software),
            _ => None,
        }
    }
}

impl Sign {
    fn fits(&self, said: &str) -> bool {
        let number = |(before, is_number, after): &Queued| {
            said.match_indices(before).any(|(at, _)| {
                let rest = &said[at + before.len()..];
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
                let (number, rest) = rest.split_at(end.unwrap_or(rest.len()));
                is_number(number) && rest.starts_with(*after)
            })
        };
        self.texts.iter().any(|text| said.contains(text)) || self.queued.iter().any(number)
    }
}

/// `1tGzAB-0000Xy-2C`, since 4.97 `1tGzAB-00000001abc-2CdE`.
fn is_exim(number: &str) -> bool {
    let lengths: Vec<usize> = number.split('-').map(str::len).collect();
    matches!(lengths[..], [6, 6, 2] | [6, 11, 4])
}

/// `9f3c01ab`.
fn is_opensmtpd(number: &str) -> bool {
    number.len() == 8 && number.bytes().all(|b| b.is_ascii_hexdigit())
}

/// `5AKA01xY012345`: eight of the time, then the process id. Services that answer as Sendmail does have other numbers.
fn is_sendmail(number: &str) -> bool {
    let is_process = |process: &str| {
        matches!(process.len(), 6 | 7) && process.bytes().all(|b| b.is_ascii_digit())
    };
    number.len() >= 14 && number.is_char_boundary(8) && is_process(&number[8..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_host_said_is_not_taken_for_this_ones() {
        let of = |relay: &str| {
            let line =
                format!("relay={relay}, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4F1A01)");
            Software::of_line(&line, "192.0.2.1")
        };
        assert_eq!(of("mx.a.example[192.0.2.1]:25"), Some(Software::Postfix));
        assert_eq!(of("mx.a.example[192.0.2.10]:25"), None);
        assert_eq!(of("mx2.a.example[192.0.2.2]:25"), None);
        let transcript = "5AKA01xY012345: <-- 220 mx.a.example ESMTP Exim 4.96";
        assert_eq!(
            Software::of_line(transcript, "192.0.2.1"),
            Some(Software::Exim)
        );
    }

    #[test]
    fn what_servers_say() {
        use Software::{Cisco, Exchange, Exim, OpenSmtpd, Postfix, Sendmail};
        for (said, expected) in [
            (
                "status=sent (250 2.0.0 Ok: queued as 4F1A01)",
                Some(Postfix),
            ),
            (
                "dsn=2.0.0, stat=Sent (Ok: queued as 4gKjXy1Rw5z9sQ)",
                Some(Postfix),
            ),
            ("dsn=2.6.0, stat=Sent (Ok: queued as 4gKjXy1Rw5z9sQ)", None),
            ("220 mx.a.example ESMTP Postfix (Debian/GNU)", Some(Postfix)),
            ("status=sent (250 OK id=1tGzAB-0000Xy-2C)", Some(Exim)),
            ("stat=Sent (OK id=1tGzAB-00000001abc-2CdE)", Some(Exim)),
            ("status=sent (250 OK id=1tGzAB)", None),
            (
                "(250 2.6.0 <x@a.example> [InternalId=123, Hostname=EX1] 1234 bytes in 0.1, 10 KB/sec Queued mail for delivery)",
                Some(Exchange),
            ),
            (
                "220 mx.a.example ESMTP Sendmail 8.17.1/8.17.1; Fri",
                Some(Sendmail),
            ),
            (
                "(250 2.0.0 6AMNsV5w000278 Message accepted for delivery)",
                Some(Sendmail),
            ),
            (
                "stat=Sent (6AMNsV5w000278 Message accepted for delivery)",
                Some(Sendmail),
            ),
            (
                "stat=Sent (xF913CD7A6E Message accepted for delivery)",
                None,
            ),
            (
                "(250 2.0.0 4abcdefgh1-1 Message accepted for delivery)",
                None,
            ),
            ("220 mx.a.example ESMTP OpenSMTPD", Some(OpenSmtpd)),
            (
                "(250 2.0.0 9f3c01ab Message accepted for delivery)",
                Some(OpenSmtpd),
            ),
            ("220 ****************************2**", Some(Cisco)),
            ("250-XXXXXXXA", Some(Cisco)),
            // a relay that hands on what the one behind it said
            ("(250 2.0.0 Ok: queued as 4F1A01 [InternalId=1])", None),
            (
                "(250 2.0.0 OK  1795391672 a1-20020a05600c0a0100b003si15433265 - gsmtp)",
                None,
            ),
            ("250 2.0.0 x Message accepted for delivery", None),
            ("250 ok", None),
            ("", None),
        ] {
            assert_eq!(Software::guess(said), expected, "{said}");
        }
    }

    #[test]
    fn each_has_a_name_of_its_own() {
        let mut names: Vec<&str> = Software::all().map(Software::name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
