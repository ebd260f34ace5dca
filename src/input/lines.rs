//! Blocks to lines.
//!
//! Reads 256 KiB at a time, gives each line as a slice of the block, and knows at every line boundary where to go on next time
//! ([`Lines::fingerprint`]). It does not look into the lines.
//!
//! NUL bytes end a line like a line feed does, and are no line by themselves: a crash leaves them in place of what was not written to the
//! disk yet, and a file that was truncated under its writer begins with them. What follows them is a line of its own.
//!
//! A line of more than 1 MiB is no log line: its first MiB is given, the rest skipped, and [`Lines::cut`] counts it. A last line
//! without line feed is given if nothing can follow it ([`LastLine::Final`]); in a log that is still being written it is left
//! for the next run.

use std::io::{self, ErrorKind, Read};

use super::identity::{Fingerprint, HEAD, SkipTo, TAIL};

const BLOCK: usize = 256 * 1024;
/// The longest line that is given whole, in bytes.
pub const MAX_LINE: usize = 1024 * 1024;

/// What to do with a last line that has no line feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastLine {
    /// Nothing can follow: give it.
    Final,
    /// Its end may still be written: leave it for the next run.
    Leave,
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Where it starts, in uncompressed bytes.
    pub offset: u64,
    /// The line without its line feed and without one carriage return before that.
    pub bytes: &'a [u8],
}

/// The lines of one reader.
pub struct Lines<R> {
    reader: R,
    /// `history..start` was given already and is kept for the fingerprint, `start..end` was not.
    buffer: Vec<u8>,
    history: usize,
    start: usize,
    /// Up to here there is no line feed after `start`.
    searched: usize,
    end: usize,
    /// The first NUL byte after `searched`, or `end` if there is none: looking for it line by line would cost every log what few need.
    nul: usize,
    /// Offset of `start`.
    offset: u64,
    /// Bytes of the line at `start` that were thrown away because it is too long, and where in the buffer they are missing.
    skipped: u64,
    seam: usize,
    /// The first bytes of the file, as far as read.
    head: Vec<u8>,
    last_line: LastLine,
    cut: u64,
}

impl<R: Read> Lines<R> {
    /// The lines of a reader that stands at the start of its file.
    pub fn new(reader: R, last_line: LastLine) -> Lines<R> {
        Lines {
            reader,
            buffer: vec![0; BLOCK],
            history: 0,
            start: 0,
            searched: 0,
            end: 0,
            nul: 0,
            offset: 0,
            skipped: 0,
            seam: 0,
            head: Vec::new(),
            last_line,
            cut: 0,
        }
    }

