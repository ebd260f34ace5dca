//! What a file is compressed with, told by its first bytes, and the text inside.
//!
//! gzip, bzip2, xz and zstd are unpacked as a stream, any number of members, streams or frames after each other. Memory is bounded
//! whatever the file says of itself: deflate and bzip2 need little by design, xz and zstd are held to [`MEMORY`]. A file that ends
//! too early gives what can be unpacked of it, then an error of kind `UnexpectedEof`.
//!
//! Other formats are not unpacked here; `source` knows some of them by name, to say what helps.

use std::io::{self, Read};

use bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;
use liblzma::read::XzDecoder;

/// What unpacking one file may take: as much as `zstd` itself allows by default, and more than `xz -9` needs.
const MEMORY: u64 = 1 << WINDOW_LOG;
const WINDOW_LOG: u32 = 27;
/// Streams of one file follow each other; the checks inside are verified.
const XZ_FLAGS: u32 = liblzma::stream::CONCATENATED;

/// How a file is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// gzip, any number of members.
    Gzip,
    /// bzip2, any number of streams.
    Bzip2,
    /// xz, any number of streams.
    Xz,
    /// zstd, any number of frames.
    Zstd,
}

/// What a file begins with.
const MAGIC: &[(&[u8], Compression)] = &[
    (&[0x1f, 0x8b], Compression::Gzip),
    (b"BZh", Compression::Bzip2),
    (b"\xfd7zXZ\0", Compression::Xz),
    (b"\x28\xb5\x2f\xfd", Compression::Zstd),
];

impl Compression {
    /// By the first bytes of a file.
    pub(super) fn of(start: &[u8]) -> Compression {
        let known = MAGIC.iter().find(|(magic, _)| start.starts_with(magic));
        match (known, start) {
            (Some((_, compression)), _) => *compression,
            // pzstd puts a frame of its own, to be skipped, before the data
            (None, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]) => Compression::Zstd,
            (None, _) => Compression::Plain,
        }
    }

    /// The text of a file that `reader` stands at the start of.
    pub(super) fn unpack(
        self,
        reader: impl Read + Send + 'static,
    ) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Compression::Plain => Box::new(reader),
            Compression::Gzip => Box::new(MultiGzDecoder::new(reader)),
            Compression::Bzip2 => Box::new(MultiBzDecoder::new(reader)),
            Compression::Xz => {
                let stream = liblzma::stream::Stream::new_stream_decoder(MEMORY, XZ_FLAGS)?;
                Box::new(InWords(XzDecoder::new_stream(reader, stream)))
            }
            Compression::Zstd => {
                let mut decoder = zstd::Decoder::new(reader)?;
                decoder.window_log_max(WINDOW_LOG)?;
                Box::new(InWords(decoder))
            }
        })
    }
}

/// Says what to do when the limit is reached; the libraries' own words do not.
struct InWords<R>(R);

impl<R: Read> Read for InWords<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out).map_err(|error| match error.kind() {
            io::ErrorKind::Other if is_limit(&error) => io::Error::other(format!(
                "to unpack it takes more than {} MiB of memory; try: xz -dc or zstd -dc --long=31, piped into tlsnag import -",
                MEMORY >> 20
            )),
            _ => error,
        })
    }
}

fn is_limit(error: &io::Error) -> bool {
    let xz = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<liblzma::stream::Error>());
    // zstd's library has but its name for it
    xz == Some(&liblzma::stream::Error::MemLimit) || error.to_string().contains("too much memory")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::io::{ErrorKind, Write};

    /// Packs a text as the usual programs do.
    pub(in super::super) fn pack(compression: Compression, text: &[u8]) -> Vec<u8> {
        match compression {
            Compression::Plain => text.to_vec(),
            Compression::Gzip => {
                let mut out =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                out.write_all(text).unwrap();
                out.finish().unwrap()
            }
            Compression::Bzip2 => {
                let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                out.write_all(text).unwrap();
                out.finish().unwrap()
            }
            Compression::Xz => liblzma::encode_all(text, 0).unwrap(),
            Compression::Zstd => zstd::encode_all(text, 1).unwrap(),
        }
    }

    pub(in super::super) const PACKED: [Compression; 4] = [
        Compression::Gzip,
        Compression::Bzip2,
        Compression::Xz,
        Compression::Zstd,
    ];

    fn unpack(packed: Vec<u8>) -> (Vec<u8>, Option<io::Error>) {
        let mut reader = Compression::of(&packed)
            .unpack(io::Cursor::new(packed))
            .unwrap();
        let mut text = Vec::new();
        let error = reader.read_to_end(&mut text).err();
        (text, error)
    }

    /// Text that does not shrink to nothing.
    fn text(lines: u32) -> Vec<u8> {
        (0..lines)
            .flat_map(|i| {
                format!(
                    "Nov  2 10:00:01 host postfix/smtp[{}]: {}\n",
                    i * 7919,
                    i ^ 0x5a5a5a
                )
                .into_bytes()
            })
            .collect()
    }

    #[test]
    fn every_format_gives_its_text_back_also_from_several_parts() {
        let (one, two) = (text(100), text(3));
        for compression in PACKED {
            let mut packed = pack(compression, &one);
            packed.extend(pack(compression, b""));
            packed.extend(pack(compression, &two));
            assert_eq!(Compression::of(&packed), compression);
            let (found, error) = unpack(packed);
            assert!(error.is_none(), "{compression:?}: {error:?}");
            assert_eq!(
                found,
                [one.clone(), two.clone()].concat(),
                "{compression:?}"
            );
        }
    }

    #[test]
    fn a_frame_to_be_skipped_is_zstd_too() {
        let skipped = b"\x50\x2a\x4d\x18\x04\0\0\0abcd".to_vec();
        let (found, error) = unpack([skipped, pack(Compression::Zstd, b"x\n")].concat());
        assert!(error.is_none());
        assert_eq!(found, b"x\n");
    }

    #[test]
    fn a_file_cut_short_gives_its_beginning_and_says_so() {
        let text = text(60_000);
        for compression in PACKED {
            let packed = pack(compression, &text);
            let (found, error) = unpack(packed[..packed.len() / 2].to_vec());
            let kind = error.map(|e| e.kind());
            assert_eq!(kind, Some(ErrorKind::UnexpectedEof), "{compression:?}");
            assert!(
                found.len() > text.len() / 5,
                "{compression:?}: {}",
                found.len()
            );
            assert_eq!(found, text[..found.len()], "{compression:?}");
        }
    }

    #[test]
    fn a_file_that_asks_for_much_memory_gets_an_error() {
        // the head of a stream that asks for a dictionary of 512 MiB; packing with one would take the memory here
        let mut xz = pack(Compression::Xz, b"x\n");
        xz[12 + 4] = 34; // the properties of the first filter of the first block: 2 << (34 / 2 + 11)
        let sum = crc32(&xz[12..20]);
        xz[20..24].copy_from_slice(&sum.to_le_bytes());
        let (found, error) = unpack(xz);
        let said = error.map(|e| e.to_string()).unwrap_or_default();
        assert!(found.is_empty() && said.contains("128 MiB"), "{said}");
        // a frame whose header asks for a window of 2 GiB, and a block of zeros
        let zstd = b"\x28\xb5\x2f\xfd\0\xa8\x03\0\0\0".to_vec();
        let (found, error) = unpack(zstd);
        let said = error.map(|e| e.to_string()).unwrap_or_default();
        assert!(found.is_empty() && said.contains("128 MiB"), "{said}");
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
            })
        })
    }
}
