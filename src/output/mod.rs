//! Everything that reaches a terminal or a pipe goes through here.

mod print;
mod progress;

pub use print::{Printer, error, shows_unicode};
pub use progress::Progress;