    /// The next line; `None` at the end. After an error (a compressed file that ends too early, a broken disk) every whole line
    /// before it has been given, and [`Lines::position`] is still right.
    pub fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            self.skip_nuls();
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[self.searched..self.nul]) {
                let end = self.searched + at;
                return Ok(Some(self.take(end, end + 1)));
            }
            if self.nul < self.end {
                let end = self.nul;
                self.nul = self.next_nul(end + 1);
                return Ok(Some(self.take(end, end + 1)));
            }
            self.searched = self.end;
            self.skip_rest_of_long_line();
            if self.fill()? {
                continue;
            }
            if self.start == self.end || self.last_line == LastLine::Leave {
                return Ok(None);
            }
            return Ok(Some(self.take(self.end, self.end)));
        }
    }

    /// Where the next line starts: what to remember to go on from here.
    pub fn position(&self) -> u64 {
        self.offset
    }

    /// How many bytes after [`Lines::position`] were read and left because their line has no end yet. Tells something only after
    /// [`Lines::next_line`] returned `None`.
    pub fn torn(&self) -> u64 {
        (self.end - self.start) as u64 + self.skipped
    }

    /// How many lines were cut at 1 MiB.
    pub fn cut(&self) -> u64 {
        self.cut
    }

    /// What the file is known by next time, at the current position; `None` before the first line.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        if self.offset == 0 {
            return None;
        }
        let head_len = usize::try_from(self.offset)
            .map_or(HEAD, |offset| offset.min(HEAD))
            .min(self.head.len());
        let tail_start = self.history.max(self.start.saturating_sub(TAIL));
        Some(Fingerprint::new(
            &self.head[..head_len],
            self.offset,
            &self.buffer[tail_start..self.start],
        ))
    }

    /// The reader, for its progress.
    pub fn reader(&self) -> &R {
        &self.reader
    }

    /// Steps over the NUL bytes in front of a line.
    fn skip_nuls(&mut self) {
        let waiting = &self.buffer[self.start..self.end];
        if self.skipped > 0 || waiting.first() != Some(&0) {
            return;
        }
        let nuls = waiting
            .iter()
            .position(|b| *b != 0)
            .unwrap_or(waiting.len());
        self.start += nuls;
        self.offset += nuls as u64;
        self.searched = self.searched.max(self.start);
        self.nul = self.next_nul(self.searched);
    }

    /// The first NUL byte at `from` or after it, else `end`.
    fn next_nul(&self, from: usize) -> usize {
        memchr::memchr(0, &self.buffer[from..self.end]).map_or(self.end, |at| from + at)
    }

    fn take(&mut self, end: usize, next: usize) -> Line<'_> {
        let (start, offset) = (self.start, self.offset);
        self.offset += (next - start) as u64 + self.skipped;
        if self.skipped > 0 {
            self.history = self.seam;
        }
        (self.start, self.searched) = (next, next);
        let long = self.skipped > 0 || end - start > MAX_LINE;
        self.cut += u64::from(long);
        self.skipped = 0;
        let bytes = &self.buffer[start..end.min(start + MAX_LINE)];
        Line {
            offset,
            bytes: bytes.strip_suffix(b"\r").unwrap_or(bytes),
        }
    }

    /// Keeps the first MiB of a line without end, and forgets what follows.
    fn skip_rest_of_long_line(&mut self) {
        let kept = self.start + MAX_LINE;
        if self.end > kept {
            self.skipped += (self.end - kept) as u64;
            self.end = kept;
            (self.searched, self.seam, self.nul) = (kept, kept, kept);
        }
    }

    /// Reads one block more. `false` at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        self.make_room();
        let read = loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        let new = &self.buffer[self.end..self.end + read];
        let wanted = HEAD - self.head.len();
        self.head.extend_from_slice(&new[..wanted.min(read)]);
        // Whoever reads on has found no NUL byte in what is there.
        let before = self.end;
        self.end += read;
        self.nul = self.next_nul(before);
        Ok(read > 0)
    }

    /// Moves the unfinished line, and the bytes before it that the fingerprint needs, to the front.
    fn make_room(&mut self) {
        let keep = self.history.max(self.start.saturating_sub(TAIL));
        if keep > 0 {
            self.buffer.copy_within(keep..self.end, 0);
            self.history = 0;
            self.start -= keep;
            self.searched -= keep;
            self.nul -= keep;
            self.seam = self.seam.saturating_sub(keep);
            self.end -= keep;
        }
        if self.buffer.len() - self.end < BLOCK / 2 {
            self.buffer.resize(self.end + BLOCK, 0);
        }
    }
}

