//! Gives names numbers: a hundred thousand of them are met again and again, and a number is compared, and kept, at less cost than a name.

use std::hash::{BuildHasher, Hash};

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

/// Numbers of names, in the order in which they were met.
pub(super) struct Numbers<N> {
    hasher: DefaultHashBuilder,
    /// By the hash of the name, which is kept: to read all names again each time the table grows takes longer than all else.
    numbers: HashTable<(u64, u32)>,
    /// The names by number.
    pub(super) names: Vec<N>,
}

impl<N> Default for Numbers<N> {
    fn default() -> Numbers<N> {
        Numbers {
            hasher: DefaultHashBuilder::default(),
            numbers: HashTable::new(),
            names: Vec::new(),
        }
    }
}

impl<N: Hash + Eq> Numbers<N> {
    /// The number of this name, the next one if it is new.
    pub(super) fn number(&mut self, name: N) -> u32 {
        let hash = self.hasher.hash_one(&name);
        let names = &mut self.names;
        let is_same =
            |(as_hash, number): &(u64, u32)| *as_hash == hash && names[*number as usize] == name;
        match self.numbers.entry(hash, is_same, |(hash, _)| *hash) {
            Entry::Occupied(known) => known.get().1,
            Entry::Vacant(free) => {
                // OK to narrow: no store has 2^32 peers.
                let number = names.len() as u32;
                free.insert((hash, number));
                names.push(name);
                number
            }
        }
    }
}
