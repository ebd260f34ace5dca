//! Whom the operator wants written to about a name, and who does not want to be written to. That nobody of the latter gets a letter,
//! `outreach` sees to when one is about to go out.

use rusqlite::{Connection, params};

use super::{Result, Store};

/// Somebody who is not to be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// An address, a domain, or an organisation; in lower case.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Since when, in seconds since 1970 UTC.
    pub at: i64,
}

impl Suppression {
    /// Whether it speaks of an address, a domain or a host: of this one, or of anything below this domain. A name without a dot stands for
    /// itself alone: nobody who types `com` means everybody there.
    pub fn covers(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        if self.name.is_empty() || self.name.contains('@') {
            return !name.is_empty() && name == self.name;
        }
        let domain = name.rsplit_once('@').map_or(name.as_str(), |(_, d)| d);
        let is_below = |rest: &str| self.name.contains('.') && rest.ends_with('.');
        domain
            .strip_suffix(self.name.as_str())
            .is_some_and(|rest| rest.is_empty() || is_below(rest))
    }
}

/// A name as logs have it, of what people type and paste: `<Postmaster@A.Example>`, `@a.example`, `*.a.example`, `a.example.`,
/// `b\u{fc}cher.example` (RFC 5891).
pub fn plain_name(text: &str) -> String {
    let text = text.trim();
    let inner = text
        .strip_suffix('>')
        .and_then(|text| text.rsplit_once('<'));
    let name = inner.map_or(text, |(_, inner)| inner).trim().to_lowercase();
    let name = name.strip_prefix("mailto:").unwrap_or(&name);
    let (local, domain) = name.rsplit_once('@').unwrap_or(("", name));
    let domain = domain.trim_start_matches("*.").trim_matches('.');
    let domain = idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_string());
    match local {
        "" => domain,
        local => format!("{local}@{domain}"),
    }
}

/// Whom to write to about a domain or an organisation, as the operator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// A domain or an organisation, in lower case.
    pub name: String,
    /// The address.
    pub address: String,
    /// The operator's own words.
    pub note: String,
}

impl Store {
    /// Nobody of this name is written to any more. `false` if it was known already; then the first reason stays.
    pub fn suppress(&mut self, name: &str, reason: &str, now: i64) -> Result<bool> {
        suppress(&self.connection, name, reason, now)
    }

    /// Takes a suppression back, by hand. `false` if there is none.
    pub fn unsuppress(&mut self, name: &str) -> Result<bool> {
        let wanted = plain_name(name);
        let transaction = self.connection.transaction()?;
        let mut found = false;
        // Earlier versions kept names as they were typed.
        for stored in names(&transaction)? {
            if plain_name(&stored) == wanted {
                transaction.execute("DELETE FROM suppression WHERE name = ?1", [&stored])?;
                found = true;
            }
        }
        transaction.commit()?;
        Ok(found)
    }

    /// All suppressions, by name.
    pub fn suppressions(&self) -> Result<Vec<Suppression>> {
        suppressions(&self.connection)
    }

    /// Whom to write to about `name`. An empty address takes the contact away: `false` if there was none.
    pub fn set_contact(&mut self, name: &str, address: &str, note: &str, now: i64) -> Result<bool> {
        let name = plain_name(name);
        let changed = match address.trim() {
            "" => self
                .connection
                .execute("DELETE FROM contact WHERE name = ?1", [name])?,
            address => self.connection.execute(
                "INSERT OR REPLACE INTO contact (name, address, note, at) VALUES (?1, ?2, ?3, ?4)",
                params![name, address, note, now],
            )?,
        };
        Ok(changed > 0)
    }

    /// The operator's own contacts, by name.
    pub fn contacts(&self) -> Result<Vec<Contact>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT name, address, note FROM contact ORDER BY name")?;
        let all = statement.query_map([], |row| {
            Ok(Contact {
                name: row.get(0)?,
                address: row.get(1)?,
                note: row.get(2)?,
            })
        })?;
        Ok(all.collect::<rusqlite::Result<_>>()?)
    }
}