impl<R: Read + SkipTo> Lines<R> {
    /// The lines from an offset on, which must be a line boundary, as [`Fingerprint::offset`] is. The reader must stand at its start.
    /// A file that ends before the offset is an error of kind `UnexpectedEof`.
    pub fn resume(mut reader: R, offset: u64, last_line: LastLine) -> io::Result<Lines<R>> {
        let mut head = Vec::new();
        reader
            .by_ref()
            .take(offset.min(HEAD as u64))
            .read_to_end(&mut head)?;
        let mut tail = Vec::new();
        let tail_start = offset.saturating_sub(TAIL as u64);
        // a file smaller than both has its tail in its head
        match usize::try_from(tail_start) {
            Ok(start) if start < head.len() => tail.extend_from_slice(&head[start..]),
            _ => reader.skip_to(tail_start)?,
        }
        let wanted = offset - tail_start - tail.len() as u64;
        reader.by_ref().take(wanted).read_to_end(&mut tail)?;
        if tail_start + tail.len() as u64 != offset {
            return Err(io::Error::new(
                ErrorKind::UnexpectedEof,
                "the file is shorter than what was read of it before",
            ));
        }
        let mut lines = Lines::new(reader, last_line);
        lines.buffer[..tail.len()].copy_from_slice(&tail);
        (lines.start, lines.searched) = (tail.len(), tail.len());
        (lines.end, lines.nul) = (tail.len(), tail.len());
        (lines.offset, lines.head) = (offset, head);
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// Gives at most `step` bytes at a time, as pipes do.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let n = self.0.len().min(self.1).min(out.len());
            out[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn all(reader: impl Read, last: LastLine) -> Vec<(u64, String)> {
        let mut lines = Lines::new(reader, last);
        let mut out = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            out.push((
                line.offset,
                String::from_utf8_lossy(line.bytes).into_owned(),
            ));
        }
        out
    }

    #[test]
    fn ok_lines_and_offsets_whatever_the_blocks() {
        let text = b"one\r\ntwo\n\nfour\r\r\nfive";
        let expected = [
            (0, "one"),
            (5, "two"),
            (9, ""),
            (10, "four\r"),
            (17, "five"),
        ]
        .map(|(o, s)| (o, s.to_owned()));
        for step in 1..=text.len() {
            assert_eq!(all(Slow(text, step), LastLine::Final), expected);
            assert_eq!(all(Slow(text, step), LastLine::Leave), expected[..4]);
        }
        assert_eq!(all(&b""[..], LastLine::Final), []);
    }

    #[test]
    fn ok_nul_bytes_end_a_line_and_are_none() {
        let text = b"\0\0one\ntw\0\0\0three\r\nfour\n\0\0";
        let expected =
            [(2, "one"), (6, "tw"), (11, "three"), (18, "four")].map(|(o, s)| (o, s.to_owned()));
        for step in 1..=text.len() {
            assert_eq!(all(Slow(text, step), LastLine::Leave), expected);
            assert_eq!(all(Slow(text, step), LastLine::Final), expected);
        }
        let hole = [b"one\ntw".as_slice(), &[0; 3 * BLOCK], b"three\n"].concat();
        let after = 6 + 3 * BLOCK as u64;
        let expected = [(0, "one"), (4, "tw"), (after, "three")].map(|(o, s)| (o, s.to_owned()));
        assert_eq!(all(&hole[..], LastLine::Leave), expected);
    }

    #[test]
    fn ok_half_line_is_left_and_found_again_when_complete() {
        let mut lines = Lines::new(&b"one\ntw"[..], LastLine::Leave);
        while lines.next_line().unwrap().is_some() {}
        assert_eq!((lines.position(), lines.torn()), (4, 2));
        let mut lines = Lines::resume(Cursor::new(b"one\ntwo\n"), 4, LastLine::Leave).unwrap();
        assert_eq!(
            lines.next_line().unwrap(),
            Some(Line {
                offset: 4,
                bytes: b"two"
            })
        );
        assert_eq!((lines.position(), lines.torn()), (8, 0));
    }

    #[test]
    fn ok_long_line_is_cut_and_the_next_one_is_whole() {
        for extra in [0, 1, 5, BLOCK, 3 * BLOCK + 7] {
            let mut text = vec![b'x'; MAX_LINE + extra];
            text.extend_from_slice(b"\nnext\n");
            let mut lines = Lines::new(Slow(&text, 70_000), LastLine::Final);
            assert_eq!(lines.next_line().unwrap().unwrap().bytes.len(), MAX_LINE);
            assert_eq!(lines.cut(), u64::from(extra > 0));
            let print = lines.fingerprint().unwrap();
            assert_eq!(
                print.find_in(&mut Cursor::new(&text)).unwrap(),
                super::super::Match::Same {
                    resume_at: lines.position()
                }
            );
            let next = lines.next_line().unwrap().unwrap();
            assert_eq!(
                (next.offset, next.bytes),
                ((MAX_LINE + extra + 1) as u64, &b"next"[..])
            );
            assert!(lines.next_line().unwrap().is_none());
        }
    }

    #[test]
    fn ok_resumed_anywhere_the_fingerprint_is_the_same() {
        let text: Vec<u8> = (0..400)
            .flat_map(|i| format!("line {i} {}\n", "y".repeat(i % 90)).into_bytes())
            .collect();
        let mut whole = Lines::new(Slow(&text, 1000), LastLine::Final);
        let mut prints = Vec::new();
        while whole.next_line().unwrap().is_some() {
            prints.push(whole.fingerprint().unwrap());
        }
        for (at, print) in prints.iter().enumerate().step_by(17) {
            let mut lines =
                Lines::resume(Cursor::new(&text), print.offset, LastLine::Final).unwrap();
            assert_eq!(lines.fingerprint().as_ref(), Some(print));
            for later in &prints[at + 1..] {
                assert!(lines.next_line().unwrap().is_some());
                assert_eq!(lines.fingerprint().as_ref(), Some(later));
            }
        }
    }

    #[test]
    fn err_resume_beyond_the_end() {
        let error = Lines::resume(Cursor::new(b"one\n"), 5000, LastLine::Final)
            .err()
            .unwrap();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
}
