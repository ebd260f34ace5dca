//! A report as a value: sections of columns and rows, with what is said before and after them.

pub use super::rows::Rows;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Aligned left, may be wrapped.
    Text,
    /// A sentence, set under its row where a line is short of room.
    Detail,
    /// Aligned right, never wrapped.
    Number,
    /// Never wrapped.
    Date,
    /// A picture made of signs, for people. Left out where no row has one, and on a page, which has real pictures.
    Picture,
}

/// One column. Some are for programs only, some for people only.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The field in JSON and CSV; empty if not for programs.
    pub name: &'static str,
    /// The heading in text and Markdown; empty if not for people.
    pub title: &'static str,
    /// What it holds.
    pub kind: Kind,
}

impl Column {
    /// For programs and people.
    pub const fn both(name: &'static str, title: &'static str, kind: Kind) -> Column {
        Column { name, title, kind }
    }

    /// For programs only.
    pub const fn field(name: &'static str, kind: Kind) -> Column {
        Column {
            name,
            title: "",
            kind,
        }
    }

    /// A sentence for people only.
    pub const fn detail(title: &'static str) -> Column {
        Column {
            name: "",
            title,
            kind: Kind::Detail,
        }
    }

    /// A picture made of signs.
    pub const fn picture(title: &'static str) -> Column {
        Column {
            name: "",
            title,
            kind: Kind::Picture,
        }
    }

    /// For people only.
    pub const fn prose(title: &'static str) -> Column {
        Column {
            name: "",
            title,
            kind: Kind::Text,
        }
    }
}

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Any text, perhaps from a log.
    Text(String),
    /// A count.
    Number(u64),
    /// Per cent, with one decimal.
    Share(f64),
    /// Seconds since 1970 UTC.
    Time(i64),
    /// Days since 1970 UTC.
    Day(i32),
    /// Several texts.
    List(Vec<String>),
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into())
    }

    /// `part` of `whole` in per cent; 0 of nothing.
    pub fn share(part: u64, whole: u64) -> Value {
        Value::Share(if whole == 0 {
            0.0
        } else {
            (1000.0 * part as f64 / whole as f64).round() / 10.0
        })
    }
}

/// Rows of one shape.
#[derive(Clone, Debug)]
pub struct Section {
    /// For people; may be empty.
    pub title: &'static str,
    /// The columns.
    pub columns: &'static [Column],
    /// The rows: as many cells as columns.
    pub rows: Rows,
}

/// Something said under the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A paragraph.
    Paragraph(String),
    /// An item of a list.
    Item(String),
    /// A line of a log or of a configuration file, as it is.
    Line(String),
}

/// A report.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// One sentence that says it all.
    pub headline: String,
    /// One of them has columns for programs.
    pub sections: Vec<Section>,
    /// What is said under the tables.
    pub notes: Vec<Note>,
    /// How many entries ask for action.
    pub to_do: usize,
}
