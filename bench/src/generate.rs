//! `generate`: writes the log of a mail server that never was, and what it says in truth.
//!
//! ```text
//! generate --mta postfix --stamp rfc3164 --size 100M --seed 2 --days 10 --peers 50000 --truth T.json > mail.log
//! ```
//!
//! The same options give the same bytes, on every machine. What a log has and has not is in `bench/README.md`.

mod noise;
mod peers;
mod postfix;
mod rng;
mod sendmail;
mod stamp;
mod truth;
mod world;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::stamp::{DAY, SECOND, Stamper, Style, Time};
use crate::truth::Truth;
use crate::world::World;

/// Whose log it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mta {
    /// Postfix 3.7, TLS log level 1 on both sides.
    Postfix,
    /// Sendmail 8.17, log level 9.
    Sendmail,
}

/// Writes the log of a simulated mail server to standard output.
#[derive(Debug, Clone, Parser)]
struct Options {
    /// Whose log it is
    #[arg(long, value_enum, default_value = "postfix")]
    mta: Mta,
    /// How a line begins
    #[arg(long, value_enum, default_value = "rfc3164")]
    stamp: Style,
    /// Octets to write, about: 500K, 100M, 1G (powers of ten)
    #[arg(long, value_parser = parse_size, default_value = "100M")]
    size: u64,
    /// Another seed, another log
    #[arg(long, default_value_t = 2)]
    seed: u64,
    /// Days the log is about
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..3650))]
    days: u64,
    /// Domains there are
    #[arg(long, default_value_t = 50_000)]
    peers: usize,
    /// Log hosts
    #[arg(long, default_value_t = 1)]
    hosts: usize,
    /// The first day, in UTC
    #[arg(long, value_parser = stamp::parse_day, default_value = "2026-03-02")]
    start: Time,
    /// Where to write what the log says in truth, as JSON
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    let mut out = BufWriter::with_capacity(1 << 18, io::stdout().lock());
    let truth = generate(&options, &mut out)?;
    out.flush()?;
    match &options.truth {
        Some(path) => std::fs::write(path, format!("{:#}\n", truth.to_json())),
        None => Ok(()),
    }
}

/// Octets written as `100M`.
fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.as_bytes().last() {
        Some(b'K') => (&text[..text.len() - 1], 1_000),
        Some(b'M') => (&text[..text.len() - 1], 1_000_000),
        Some(b'G') => (&text[..text.len() - 1], 1_000_000_000),
        _ => (text, 1),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| format!("expected a size such as 500K, 100M or 1G, found `{text}`"))
}

/// Lets people arrive until the log is long enough, then lets what has begun come to its end.
fn generate(options: &Options, out: &mut dyn Write) -> io::Result<Truth> {
    let stamper = Stamper::new(options.stamp);
    let mut world = World::new(options.seed, options.peers, options.hosts, stamper, out);
    let mut postfixes = postfix::Postfix::new(&mut world);
    let end = options.start + options.days * DAY;
    // a submission began a second before the moment it arrives
    let mut now = options.start + 2 * SECOND;
    let mut arrivals = 0;
    while world.octets() < options.size {
        match options.mta {
            Mta::Postfix => postfixes.arrive(&mut world, now),
            Mta::Sendmail => sendmail::arrive(&mut world, now),
        }
        arrivals += 1;
        now += gap(options.size, &mut world, arrivals, now, end);
        run_until(options.mta, &mut world, &mut postfixes, now - SECOND)?;
    }
    run_until(options.mta, &mut world, &mut postfixes, Time::MAX)?;
    Ok(world.truth)
}

fn run_until(
    mta: Mta,
    world: &mut World<'_>,
    postfixes: &mut postfix::Postfix,
    until: Time,
) -> io::Result<()> {
    world.run_until(until, &mut |world, at, message| match mta {
        Mta::Postfix => postfixes.deliver(world, at, message),
        Mta::Sendmail => sendmail::deliver(world, at, message),
    })
}

/// Time until the next arrival, so that the log is full when its days are over: more at noon, less at night.
fn gap(size: u64, world: &mut World<'_>, arrivals: u64, now: Time, end: Time) -> Time {
    let written = world.octets();
    let each = (written / arrivals).max(1);
    let still_to_come = (size.saturating_sub(written) / each).max(1);
    let mean = end.saturating_sub(now) / still_to_come;
    world
        .rng
        .below(2 * mean * 100 / world::activity(now))
        .min(DAY / 4)
}

