//! A random number of this store, for what nobody outside may be able to compute.

use super::bookmark::load_state;
use super::{Result, Store};

impl Store {
    /// The secret of this store, 256 bits in hexadecimal digits: drawn when it is first asked for, the same ever after. SQLite has its random
    /// numbers from those of the system.
    pub fn secret(&self) -> Result<String> {
        // Of two runs at once the first one's holds for both.
        let draw = "INSERT OR IGNORE INTO state (name, value) VALUES ('secret', LOWER(HEX(RANDOMBLOB(32))))";
        self.connection.execute(draw, [])?;
        Ok(load_state(&self.connection, "secret")?.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use crate::store::fixture;

    #[test]
    fn each_store_has_one_and_keeps_it() {
        let (one, other) = (fixture::store([]), fixture::store([]));
        let secret = one.secret().unwrap();
        assert_eq!(secret.len(), 64);
        assert_eq!(one.secret().unwrap(), secret);
        assert_ne!(other.secret().unwrap(), secret);
    }
}
