//! Which mail servers wrote the logs, as far as their tags tell: whose settings advice should name.

use crate::store::{Result, Store};

/// The mail servers seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Servers {
    /// Postfix: tags of several parts.
    pub postfix: bool,
    /// Sendmail: tags of one.
    pub sendmail: bool,
}

const SQL: &str = "SELECT tag FROM service ORDER BY tag";

/// The mail servers of this store.
pub fn find_servers(store: &Store) -> Result<Servers> {
    let mut statement = store.connection().prepare_cached(SQL)?;
    let tags = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut servers = Servers::default();
    for tag in tags {
        match tag?.contains('/') {
            true => servers.postfix = true,
            false => servers.sendmail = true,
        }
    }
    Ok(servers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture::{self, outbound};

    #[test]
    fn tags_tell_the_server() {
        let store = fixture::store([outbound("example.org").build()]);
        assert!(find_servers(&store).is_ok_and(|s| s.postfix != s.sendmail));
        assert_eq!(
            find_servers(&Store::in_memory().unwrap()).unwrap(),
            Servers::default()
        );
    }
}
