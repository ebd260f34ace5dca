//! A log that can be read only once: standard input.
//!
//! What must be looked at before it is known where to begin is kept: its first 64 KiB, and the last few bytes read. So the reader
//! can stand at the start again as long as no more than that was read, or go on right where it is with the bytes before it, which
//! is what recognising a log and going on with it take ([`super::identity`]). Memory is bounded; nothing is written to disk.

use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::identity::{SkipTo, TAIL};

/// How much of the start is kept: what is looked at to see whether it is a log, and from which year.
pub(super) const KEPT: usize = 64 * 1024;

/// The one reader of a stream, which its source and whoever reads it share.
#[derive(Clone)]
pub struct Stream(Arc<Mutex<Pipe>>);

struct Pipe {
    /// Uncompressed; stands at `end`.
    rest: Box<dyn Read + Send>,
    /// The first bytes.
    head: Vec<u8>,
    /// The bytes before `end`.
    recent: Vec<u8>,
    /// How many bytes were read from `rest`.
    end: u64,
    /// Where the reader stands; not beyond `end`.
    at: u64,
    /// What `rest` failed with: told each time reading gets to that place.
    failed: Option<(ErrorKind, String)>,
    read: Arc<AtomicU64>,
}

impl Stream {
    /// Reads the head. What fails there is told when reading gets to that place.
    pub(super) fn new(mut rest: Box<dyn Read + Send>) -> Stream {
        let mut head = Vec::new();
        let failed = rest
            .by_ref()
            .take(KEPT as u64)
            .read_to_end(&mut head)
            .err()
            .map(in_words);
        let end = head.len() as u64;
        Stream(Arc::new(Mutex::new(Pipe {
            rest,
            recent: head[head.len().saturating_sub(TAIL)..].to_vec(),
            head,
            end,
            at: 0,
            failed,
            read: Arc::new(AtomicU64::new(end)),
        })))
    }

    /// The first 64 KiB, or all there is, and whether it ended with an error.
    pub(super) fn head(&self) -> (Vec<u8>, Option<io::Error>) {
        let pipe = self.pipe();
        let failed = pipe.failed.clone();
        (
            pipe.head.clone(),
            failed.map(|(kind, said)| io::Error::new(kind, said)),
        )
    }

    /// Goes back to the start: of what was read since, the head and the last KiB are still there.
    pub(super) fn rewind(&self) -> Stream {
        self.pipe().at = 0;
        self.clone()
    }

    /// How many uncompressed bytes have been read.
    pub(super) fn end(&self) -> u64 {
        self.pipe().end
    }

    /// The same, to be watched from elsewhere.
    pub(super) fn progress(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.pipe().read)
    }

    fn pipe(&self) -> MutexGuard<'_, Pipe> {
        // a reader that died left nothing half done: each field is set once its bytes are there
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pipe {
    /// What is kept at the place where the reader stands.
    fn kept(&self) -> io::Result<&[u8]> {
        let recent_start = self.end - self.recent.len() as u64;
        let from =
            |kept: &'_ [u8], start: u64| usize::try_from(self.at - start).unwrap_or(kept.len());
        if self.at < self.head.len() as u64 {
            Ok(&self.head[from(&self.head, 0)..])
        } else if self.at >= recent_start {
            Ok(&self.recent[from(&self.recent, recent_start)..])
        } else {
            Err(io::Error::new(
                ErrorKind::Unsupported,
                "standard input cannot be read again",
            ))
        }
    }

    fn read_on(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Some((kind, said)) = self.failed.clone() {
            return Err(io::Error::new(kind, said));
        }
        let n = match self.rest.read(out) {
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                self.failed = Some(in_words(error));
                return self.read_on(out);
            }
            other => other?,
        };
        self.recent
            .extend_from_slice(&out[n.saturating_sub(TAIL)..n]);
        let surplus = self.recent.len().saturating_sub(TAIL);
        self.recent.drain(..surplus);
        self.end += n as u64;
        self.at = self.end;
        self.read.store(self.end, Ordering::Relaxed);
        Ok(n)
    }
}

fn in_words(error: io::Error) -> (ErrorKind, String) {
    (error.kind(), error.to_string())
}

impl Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut pipe = self.pipe();
        if pipe.at == pipe.end {
            return pipe.read_on(out);
        }
        let kept = pipe.kept()?;
        let n = kept.len().min(out.len());
        out[..n].copy_from_slice(&kept[..n]);
        pipe.at += n as u64;
        Ok(n)
    }
}

impl SkipTo for Stream {
    fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        let ahead = {
            let mut pipe = self.pipe();
            pipe.at = offset.min(pipe.end);
            offset - pipe.at
        };
        io::copy(&mut self.take(ahead), &mut io::sink()).map(|_| ())
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream at {}", self.pipe().at)
    }
}

impl PartialEq for Stream {
    fn eq(&self, other: &Stream) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Stream {}

#[cfg(test)]
mod tests {
    use super::super::lines::{LastLine, Lines};
    use super::super::{Fingerprint, Match};
    use super::*;

    fn text(lines: usize) -> Vec<u8> {
        (0..lines)
            .flat_map(|i| format!("Nov  2 10:00:01 host postfix/smtp[{i}]: x\n").into_bytes())
            .collect()
    }

    fn stream(text: &[u8]) -> Stream {
        Stream::new(Box::new(io::Cursor::new(text.to_vec())))
    }

    fn print(text: &[u8]) -> Fingerprint {
        let mut lines = Lines::new(text, LastLine::Leave);
        while lines.next_line().unwrap().is_some() {}
        lines.fingerprint().unwrap()
    }

    #[test]
    fn its_start_can_be_read_again_and_the_rest_follows() {
        let text = text(5000);
        let stream = stream(&text);
        assert_eq!(stream.head().0, text[..KEPT]);
        let mut found = vec![0; 1000];
        stream.rewind().read_exact(&mut found).unwrap();
        found.clear();
        stream.rewind().read_to_end(&mut found).unwrap();
        assert_eq!(found, text);
        assert_eq!(stream.end(), text.len() as u64);
    }

    #[test]
    fn it_is_recognised_and_read_on_from_where_it_was_wherever_that_is() {
        let text = text(8000);
        for lines in [1, 20, 200, 1500, 1600, 1700, 4000, 7999, 8000] {
            let old = print(
                &text
                    .split_inclusive(|b| *b == b'\n')
                    .take(lines)
                    .collect::<Vec<_>>()
                    .concat(),
            );
            let stream = stream(&text);
            let found = old.find_in(&mut stream.rewind()).unwrap();
            assert_eq!(
                found,
                Match::Same {
                    resume_at: old.offset
                },
                "{lines}"
            );
            let mut rest = Lines::resume(stream.rewind(), old.offset, LastLine::Leave).unwrap();
            assert_eq!(rest.fingerprint(), Some(old));
            let mut more = 0;
            while rest.next_line().unwrap().is_some() {
                more += 1;
            }
            assert_eq!(
                (more, rest.fingerprint()),
                (8000 - lines, Some(print(&text)))
            );
        }
    }

    #[test]
    fn what_is_no_longer_kept_cannot_be_read_again() {
        let stream = stream(&text(5000));
        io::copy(&mut stream.rewind(), &mut io::sink()).unwrap();
        let error = io::copy(&mut stream.rewind(), &mut io::sink()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}
