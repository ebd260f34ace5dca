//! Knows a log again by what is in it, wherever it has gone.
//!
//! A fingerprint is taken at a line boundary: a hash of the first bytes of the file (up to 4096, fewer while it is small) and one of
//! the last bytes before the boundary (up to 1024). Both are of uncompressed bytes, so renaming, rotating, copying and compressing
//! a file change nothing. Head and tail hold time stamps and process ids; two logs that agree in both are the same log.
//!
//! Inode, size and modification time are not looked at: they may save opening a file, they do not say what it is.

use std::io::{self, Read, Seek, SeekFrom};

use serde::{Deserialize, Serialize};

/// Most bytes of the start of a file that count.
pub(super) const HEAD: usize = 4096;
/// Most bytes before the position that count.
pub(super) const TAIL: usize = 1024;

/// What a log is known by, and how far it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// How many bytes of the start are hashed; 1 to 4096.
    pub head_len: u32,
    /// FNV-1a, 64 bits.
    pub head_hash: u64,
    /// Read up to here, in uncompressed bytes; never 0.
    pub offset: u64,
    /// How many bytes before `offset` are hashed; up to 1024.
    pub tail_len: u32,
    /// FNV-1a, 64 bits.
    pub tail_hash: u64,
}

/// What a file is to a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// The file that was read before, perhaps grown.
    Same {
        /// Where to go on, in uncompressed bytes.
        resume_at: u64,
    },
    /// It begins like the file that was read before, but ends before the position.
    Shorter,
    /// It begins like it and is different at the position: edited, or truncated and written anew.
    Rewritten,
    /// Another file.
    Other,
}

/// Readers that can go forward to an offset.
pub trait SkipTo {
    /// Goes on to `offset` bytes from the start, which must not lie behind. Beyond the end is the end.
    fn skip_to(&mut self, offset: u64) -> io::Result<()>;
}

impl<T: AsRef<[u8]>> SkipTo for io::Cursor<T> {
    fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        self.seek(SeekFrom::Start(offset)).map(|_| ())
    }
}

impl Fingerprint {
    /// The fingerprint at `offset` of a file that begins with `head` and has `tail` right before `offset`.
    pub fn new(head: &[u8], offset: u64, tail: &[u8]) -> Fingerprint {
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Fingerprint {
            head_len: len(head),
            head_hash: hash(head),
            offset,
            tail_len: len(tail),
            tail_hash: hash(tail),
        }
    }

    /// Whether a file that begins with these bytes (its first 4096, or all) can be the one. Cheap: [`Fingerprint::find_in`] does the rest.
    pub fn begins(&self, head: &[u8]) -> bool {
        let len = usize::try_from(self.head_len).unwrap_or(usize::MAX);
        len > 0
            && head
                .get(..len)
                .is_some_and(|head| hash(head) == self.head_hash)
    }

    /// Compares with the file of a reader that stands at its start.
    pub fn find_in(&self, reader: &mut (impl Read + SkipTo)) -> io::Result<Match> {
        let head = read_head(reader)?;
        if !self.begins(&head) {
            return Ok(Match::Other);
        }
        let tail_start = self.offset.saturating_sub(self.tail_len.into());
        let mut tail = Vec::new();
        match usize::try_from(tail_start) {
            Ok(start) if start < head.len() => tail.extend_from_slice(&head[start..]),
            _ => reader.skip_to(tail_start)?,
        }
        let wanted = usize::try_from(self.tail_len).unwrap_or(usize::MAX);
        tail.truncate(wanted);
        reader
            .by_ref()
            .take((wanted - tail.len()) as u64)
            .read_to_end(&mut tail)?;
        Ok(match tail.len() < wanted {
            true => Match::Shorter,
            false if hash(&tail) == self.tail_hash => Match::Same {
                resume_at: self.offset,
            },
            false => Match::Rewritten,
        })
    }
}

/// The first 4096 bytes of a file, or all it has: of a damaged file, all that can be had.
pub fn read_head(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD);
    match reader.by_ref().take(HEAD as u64).read_to_end(&mut head) {
        Err(error) if head.is_empty() => Err(error),
        _ => Ok(head),
    }
}

/// FNV-1a: the same on every machine and in every version, which the hashes of the standard library do not promise.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn text(lines: usize) -> Vec<u8> {
        (0..lines)
            .flat_map(|i| {
                format!("Nov  2 10:00:{:02} host postfix/smtp[{i}]: x\n", i % 60).into_bytes()
            })
            .collect()
    }

    fn print(text: &[u8]) -> Fingerprint {
        let (head, tail) = (text.len().min(HEAD), text.len().saturating_sub(TAIL));
        Fingerprint::new(&text[..head], text.len() as u64, &text[tail..])
    }

    fn find(print: &Fingerprint, file: &[u8]) -> Match {
        print.find_in(&mut Cursor::new(file)).unwrap()
    }

    #[test]
    fn ok_hash_is_the_published_one() {
        assert_eq!(hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(hash(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn ok_grown_file_is_the_same() {
        for lines in [1, 2, 30, 100, 500] {
            let (short, long) = (text(lines), text(lines + 200));
            let same = Match::Same {
                resume_at: short.len() as u64,
            };
            assert_eq!(
                (find(&print(&short), &short), find(&print(&short), &long)),
                (same, same)
            );
        }
    }

    #[test]
    fn ok_shorter_rewritten_other() {
        let old = text(500);
        assert_eq!(find(&print(&old), &text(300)), Match::Shorter);
        let mut edited = old.clone();
        edited[old.len() - 3] = b'y';
        assert_eq!(find(&print(&old), &edited), Match::Rewritten);
        let mut other = old.clone();
        other[10] = b'1';
        assert_eq!(find(&print(&old), &other), Match::Other);
        assert_eq!(find(&print(&old), b""), Match::Other);
        assert_eq!(find(&print(&old), &text(2)), Match::Other);
    }
}
