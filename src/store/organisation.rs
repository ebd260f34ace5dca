//! The organisation behind a host name: its registrable domain by the Public Suffix List (`mx1.mail.example.co.uk` is
//! `example.co.uk`'s). A name under an unlisted top-level domain counts with its last two labels.

use std::net::IpAddr;

/// The registrable domain of the host, or else of the domain; empty for addresses and for names that have none.
pub(super) fn organisation(host: &str, domain: &str) -> String {
    [host, domain]
        .into_iter()
        .find_map(registrable)
        .unwrap_or_default()
}

/// Whether a host name has a registrable domain: it is neither a public suffix nor a single label.
pub fn is_below_public_suffix(name: &str) -> bool {
    registrable(name).is_some()
}

fn registrable(name: &str) -> Option<String> {
    let bare = name.trim_matches(['[', ']']);
    if bare.is_empty() || bare.contains(':') || bare.parse::<IpAddr>().is_ok() {
        return None;
    }
    psl::domain_str(bare).map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::organisation;

    #[test]
    fn ok_names_and_what_has_none() {
        for (host, domain, expected) in [
            ("mx1.mail.example.co.uk", "example.org", "example.co.uk"),
            ("", "lists.example.org", "example.org"),
            ("192.0.2.1", "", ""),
            ("[192.0.2.1]", "[IPv6:2001:db8::1]", ""),
            ("localhost", "", ""),
            ("co.uk", "", ""),
            ("", "", ""),
        ] {
            assert_eq!(organisation(host, domain), expected, "{host} {domain}");
        }
    }
}
