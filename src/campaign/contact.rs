//! Whom to write to: the operator's own contact first, else the postmaster, whom every domain that takes mail must have (RFC 5321
//! section 4.5.1).

use crate::outcome::Direction;
use crate::store::addressees::Contact;

use super::never::is_public;

/// Where an address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The operator has set it.
    Own,
    /// `postmaster@` the mail domain.
    Domain,
    /// `postmaster@` who runs the hosts: one letter for all its domains.
    Operator,
    /// Somebody our users exchange mail with.
    Correspondent,
}

impl Source {
    /// The word shown.
    pub fn name(self) -> &'static str {
        match self {
            Source::Own => "contact",
            Source::Domain => "postmaster of the domain",
            Source::Operator => "postmaster of the operator",
            Source::Correspondent => "correspondent",
        }
    }
}

/// The address, and where it comes from. `domains` are those the letter is about, most mail first.
pub fn find(
    contacts: &[Contact],
    direction: Direction,
    organisation: &str,
    domains: &[&str],
) -> Option<(String, Source)> {
    if let Some(address) = own(contacts, organisation, domains) {
        return is_address(address).then(|| (address.to_string(), Source::Own));
    }
    // Who sends to us may write any domain on it: only the client's own name counts.
    let of_domain = match (direction, domains) {
        (Direction::Outbound, [only]) => Some((*only, Source::Domain)),
        _ => None,
    };
    let (name, source) = of_domain.unwrap_or((organisation, Source::Operator));
    is_public(name).then(|| (format!("postmaster@{name}"), source))
}

/// The operator's own contact. One for a domain is told of no other: with several domains in the letter it must be that of each.
fn own<'c>(contacts: &'c [Contact], organisation: &str, domains: &[&str]) -> Option<&'c str> {
    let of = |name: &str| {
        let contact = contacts.iter().find(|contact| contact.name == name)?;
        Some(contact.address.as_str())
    };
    of(organisation).or_else(|| {
        let first = of(domains.first()?)?;
        let is_same = |name: &&str| of(name) == Some(first);
        domains.iter().all(is_same).then_some(first)
    })
}

/// Whether a text is an address we would write to: `local@domain` with a local part of atoms and dots (RFC 5321 section 4.1.2), one line, nothing
/// that could become another header or address.
pub fn is_address(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(local, domain)| {
        is_public(&domain.to_ascii_lowercase())
            && local.len() <= 64
            && local.split('.').all(is_atom)
    })
}

/// Whether an address is known to whoever reads a letter about this organisation and these domains: a postmaster's there. Any other may be a
/// person's, or tell with whom else we exchange mail.
pub fn is_known(address: &str, organisation: &str, domains: &[&str]) -> bool {
    address.rsplit_once('@').is_some_and(|(local, domain)| {
        let domain = domain.to_ascii_lowercase();
        local.eq_ignore_ascii_case("postmaster")
            && (domain == organisation || domains.contains(&domain.as_str()))
    })
}

fn is_atom(text: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    !text.is_empty() && text.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_own_contact_comes_first_then_the_postmaster() {
        let own = [Contact {
            name: "b.example".into(),
            address: "ann@b.example".into(),
            note: String::new(),
        }];
        let address =
            |organisation, domains: &[&str]| find(&own, Direction::Outbound, organisation, domains);
        let to = |address: &str, source| Some((address.to_string(), source));
        assert_eq!(
            address("host.example", &["b.example"]),
            to("ann@b.example", Source::Own)
        );
        assert_eq!(
            address("b.example", &["x.example", "y.example"]),
            to("ann@b.example", Source::Own)
        );
        assert_eq!(
            address("host.example", &["x.example"]),
            to("postmaster@x.example", Source::Domain)
        );
        assert_eq!(
            address("host.example", &["x.example", "y.example"]),
            to("postmaster@host.example", Source::Operator)
        );
        assert_eq!(
            find(
                &own,
                Direction::Inbound,
                "host.example",
                &["forged.example"]
            ),
            to("postmaster@host.example", Source::Operator)
        );
        assert_eq!(address("", &["bad name"]), None);
        // The contact of one domain is not told of another.
        for domains in [["b.example", "x.example"], ["x.example", "b.example"]] {
            assert_eq!(
                address("host.example", &domains),
                to("postmaster@host.example", Source::Operator)
            );
        }
    }

    #[test]
    fn postmasters_of_those_a_letter_is_about_may_be_named_in_it_and_nobody_else() {
        let known = |address| is_known(address, "host.example", &["a.example", "b.example"]);
        assert!(known("postmaster@host.example") && known("Postmaster@A.example"));
        for other in ["postmaster@c.example", "ann@a.example", "", "postmaster"] {
            assert!(!known(other), "{other}");
        }
    }

    #[test]
    fn addresses_are_one_plain_mailbox() {
        assert!(is_address("postmaster@mail.example") && is_address("a+b@xn--bcher-kva.example"));
        for bad in [
            "",
            "a",
            "a@b",
            "a b@c.example",
            "a@c.example\r\nBcc: x@y.example",
            "a@c.example,b@d.example",
            "<a@c.example>",
            "@c.example",
            ".a@c.example",
            "a.@c.example",
            "a..b@c.example",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
