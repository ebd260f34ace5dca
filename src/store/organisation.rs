//! The organisation behind a host name: its registrable domain by the Public Suffix List (`mx1.mail.example.co.uk` is
//! `example.co.uk`'s). A name under an unlisted top-level domain counts with its last two labels.

use std::net::IpAddr;

/// The registrable domain of the host, or else of the domain; empty for addresses and for names that have none.
pub(super) fn organisation(host: &str, domain: &str) -> String {
    [host, domain]
        .into_iter()
        .find_map(registrable)
        .unwrap_or_default()
        .to_owned()
}

/// The public suffix of a host name (`gov.uk`, `com`); `None` for addresses.
pub fn public_suffix(name: &str) -> Option<&str> {
    bare_name(name).and_then(psl::suffix_str)
}

/// The registrable domain of a host name; `None` for addresses and for names that have none.
pub fn registrable(name: &str) -> Option<&str> {
    bare_name(name).and_then(psl::domain_str)
}

/// A name, if it is no address.
fn bare_name(name: &str) -> Option<&str> {
    let bare = name.trim_matches(['[', ']']);
    let is_address = bare.contains(':') || bare.parse::<IpAddr>().is_ok();
    (!bare.is_empty() && !is_address).then_some(bare)
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
