//! The progress bar, by bytes read. The only place that names indicatif; on a pipe, in cron and with `--no-progress` it draws nothing.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over a known number of bytes.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar on standard error if that is a terminal and it is wanted.
    pub fn new(bytes: u64, wanted: bool) -> Self {
        let shown = wanted && std::io::stderr().is_terminal();
        let target = if shown {
            ProgressDrawTarget::stderr_with_hz(8)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(bytes), target);
        if let Ok(style) = ProgressStyle::with_template(
            "{msg:24!} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        ) {
            bar.set_style(style);
        }
        Progress { bar }
    }

    /// What is being read now. Shown to a terminal, so control characters must have been taken out.
    pub fn reading(&self, name: &str) {
        self.bar.set_message(name.to_owned());
    }

    /// So many bytes of all have been read.
    pub fn at(&self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    /// Takes the bar away.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}
