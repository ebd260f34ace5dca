//! Lines, and what each says by itself: read, framed and parsed in a thread of its own, while another takes in what they say together.
//!
//! Whatever a line says only after others (the parts of a record that a container runtime cut, the entries of a journal) is left to the
//! reader, so that all memory of lines is in one place. What waits is bounded. The thread ends with the text, with an error, or when
//! nobody listens any more.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use maillog::{Framed, Line};
use self_cell::self_cell;

use crate::input::{Fingerprint, Lines, stands_alone};

/// How much text is handed over at once, and how many such blocks may wait. With what was parsed of them they stay in the caches.
const BLOCK: usize = 32 * 1024;
const WAITING: usize = 8;
/// How many bytes lie between two places where a reading may stop; to make out such a place costs a hash of 5 KiB.
const STOP_BYTES: u64 = 1024 * 1024;

/// A line.
#[derive(Debug)]
pub(super) struct ParsedLine<'a> {
    /// Where it starts, in uncompressed bytes.
    pub(super) offset: u64,
    /// The line without its end.
    pub(super) bytes: &'a [u8],
    /// What it is and what it says; `None` if that takes more than this line.
    pub(super) said: Option<(Framed<'a>, Line<'a>)>,
}

/// The lines of a block of text.
type ParsedLines<'a> = Vec<ParsedLine<'a>>;

/// Whole lines, one after the other, and where each starts in its source.
#[derive(Debug, Default)]
struct Text {
    bytes: Vec<u8>,
    lines: Vec<(u64, Range<usize>)>,
    stop: Option<Fingerprint>,
}

self_cell!(
    /// A block of text with its lines.
    pub(super) struct Block {
        owner: Text,
        #[covariant]
        dependent: ParsedLines,
    }
);

impl Block {
    fn parse(text: Text) -> Block {
        Block::new(text, |text| {
            let mut lines = Vec::with_capacity(text.lines.len());
            for (offset, range) in &text.lines {
                let bytes = &text.bytes[range.clone()];
                let line = lines.push_mut(ParsedLine {
                    offset: *offset,
                    bytes,
                    said: None,
                });
                if stands_alone(bytes) {
                    parse_into(&mut line.said, bytes);
                }
            }
            lines
        })
    }

    /// Its lines.
    pub(super) fn lines(&self) -> &[ParsedLine<'_>] {
        self.borrow_dependent()
    }

    /// What the source is known by at the end of the block, if a reading may stop there.
    pub(super) fn stop(&self) -> Option<Fingerprint> {
        self.borrow_owner().stop.clone()
    }
}

/// What a line says by itself, written to where it stays: it is too large to be handed up from function to function.
fn parse_into<'a>(said: &mut Option<(Framed<'a>, Line<'a>)>, line: &'a [u8]) {
    let framed = maillog::framing::parse_line(line);
    let (framed, says) = said.insert((framed, Line::Irrelevant));
    *says = parse_framed(framed);
}

/// What a framed line says. Only a record says anything.
pub(super) fn parse_framed<'a>(framed: &Framed<'a>) -> Line<'a> {
    match framed {
        Framed::Record(record) => maillog::mta::parse_text(record).1,
        Framed::Repeated { .. } | Framed::Noise | Framed::Unframed => Line::Irrelevant,
    }
}

/// The end of a source, or of what can be read of it.
#[derive(Debug)]
pub(super) struct End {
    /// Why nothing came after it, if that is not the end of the source. All whole lines before it have been given.
    pub(super) error: Option<io::Error>,
    /// Where the next reading goes on, in uncompressed bytes.
    pub(super) position: u64,
    /// What the source is known by there; `None` at its start.
    pub(super) fingerprint: Option<Fingerprint>,
}

enum Message {
    Block(Block),
    End(End),
}

/// The near end of the thread. What was taken in goes back, so that its memory is used again: if one thread takes it and another
/// gives it back, that costs more than to fill it.
pub(super) struct Ahead {
    messages: Receiver<Message>,
    done: Sender<Block>,
}

impl Ahead {
    /// Starts to read. Fails if no thread can be had.
    pub(super) fn of<R: Read + Send + 'static>(lines: Lines<R>) -> io::Result<Ahead> {
        let (sender, messages) = sync_channel(WAITING);
        let (done, back) = channel();
        thread::Builder::new().spawn(move || send_all(lines, &sender, &back))?;
        Ok(Ahead { messages, done })
    }

    /// The next lines, or that there are none.
    pub(super) fn next(&self) -> io::Result<Result<Block, End>> {
        match self.messages.recv() {
            Ok(Message::Block(block)) => Ok(Ok(block)),
            Ok(Message::End(end)) => Ok(Err(end)),
            // It sends an end before it ends.
            Err(_) => Err(io::Error::other("reading ahead broke down")),
        }
    }

    /// Gives a block back.
    pub(super) fn done(&self, block: Block) {
        self.done.send(block).ok();
    }
}

