//! Whom the operator wants written to about a name, and who does not want to be written to. That nobody of the latter gets a letter,
//! `outreach` sees to when one is about to go out.

use rusqlite::params;

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
        let added = self.connection.execute(
            "INSERT INTO suppression (name, reason, at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            params![name.trim().to_lowercase(), reason, now],
        )?;
        Ok(added == 1)
    }

    /// Takes a suppression back, by hand. `false` if there is none.
    pub fn unsuppress(&mut self, name: &str) -> Result<bool> {
        let sql = "DELETE FROM suppression WHERE name = ?1";
        Ok(self.connection.execute(sql, [name.trim().to_lowercase()])? == 1)
    }

    /// All suppressions, by name.
    pub fn suppressions(&self) -> Result<Vec<Suppression>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT name, reason, at FROM suppression ORDER BY name")?;
        let all = statement.query_map([], |row| {
            Ok(Suppression {
                name: row.get(0)?,
                reason: row.get(1)?,
                at: row.get(2)?,
            })
        })?;
        Ok(all.collect::<rusqlite::Result<_>>()?)
    }

    /// Whom to write to about `name`. An empty address takes the contact away.
    pub fn set_contact(&mut self, name: &str, address: &str, note: &str, now: i64) -> Result<()> {
        let name = name.trim().trim_end_matches('.').to_lowercase();
        match address.trim() {
            "" => self
                .connection
                .execute("DELETE FROM contact WHERE name = ?1", [name])?,
            address => self.connection.execute(
                "INSERT OR REPLACE INTO contact (name, address, note, at) VALUES (?1, ?2, ?3, ?4)",
                params![name, address, note, now],
            )?,
        };
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

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
