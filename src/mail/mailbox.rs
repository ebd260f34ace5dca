//! The messages of a Maildir, an mbox (mboxrd), a directory of files, or one file, one by one.
//!
//! A message longer than [`MOST`] is cut: what a reply is stands at its beginning.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// How much of a message is read.
pub const MOST: u64 = 1024 * 1024;

/// Gives each message to `take`, in the order of their names.
pub fn each(path: &Path, take: &mut impl FnMut(Vec<u8>)) -> io::Result<()> {
    if !path.is_dir() {
        return stream(BufReader::new(File::open(path)?), take);
    }
    for file in files(path)? {
        match File::open(file) {
            Ok(file) => stream(BufReader::new(file), take)?,
            // A mail program has moved or deleted it since: the next run finds it where it is then.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The files of a Maildir (those in `new` and `cur`), or of any other directory.
fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let halves = [directory.join("new"), directory.join("cur")];
    let places = match halves.iter().any(|half| half.is_dir()) {
        true => halves.into_iter().filter(|half| half.is_dir()).collect(),
        false => vec![directory.to_path_buf()],
    };
    let mut found = Vec::new();
    for place in places {
        for entry in fs::read_dir(place)? {
            let path = entry?.path();
            let hidden = path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if path.is_file() && !hidden {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// One message, or those of an mbox: it begins with `From `, and each such line after an empty one begins another message.
pub fn stream(mut reader: impl BufRead, take: &mut impl FnMut(Vec<u8>)) -> io::Result<()> {
    let is_mbox = reader.fill_buf()?.starts_with(b"From ");
    if !is_mbox {
        let mut message = Vec::new();
        reader.by_ref().take(MOST).read_to_end(&mut message)?;
        if !message.is_empty() {
            take(message);
        }
        return Ok(());
    }
    let (mut message, mut line, mut after_empty) = (Vec::new(), Vec::new(), true);
    loop {
        line.clear();
        // What has no line ends, and is no mailbox, comes in pieces.
        let read = reader.by_ref().take(MOST).read_until(b'\n', &mut line)?;
        let begins = after_empty && line.starts_with(b"From ");
        if (read == 0 || begins) && !message.is_empty() {
            take(std::mem::take(&mut message));
        }
        if read == 0 {
            return Ok(());
        }
        after_empty = line.iter().all(|b| matches!(b, b'\r' | b'\n'));
        if !begins && ((message.len() + line.len()) as u64) < MOST {
            // `>From ` stands for `From `, `>>From ` for `>From `
            let quotes = line.iter().take_while(|b| **b == b'>').count();
            let quoted = quotes > 0 && line[quotes..].starts_with(b"From ");
            message.extend_from_slice(&line[usize::from(quoted)..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        stream(text, &mut |m| {
            found.push(String::from_utf8_lossy(&m).into_owned())
        })
        .unwrap();
        found
    }

    #[test]
    fn one_message_or_many() {
        assert_eq!(all(b"Subject: a\n\nb\n"), ["Subject: a\n\nb\n"]);
        assert_eq!(all(b""), Vec::<String>::new());
        assert_eq!(
            all(b"From x Mon\nSubject: a\n\n>From here\nFrom there\n\nFrom y Tue\nSubject: b\n\nc\n"),
            ["Subject: a\n\nFrom here\nFrom there\n\n", "Subject: b\n\nc\n"]
        );
    }

    #[test]
    fn what_has_no_line_ends_fills_no_memory() {
        let mut text = b"From x Mon\nSubject: a\n\n".to_vec();
        text.resize(3 * MOST as usize, b'x');
        text.extend_from_slice(b"\n\nFrom y Tue\nSubject: b\n");
        let found = all(&text);
        assert_eq!(found.len(), 2);
        assert!(found[0].len() as u64 <= MOST);
        assert_eq!(found[1], "Subject: b\n");
    }

    #[test]
    fn a_maildir_in_the_order_of_its_names() {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("new/2", "b"),
            ("cur/1", "c"),
            ("new/1", "a"),
            ("tmp/1", "x"),
        ] {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut found = Vec::new();
        each(directory.path(), &mut |m| found.push(m)).unwrap();
        assert_eq!(found, [b"c".to_vec(), b"a".to_vec(), b"b".to_vec()]);
        assert!(each(&directory.path().join("none"), &mut |_| ()).is_err());
    }
}
