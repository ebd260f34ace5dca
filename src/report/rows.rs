//! The rows of a section: made beforehand, or, where there may be a hundred thousand, one after the other as they are written down. So they
//! are not held all at once, and what only programs read is not made where a table is printed for people.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

use super::table::Value;

/// Makes the row at a place.
type Make = Rc<dyn Fn(usize) -> Vec<Value>>;

/// Rows of as many cells as there are columns.
#[derive(Clone)]
pub struct Rows(Kind);

#[derive(Clone)]
enum Kind {
    Made(Vec<Vec<Value>>),
    /// So many, to be made when they are wanted.
    Later(usize, Make),
}

impl Rows {
    /// One for each of many, made of it when it is wanted.
    pub fn of<T: 'static>(
        many: impl Into<Rc<Vec<T>>>,
        row: impl Fn(&T) -> Vec<Value> + 'static,
    ) -> Rows {
        let many = many.into();
        Rows(Kind::Later(many.len(), Rc::new(move |at| row(&many[at]))))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Kind::Made(rows) => rows.len(),
            Kind::Later(len, _) => *len,
        }
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps the first ones.
    pub fn truncate(&mut self, most: usize) {
        match &mut self.0 {
            Kind::Made(rows) => rows.truncate(most),
            Kind::Later(len, _) => *len = most.min(*len),
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Cow<'_, [Value]>> {
        (0..self.len()).map(|at| match &self.0 {
            Kind::Made(rows) => Cow::Borrowed(rows[at].as_slice()),
            Kind::Later(_, make) => Cow::Owned(make(at)),
        })
    }
}

impl From<Vec<Vec<Value>>> for Rows {
    fn from(rows: Vec<Vec<Value>>) -> Rows {
        Rows(Kind::Made(rows))
    }
}

impl FromIterator<Vec<Value>> for Rows {
    fn from_iter<I: IntoIterator<Item = Vec<Value>>>(rows: I) -> Rows {
        Rows(Kind::Made(rows.into_iter().collect()))
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