/// Sends block after block, and the end.
fn send_all<R: Read>(mut lines: Lines<R>, messages: &SyncSender<Message>, back: &Receiver<Block>) {
    let mut next_stop = lines.position() + STOP_BYTES;
    loop {
        let mut text = back.try_recv().map(Block::into_owner).unwrap_or_default();
        let read = fill(&mut text, &mut lines);
        if lines.position() >= next_stop {
            next_stop = lines.position() + STOP_BYTES;
            text.stop = lines.fingerprint();
        }
        let ends = !matches!(read, Ok(true));
        if !text.lines.is_empty() && messages.send(Message::Block(Block::parse(text))).is_err() {
            return;
        }
        if ends {
            let end = End {
                error: read.err(),
                position: lines.position(),
                fingerprint: lines.fingerprint(),
            };
            messages.send(Message::End(end)).ok();
            return;
        }
    }
}

/// Takes in lines until there are enough. `false` if there are no more.
fn fill<R: Read>(text: &mut Text, lines: &mut Lines<R>) -> io::Result<bool> {
    text.bytes.clear();
    text.lines.clear();
    text.stop = None;
    text.bytes.reserve(2 * BLOCK);
    while text.bytes.len() < BLOCK {
        let Some(line) = lines.next_line()? else {
            return Ok(false);
        };
        let start = text.bytes.len();
        text.bytes.extend_from_slice(line.bytes);
        text.lines.push((line.offset, start..text.bytes.len()));
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::LastLine;

    const LINE: &str = "Nov  2 10:00:01 mail postfix/smtp[7]: 4F1A01: to=<a@b.example>, relay=none, delay=1, delays=0/0/1/0, dsn=4.4.1, status=deferred (x)";

    /// Gives its text, then fails.
    struct Failing(io::Cursor<Vec<u8>>);

    impl Read for Failing {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            match self.0.read(out)? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                n => Ok(n),
            }
        }
    }

    /// Offset, length and whether it is an event, of each line; the stops; and the end.
    fn all(reader: impl Read + Send + 'static) -> (Vec<(u64, usize, bool)>, Vec<u64>, End) {
        let ahead = Ahead::of(Lines::new(reader, LastLine::Final)).unwrap();
        let (mut lines, mut stops) = (Vec::new(), Vec::new());
        loop {
            match ahead.next().unwrap() {
                Err(end) => return (lines, stops, end),
                Ok(block) => {
                    lines.extend(block.lines().iter().map(|line| {
                        let is_event = matches!(line.said, Some((_, Line::Event(_))));
                        (line.offset, line.bytes.len(), is_event)
                    }));
                    stops.extend(block.stop().map(|here| here.offset));
                    ahead.done(block);
                }
            }
        }
    }

    #[test]
    fn all_lines_come_in_their_order_whatever_the_blocks() {
        for count in [0, 1, 2, 500, 3 * BLOCK / LINE.len() + 7, 20_000] {
            let text = format!("{LINE}\n").repeat(count);
            let length = text.len() as u64;
            let (lines, stops, end) = all(io::Cursor::new(text.into_bytes()));
            let expected: Vec<_> = (0..count)
                .map(|n| ((n * (LINE.len() + 1)) as u64, LINE.len(), true))
                .collect();
            assert!(lines == expected, "{count}");
            assert_eq!((end.position, end.error.is_none()), (length, true));
            assert_eq!(end.fingerprint.map_or(0, |f| f.offset), length);
            assert_eq!(stops.len() as u64, length / (STOP_BYTES + BLOCK as u64));
            let boundary = |at: &u64| at.is_multiple_of(LINE.len() as u64 + 1);
            assert!(stops.iter().all(boundary), "{stops:?}");
        }
    }

    #[test]
    fn what_comes_before_an_error_counts() {
        let text = format!("{LINE}\n{LINE}\ntorn");
        let (lines, _, end) = all(Failing(io::Cursor::new(text.into_bytes())));
        assert_eq!(lines.len(), 2);
        assert!(end.error.is_some());
        assert_eq!(end.position, 2 * (LINE.len() as u64 + 1));
    }

    #[test]
    fn what_takes_the_lines_before_is_left_open() {
        let open = [
            r#"{"log":"Nov 02 10:00:01 h postfix/smtp[1]: one, ","stream":"stdout","time":"2025-11-02T09:00:01.1Z"}"#,
            "2025-11-02T09:00:01.1Z stdout P Nov 02 10:00:01 h postfix/smtp[1]: a",
        ];
        for line in open {
            let (lines, _, _) = all(io::Cursor::new(line.as_bytes().to_vec()));
            assert_eq!(lines, [(0, line.len(), false)]);
            assert!(!stands_alone(line.as_bytes()));
        }
    }

    #[test]
    fn a_thread_that_dies_is_no_end() {
        struct Dying;
        impl Read for Dying {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                panic!("as a library might")
            }
        }
        let ahead = Ahead::of(Lines::new(Dying, LastLine::Final)).unwrap();
        assert!(ahead.next().is_err());
    }
}