/// See [`Store::suppress`]; as a part of what else is done at once.
pub(super) fn suppress(
    connection: &Connection,
    name: &str,
    reason: &str,
    now: i64,
) -> Result<bool> {
    let name = plain_name(name);
    if name.is_empty() {
        // Of no name: it would stand there and silence nobody.
        return Ok(false);
    }
    let added = connection.execute(
        "INSERT INTO suppression (name, reason, at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        params![name, reason, now],
    )?;
    Ok(added == 1)
}

/// See [`Store::suppressions`].
pub(super) fn suppressions(connection: &Connection) -> Result<Vec<Suppression>> {
    let mut statement =
        connection.prepare_cached("SELECT name, reason, at FROM suppression ORDER BY name")?;
    let all = statement.query_map([], |row| {
        let name: String = row.get(0)?;
        Ok(Suppression {
            name: plain_name(&name),
            reason: row.get(1)?,
            at: row.get(2)?,
        })
    })?;
    Ok(all.collect::<rusqlite::Result<_>>()?)
}

/// The names of all suppressions, as they are stored.
fn names(connection: &Connection) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached("SELECT name FROM suppression")?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_or_pasted_is_the_name_that_logs_have() {
        for (typed, name) in [
            (" A.Example. ", "a.example"),
            ("<Postmaster@a.example>", "postmaster@a.example"),
            ("Ann B. <ann@a.example.>", "ann@a.example"),
            ("mailto:ann@a.example", "ann@a.example"),
            ("@a.example", "a.example"),
            ("*.a.example", "a.example"),
            ("b\u{fc}cher.example", "xn--bcher-kva.example"),
            ("ann@B\u{dc}CHER.example", "ann@xn--bcher-kva.example"),
            ("mx_1.a.example", "mx_1.a.example"),
            ("", ""),
            ("<>", ""),
        ] {
            assert_eq!(plain_name(typed), name, "{typed}");
        }
    }

    #[test]
    fn a_domain_covers_what_is_below_it_and_an_address_itself() {
        let covers = |name: &str, other: &str| {
            let suppression = Suppression {
                name: name.into(),
                reason: String::new(),
                at: 1,
            };
            suppression.covers(other)
        };
        for other in [
            "a.example",
            "Sub.A.example",
            "ann@a.example",
            "ann@sub.a.example",
        ] {
            assert!(covers("a.example", other), "{other}");
        }
        for other in [
            "ba.example",
            "example",
            "ann@ba.example",
            "a.example.org",
            "",
        ] {
            assert!(!covers("a.example", other), "{other}");
        }
        assert!(covers("ann@a.example", "Ann@a.example"));
        assert!(!covers("ann@a.example", "joann@a.example"));
        assert!(!covers("ann@a.example", "a.example"));
        assert!(!covers("example", "a.example") && !covers("", "a.example"));
    }

    #[test]
    fn what_an_earlier_version_kept_as_it_was_typed_holds_and_can_be_taken_back() {
        let mut store = Store::in_memory().unwrap();
        let sql = "INSERT INTO suppression (name, reason, at) VALUES ('@a.example.', '', 1)";
        store.connection.execute(sql, []).unwrap();
        assert!(store.suppressions().unwrap()[0].covers("a.example"));
        assert!(store.unsuppress("a.example").unwrap());
        assert!(!store.unsuppress("a.example").unwrap());
        assert!(!store.suppress("  ", "opt-out", 1).unwrap());
        assert!(store.suppressions().unwrap().is_empty());
    }

    #[test]
    fn a_contact_is_set_and_taken_away() {
        let mut store = Store::in_memory().unwrap();
        store
            .set_contact("A.Example.", "ann@a.example", "by phone", 1)
            .unwrap();
        assert_eq!(store.contacts().unwrap()[0].name, "a.example");
        store.set_contact("a.example", "", "", 2).unwrap();
        assert!(store.contacts().unwrap().is_empty());
    }
}
