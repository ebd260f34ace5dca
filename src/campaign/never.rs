//! Who is never written to: where a letter about one server is pointless, or the address is nobody's.

use std::net::IpAddr;

/// Providers so large that no letter about one host reaches who could act on it; their own status pages and postmaster sites are the way.
const GIANTS: &[&str] = &[
    "126.com",
    "163.com",
    "aol.com",
    "gmail.com",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "google.com",
    "googlemail.com",
    "hotmail.com",
    "icloud.com",
    "live.com",
    "mail.ru",
    "me.com",
    "msn.com",
    "outlook.com",
    "proton.me",
    "protonmail.ch",
    "protonmail.com",
    "qq.com",
    "t-online.de",
    "web.de",
    "yahoo.co.jp",
    "yahoo.com",
    "yahoodns.net",
    "yandex.ru",
    "zoho.com",
];

/// Local parts that are an office and no person (RFC 2142 and custom): nobody there has exchanged mail with us as themselves.
const OFFICES: &[&str] = &[
    "abuse",
    "accounts",
    "admin",
    "administrator",
    "billing",
    "buchhaltung",
    "contact",
    "ftp",
    "help",
    "helpdesk",
    "hostmaster",
    "info",
    "kontakt",
    "mail",
    "marketing",
    "news",
    "noc",
    "office",
    "orders",
    "postmaster",
    "privacy",
    "registry",
    "rechnung",
    "root",
    "sales",
    "security",
    "service",
    "support",
    "tickets",
    "usenet",
    "uucp",
    "webmaster",
    "www",
];

/// Local parts whose mail nobody reads, or nobody who runs the mail server.
const UNREAD: &[&str] = &[
    "abuse",
    "bounce",
    "bounces",
    "devnull",
    "do-not-reply",
    "donotreply",
    "mailer-daemon",
    "no-reply",
    "no_reply",
    "noreply",
    "nobody",
    "null",
];

/// Endings that no public mail server has (RFC 2606, RFC 6761, RFC 7686, RFC 8375). The reserved names of documentation are not
/// among them: nobody else uses those, and tests do.
const ENDINGS: &[&str] = &[
    "onion",
    "localhost",
    "local",
    "localdomain",
    "internal",
    "invalid",
    "lan",
    "home",
    "corp",
    "arpa",
];

/// Whether an organisation or a domain belongs to one of the giants.
pub fn is_giant(name: &str) -> bool {
    GIANTS.iter().any(|giant| is_within(name, giant))
}

/// Whether an address is that of an office, not of a person.
pub fn is_office(address: &str) -> bool {
    let local = address.rsplit_once('@').map_or(address, |(local, _)| local);
    let head = local.split(['+', '-', '.', '_']).next().unwrap_or(local);
    OFFICES
        .iter()
        .any(|office| head.eq_ignore_ascii_case(office))
}

/// Whether mail to an address is read by nobody who could act on it.
pub fn is_unread(address: &str) -> bool {
    let local = address.rsplit_once('@').map_or(address, |(local, _)| local);
    let local = local.split('+').next().unwrap_or(local);
    UNREAD
        .iter()
        .any(|unread| local.eq_ignore_ascii_case(unread))
}

/// Whether an address is one of a private network (RFC 1918, RFC 6598, RFC 4193, link-local): no stranger's mail server is there.
/// Loopback is not among them: who has it read has said so.
pub fn is_private(address: &str) -> bool {
    match address
        .parse::<IpAddr>()
        .map(|address| address.to_canonical())
    {
        Ok(IpAddr::V4(address)) => {
            let [a, b, ..] = address.octets();
            address.is_private() || address.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        Ok(IpAddr::V6(address)) => {
            let head = address.segments()[0];
            head & 0xfe00 == 0xfc00 || head & 0xffc0 == 0xfe80
        }
        Err(_) => false,
    }
}

/// Whether a name is one that mail can be addressed to from outside: a host name with a dot (RFC 5321 section 4.1.2, RFC 1123), no
/// address, no private ending.
pub fn is_public(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253
        && name.contains('.')
        && name.split('.').all(label)
        && !last.bytes().all(|b| b.is_ascii_digit())
        && !ENDINGS.contains(&last)
}

/// Whether `name` is `domain` or below it.
pub fn is_within(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_can_be_written_to() {
        for good in ["a.example", "mail.xn--bcher-kva.example", "4.example"] {
            assert!(is_public(good), "{good}");
        }
        for bad in [
            "",
            "localhost",
            "host",
            "a..example",
            "-a.example",
            "192.0.2.1",
            "[192.0.2.1]",
            "a b.example",
            "a\r\nb.example",
            "x.onion",
            "printer.local",
            "b\u{fc}cher.example",
            "a_b.example",
        ] {
            assert!(!is_public(bad), "{bad}");
        }
    }

    #[test]
    fn an_office_is_no_person() {
        for office in ["Info@a.example", "support+7@a.example", "abuse@a.example"] {
            assert!(is_office(office), "{office}");
        }
        for person in ["ann@a.example", "informatik@a.example", "newsome@a.example"] {
            assert!(!is_office(person), "{person}");
        }
    }

    #[test]
    fn some_addresses_are_nobodys() {
        for unread in [
            "noreply@a.example",
            "No-Reply@a.example",
            "abuse+1@a.example",
        ] {
            assert!(is_unread(unread), "{unread}");
        }
        assert!(!is_unread("postmaster@a.example") && !is_unread("nora@a.example"));
        for private in [
            "10.1.2.3",
            "192.168.0.1",
            "100.64.0.1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_private(private), "{private}");
        }
        for public in ["192.0.2.1", "100.128.0.1", "2001:db8::1", "127.0.0.1", ""] {
            assert!(!is_private(public), "{public}");
        }
    }

    #[test]
    fn giants_are_known_with_all_their_hosts() {
        assert!(is_giant("gmail.com") && is_giant("mx.google.com"));
        assert!(!is_giant("notgmail.com"));
    }
}
