//! When each process is to be looked at, to forget those that are gone.
//!
//! Times come nearly in their order, and of those that are due at once all are asked for together: entries wait in the minute they are due
//! in, in no order. It knows keys and times, and no process.

use std::collections::BTreeMap;

use super::process::Key;

/// Seconds that are kept together.
const SPAN: i64 = 60;

/// How many lists are kept to be used again.
const SPARE: usize = 64;

/// Keys and when they are due.
#[derive(Debug, Default)]
pub struct Due {
    spans: BTreeMap<i64, Vec<(i64, Key)>>,
    len: usize,
    spare: Vec<Vec<(i64, Key)>>,
}

impl Due {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds one. The same key may wait several times.
    pub fn push(&mut self, at: i64, key: Key) {
        self.spans
            .entry(at.div_euclid(SPAN))
            .or_insert_with(|| self.spare.pop().unwrap_or_default())
            .push((at, key));
        self.len += 1;
    }

    /// Takes out all that are due before `limit`.
    pub fn take_before(&mut self, limit: i64) -> Vec<(i64, Key)> {
        let at_limit = limit.div_euclid(SPAN);
        let mut taken = Vec::new();
        while let Some(first) = self.spans.first_entry().filter(|f| *f.key() < at_limit) {
            let mut span = first.remove();
            taken.append(&mut span);
            if self.spare.len() < SPARE {
                self.spare.push(span);
            }
        }
        if let Some(span) = self.spans.get_mut(&at_limit) {
            taken.extend(span.extract_if(.., |(at, _)| *at < limit));
        }
        self.len -= taken.len();
        taken
    }

    /// Drops those that are not to be kept.
    pub fn retain(&mut self, mut is_kept: impl FnMut(i64, Key) -> bool) {
        for span in self.spans.values_mut() {
            span.retain(|(at, key)| is_kept(*at, *key));
        }
        self.spans.retain(|_, span| !span.is_empty());
        self.len = self.spans.values().map(Vec::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_taken_when_due_and_not_before() {
        let mut due = Due::default();
        for at in (-200..200).rev() {
            due.push(at, (0, at.unsigned_abs() as u32));
        }
        let mut taken = due.take_before(-61);
        taken.sort_unstable();
        assert_eq!((taken[0].0, taken.len(), taken[138].0), (-200, 139, -62));
        assert_eq!(due.take_before(-61), []);
        assert_eq!(due.len(), 261);
        due.retain(|at, _| at % 2 == 0);
        let times: Vec<i64> = due.take_before(7).iter().map(|(at, _)| *at).collect();
        assert_eq!(times.len(), 34);
        assert!(times.iter().all(|at| *at < 7 && at % 2 == 0));
        assert_eq!(due.take_before(1000).len(), due_between(8, 199));
        assert_eq!(due.len(), 0);
    }

    fn due_between(first: i64, last: i64) -> usize {
        (first..=last).filter(|at| at % 2 == 0).count()
    }
}
