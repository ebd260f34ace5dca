//! Reads ahead in a thread of its own: a log is unpacked on one core while its lines are parsed on another.
//!
//! What waits is bounded. The thread ends with the text, with an error, or when nobody listens any more.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// How much is handed over at once, and how many such blocks may wait. Small enough that the memory of a block is used again.
const BLOCK: usize = 64 * 1024;
const WAITING: usize = 4;

/// The near end of the thread.
pub(super) struct Ahead {
    blocks: Receiver<io::Result<Vec<u8>>>,
    block: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Ahead {
    /// Starts to read. Fails if no thread can be had.
    pub(super) fn of(reader: Box<dyn Read + Send>) -> io::Result<Ahead> {
        let (sender, blocks) = sync_channel(WAITING);
        thread::Builder::new().spawn(move || send_all(reader, &sender))?;
        Ok(Ahead {
            blocks,
            block: Vec::new(),
            at: 0,
            ended: false,
        })
    }
}

/// Sends block after block, an empty one at the end.
fn send_all(mut reader: Box<dyn Read + Send>, blocks: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut block = Vec::with_capacity(BLOCK);
        let read = reader.by_ref().take(BLOCK as u64).read_to_end(&mut block);
        // What came before an error counts.
        if (!block.is_empty() || read.is_ok())
            && blocks.send(Ok(std::mem::take(&mut block))).is_err()
        {
            return;
        }
        match read {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                blocks.send(Err(error)).ok();
                return;
            }
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.block.len() && !self.ended {
            self.block = match self.blocks.recv() {
                Ok(block) => block.inspect_err(|_| self.ended = true)?,
                // It sends an end or an error before it ends.
                Err(_) => return Err(io::Error::other("unpacking broke down")),
            };
            self.at = 0;
            self.ended = self.block.is_empty();
        }
        let n = out.len().min(self.block.len() - self.at);
        out[..n].copy_from_slice(&self.block[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn text(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|i| (i * 31 % 251) as u8).collect()
    }

    #[test]
    fn all_of_it_comes_in_its_order() {
        for bytes in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 7 * BLOCK + 5] {
            let mut ahead = Ahead::of(Box::new(io::Cursor::new(text(bytes)))).unwrap();
            let mut found = Vec::new();
            ahead.read_to_end(&mut found).unwrap();
            assert!(found == text(bytes), "{bytes}");
            assert_eq!(ahead.read(&mut [0; 8]).unwrap(), 0);
        }
    }

    #[test]
    fn what_comes_before_an_error_counts() {
        for bytes in [0, 1, BLOCK, 3 * BLOCK + 5] {
            let failing = Failing(io::Cursor::new(text(bytes)));
            let mut ahead = Ahead::of(Box::new(failing)).unwrap();
            let mut found = Vec::new();
            let error = ahead.read_to_end(&mut found).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            assert!(found == text(bytes), "{bytes}");
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
        let mut ahead = Ahead::of(Box::new(Dying)).unwrap();
        assert!(ahead.read(&mut [0; 8]).is_err());
    }
}
