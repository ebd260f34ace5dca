//! The shapes of lines that were not recognised, counted: the first few hundred ever met, and all others together.
//!
//! Which shapes are counted by themselves depends on the order of the lines alone: a batch knows those of the store before it
//! begins. What a shape is, is the parsers' business.

use hashbrown::HashMap;
use rusqlite::{Connection, params};

use super::commit::integer;
use super::{Result, Store, natural};

/// How many shapes are counted by themselves. Strangers can make as many as they like.
const MOST_SHAPES: usize = 300;
/// What all others are counted under. No shape is empty.
const OTHERS: &str = "";

/// One shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The shape; empty for all those there was no room for.
    pub shape: String,
    /// How many lines.
    pub n: u64,
    /// The first of them, in seconds since 1970 UTC.
    pub first: i64,
    /// The last of them.
    pub last: i64,
}

/// The shapes known, with what is to be added to each.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    counts: HashMap<String, (u64, i64, i64)>,
}

impl Shapes {
    pub(super) fn know(&mut self, known: Vec<Shape>) {
        for shape in known {
            self.counts.entry(shape.shape).or_insert((0, 0, 0));
        }
    }

    pub(super) fn add(&mut self, shape: &str, at: i64) {
        // The others take a place too, which makes the number one less once they are there: so they always have it.
        let known = self.counts.len() - usize::from(self.counts.contains_key(OTHERS));
        let key = match self.counts.contains_key(shape) || known < MOST_SHAPES {
            true => shape,
            false => OTHERS,
        };
        match self.counts.get_mut(key) {
            Some(count @ (0, ..)) => *count = (1, at, at),
            Some((n, first, last)) => {
                *n += 1;
                (*first, *last) = ((*first).min(at), (*last).max(at));
            }
            None => {
                self.counts.insert(key.to_owned(), (1, at, at));
            }
        }
    }

    /// Keeps the shapes, and nothing to be added.
    pub(super) fn clear(&mut self) {
        self.counts.values_mut().for_each(|c| *c = (0, 0, 0));
    }

    pub(super) fn write(&self, connection: &Connection) -> Result<()> {
        let mut statement = connection.prepare_cached(
            "INSERT INTO shape (shape, n, first_seen, last_seen) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (shape) DO UPDATE SET n = n + excluded.n, first_seen = MIN(first_seen, excluded.first_seen),
               last_seen = MAX(last_seen, excluded.last_seen)",
        )?;
        let mut rows: Vec<_> = self.counts.iter().filter(|(_, (n, ..))| *n > 0).collect();
        rows.sort_unstable();
        for (shape, (n, first, last)) in rows {
            statement.execute(params![shape, integer(*n), first, last])?;
        }
        Ok(())
    }
}

impl Store {
    /// The shapes of all lines that were not recognised, the most frequent first.
    pub fn shapes(&self) -> Result<Vec<Shape>> {
        let sql = "SELECT shape, n, first_seen, last_seen FROM shape ORDER BY n DESC, shape";
        let mut statement = self.connection.prepare_cached(sql)?;
        let shapes = statement.query_map([], |row| {
            Ok(Shape {
                shape: row.get(0)?,
                n: natural(row, 1)?,
                first: row.get(2)?,
                last: row.get(3)?,
            })
        })?;
        Ok(shapes.collect::<rusqlite::Result<_>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Batch;

    fn shapes(runs: &[&[usize]]) -> Vec<Shape> {
        let mut store = Store::in_memory().unwrap();
        for run in runs {
            let mut batch = Batch::new(false);
            batch.know_shapes(store.shapes().unwrap());
            for (at, number) in run.iter().enumerate() {
                batch.add_shape(&format!("p: {number}"), at as i64);
            }
            store.commit(&mut batch, &[], "", None).unwrap();
        }
        store.shapes().unwrap()
    }

    #[test]
    fn strangers_cannot_make_the_table_grow() {
        let many: Vec<usize> = (0..1000).collect();
        let found = shapes(&[&many, &many]);
        assert_eq!(found.len(), MOST_SHAPES + 1);
        assert_eq!((found[0].shape.as_str(), found[0].n), (OTHERS, 1400));
    }

    #[test]
    fn the_cut_between_runs_makes_no_difference() {
        let all: Vec<usize> = (0..400).chain(0..400).collect();
        let counts = |found: Vec<Shape>| -> Vec<(String, u64)> {
            found.into_iter().map(|s| (s.shape, s.n)).collect()
        };
        let whole = counts(shapes(&[&all]));
        for cut in [1, 299, 300, 301, 350, 420, 799] {
            let (one, two) = all.split_at(cut);
            assert_eq!(counts(shapes(&[one, two])), whole, "cut at {cut}");
        }
    }
}
