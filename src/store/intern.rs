//! Numbers for values that come again and again: each value is kept once, in the order of its first coming.

use std::hash::{BuildHasher, Hash};

use hashbrown::{DefaultHashBuilder, Equivalent, HashTable};

/// The values met so far. Seeded hashing: the names are chosen by strangers.
#[derive(Debug)]
pub(super) struct Interner<T> {
    numbers: HashTable<u32>,
    values: Vec<T>,
    hasher: DefaultHashBuilder,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Interner {
            numbers: HashTable::new(),
            values: Vec::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl<T: Eq + Hash> Interner<T> {
    /// The number of the value that `known` is equivalent to, and hashes as; `own` makes it if it is new.
    pub(super) fn number<Q: Hash + Equivalent<T>>(
        &mut self,
        known: &Q,
        own: impl FnOnce() -> T,
    ) -> u32 {
        let (values, hasher) = (&mut self.values, &self.hasher);
        let hash = hasher.hash_one(known);
        let is_known = |number: &u32| known.equivalent(&values[*number as usize]);
        if let Some(number) = self.numbers.find(hash, is_known) {
            return *number;
        }
        // OK to narrow: four thousand million names do not fit into memory.
        let number = values.len() as u32;
        values.push(own());
        self.numbers
            .insert_unique(hash, number, |n| hasher.hash_one(&values[*n as usize]));
        number
    }

    /// Forgets all values, and keeps the room they took.
    pub(super) fn clear(&mut self) {
        self.numbers.clear();
        self.values.clear();
    }

    /// The values, by number.
    pub(super) fn values(&self) -> &[T] {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_one_number() {
        let mut names = Interner::default();
        let first: Vec<u32> = (0..1000)
            .map(|i| names.number(&format!("name{i}"), || format!("name{i}")))
            .collect();
        let again: Vec<u32> = (0..1000)
            .map(|i| names.number(&format!("name{i}"), || unreachable!("{i} is known")))
            .collect();
        assert_eq!(first, again);
        assert_eq!(names.values()[17], "name17");
        assert_eq!(names.values().len(), 1000);
    }
}
