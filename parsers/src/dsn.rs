//! Enhanced status codes (RFC 3463) and what became of a delivery.

/// An enhanced mail system status code, `class.subject.detail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dsn(pub u8, pub u16, pub u16);

impl Dsn {
    /// Reads `2.0.0`; the class is one digit, the others one to three (RFC 3463 section 2).
    pub fn parse(text: &[u8]) -> Option<Dsn> {
        let mut parts = text.split(|b| *b == b'.');
        let class = number(parts.next()?)?;
        let (subject, detail) = (number(parts.next()?)?, number(parts.next()?)?);
        (parts.next().is_none() && class < 10).then_some(Dsn(class as u8, subject, detail))
    }
}

impl std::fmt::Display for Dsn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

fn number(text: &[u8]) -> Option<u16> {
    if text.is_empty() || text.len() > 3 {
        return None;
    }
    text.iter().try_fold(0u16, |n, b| {
        b.is_ascii_digit().then(|| n * 10 + u16::from(b - b'0'))
    })
}

/// What the log says became of one recipient. Never derived from the status code: `dsn=5.7.606, status=deferred` exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// The peer took responsibility.
    Sent,
    /// Will be tried again. Postfix `SOFTBOUNCE` too.
    Deferred,
    /// Given up.
    Bounced,
    /// An address probe or `sendmail -bv`: a real session, but no mail (`deliverable`, `undeliverable`).
    Probed,
}

impl Status {
    /// The word stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Status::Sent => "sent",
            Status::Deferred => "deferred",
            Status::Bounced => "bounced",
            Status::Probed => "probed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ok_and_err() {
        assert_eq!(Dsn::parse(b"5.7.606"), Some(Dsn(5, 7, 606)));
        assert_eq!(
            Dsn::parse(b"2.0.0").map(|d| d.to_string()).as_deref(),
            Some("2.0.0")
        );
        for bad in [
            &b"2.0"[..],
            b"2.0.0.0",
            b"",
            b"a.b.c",
            b"2..0",
            b"2.0.1000",
            b"22.0.0",
        ] {
            assert_eq!(Dsn::parse(bad), None, "{:?}", String::from_utf8_lossy(bad));
        }
    }
}