#[cfg(test)]
mod tests {
    use super::{Mta, Options, generate, parse_size};
    use crate::stamp::{Style, parse_day};
    use crate::truth::Truth;

    fn options(mta: Mta, stamp: Style) -> Options {
        Options {
            mta,
            stamp,
            size: 2_000_000,
            seed: 2,
            days: 3,
            peers: 500,
            hosts: 2,
            start: parse_day("2026-03-02").unwrap(),
            truth: None,
        }
    }

    fn log_of(options: &Options) -> (String, Truth) {
        let mut log = Vec::new();
        let truth = generate(options, &mut log).unwrap();
        (String::from_utf8(log).unwrap(), truth)
    }

    const ALL: [(Mta, Style); 4] = [
        (Mta::Postfix, Style::Rfc3164),
        (Mta::Postfix, Style::Rfc3339),
        (Mta::Sendmail, Style::Rfc3164),
        (Mta::Sendmail, Style::Rfc3339),
    ];

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        for (mta, stamp) in ALL {
            let options = options(mta, stamp);
            let first = log_of(&options);
            assert!(first.0 == log_of(&options).0);
            let other = Options { seed: 3, ..options };
            assert!(first.0 != log_of(&other).0);
        }
    }

    #[test]
    fn the_size_is_near_the_one_asked_for() {
        for (mta, stamp) in ALL {
            let (log, truth) = log_of(&options(mta, stamp));
            assert_eq!(truth.octets, log.len() as u64);
            assert_eq!(truth.lines, log.lines().count() as u64);
            assert!((1_950_000..2_100_000).contains(&log.len()), "{}", log.len());
        }
    }

    #[test]
    fn every_line_begins_with_a_stamp_and_time_never_runs_back() {
        for (mta, stamp) in ALL {
            let (log, _) = log_of(&options(mta, stamp));
            let mut last = "";
            for line in log.lines() {
                let (found, rest) = line.split_at(if stamp == Style::Rfc3164 { 16 } else { 33 });
                assert!(is_stamp(stamp, found), "{line}");
                assert!(found >= last, "{line}");
                assert!(
                    rest.starts_with("mail1 ") || rest.starts_with("mail2 "),
                    "{line}"
                );
                last = found;
            }
        }
    }

    /// The log is of the first days of March: text order is time order.
    fn is_stamp(style: Style, text: &str) -> bool {
        let shape = match style {
            Style::Rfc3164 => "Mar  N NN:NN:NN ",
            Style::Rfc3339 => "NNNN-NN-NNTNN:NN:NN.NNNNNN+NN:NN ",
        };
        let found: String = text
            .chars()
            .map(|c| if c.is_ascii_digit() { 'N' } else { c })
            .collect();
        found == shape
    }

    #[test]
    fn the_truth_counts_what_the_lines_say() {
        let (log, truth) = log_of(&options(Mta::Postfix, Style::Rfc3164));
        let truth = truth.to_json();
        let count = |text: &str| log.matches(text).count() as u64;
        assert_eq!(
            truth["handshakes_failed_outbound"],
            count("SSL_connect error to ")
        );
        assert_eq!(
            truth["handshakes_failed_inbound"],
            count("SSL_accept error from ")
        );
        assert_eq!(truth["messages"], count("message-id=<"));
        let deliveries = ["encrypted", "plaintext", "none"]
            .map(|kind| truth[format!("deliveries_{kind}")].as_u64().unwrap());
        assert!(deliveries.iter().all(|count| *count > 0));
        let lines = log
            .lines()
            .filter(|line| line.contains("/smtp[") && line.contains(": to=<"))
            .count() as u64;
        assert_eq!(deliveries.iter().sum::<u64>(), lines);
    }

    #[test]
    fn sizes_are_read() {
        assert_eq!(parse_size("100M"), Ok(100_000_000));
        assert_eq!(parse_size("17"), Ok(17));
        assert!(parse_size("").is_err());
        assert!(parse_size("1T").is_err());
    }
}
