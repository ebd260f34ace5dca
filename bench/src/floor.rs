//! `floor FILE`: finds the ends of the lines of a file, and nothing else: what reading a log costs at the least.
//!
//! It reads blocks of 256 KiB and looks for line feeds, as the reader of `tlsnag` does. What `tlsnag` costs is told as a multiple of
//! it, because that multiple is nearly the same on every machine. It prints octets and lines, so that nobody can leave the work out.

use std::env;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::process::ExitCode;

/// As much as `tlsnag` reads at once.
const BLOCK: usize = 1 << 18;

fn main() -> ExitCode {
    let mut stderr = io::stderr();
    let counted = match env::args_os().nth(1) {
        Some(path) => File::open(path).and_then(count),
        None => Err(io::Error::new(
            ErrorKind::InvalidInput,
            "expected the name of a log, found nothing",
        )),
    };
    let said = counted
        .and_then(|(octets, lines)| writeln!(io::stdout(), "{octets} octets, {lines} lines"));
    match said {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // an error that cannot be told is still one
            let _ = writeln!(stderr, "floor: {error}");
            ExitCode::from(2)
        }
    }
}

/// Octets and lines of what can be read; a last line without an end is one too.
fn count(mut log: impl Read) -> io::Result<(usize, usize)> {
    let mut block = vec![0; BLOCK];
    let (mut octets, mut lines, mut open) = (0, 0, false);
    loop {
        let read = match log.read(&mut block) {
            Ok(0) => return Ok((octets, lines + usize::from(open))),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let mut rest = &block[..read];
        while let Some(end) = memchr::memchr(b'\n', rest) {
            lines += 1;
            rest = &rest[end + 1..];
        }
        open = !rest.is_empty();
        octets += read;
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, count};

    #[test]
    fn every_line_counts_once_wherever_a_block_ends() {
        assert_eq!(count(&b""[..]).unwrap(), (0, 0));
        assert_eq!(count(&b"a\n\nb"[..]).unwrap(), (4, 3));
        for before in [BLOCK - 2, BLOCK - 1, BLOCK, BLOCK + 1] {
            let mut log = vec![b'x'; before];
            log.extend(b"\nlast\n");
            assert_eq!(count(&log[..]).unwrap(), (before + 6, 2), "{before}");
        }
    }

    #[test]
    fn a_last_line_without_an_end_counts_when_it_fills_its_block() {
        assert_eq!(count(&vec![b'x'; BLOCK][..]).unwrap(), (BLOCK, 1));
    }
}
