//! What the names of rotated files tell: which log they are of, how often they were rotated, from which day they are.
//!
//! Names come from logrotate, newsyslog, savelog, postlogd and people; what is in a file is not looked at here.

use std::path::Path;

use chrono::NaiveDate;

const DAY: i64 = 86_400;
/// Whether a path is that of a log, or of a rotated file beside it.
pub(super) fn is_of_log(log: &Path, path: &Path) -> bool {
    let name = |p: &Path| p.file_name().and_then(|n| n.to_str()).map(str::to_owned);
    let directory = |p: &Path| Some(std::path::absolute(p).ok()?.parent()?.to_owned());
    directory(log) == directory(path)
        && name(log)
            .zip(name(path))
            .is_some_and(|(log, name)| is_sibling(&log, &name))
}

const COMPRESSED_ENDINGS: &[&str] = &[".gz", ".bz2", ".xz", ".zst", ".Z", ".lz4"];

/// Whether `name` is `base` or a rotated `base`: `maillog.1`, `maillog.2.gz`, `maillog-20251102.xz`, `maillog.20251102T000000.bz2`,
/// `mail.log.old`, `mail-20251102.log`.
pub(super) fn is_sibling(base: &str, name: &str) -> bool {
    let name = without_compression(name);
    if name == base {
        return true;
    }
    let dated_in_the_middle = || {
        let (stem, extension) = base.rsplit_once('.')?;
        name.strip_suffix(extension)?
            .strip_suffix('.')?
            .strip_prefix(stem)
    };
    name.strip_prefix(base)
        .or_else(dated_in_the_middle)
        .is_some_and(is_rotation)
}

/// What the rotated files of one log have in common: their name without marks of rotation and compression.
pub(super) fn family(name: &str) -> String {
    let name = without_compression(name);
    // `mail.log.1`, `maillog-20251102`
    let marks = name.char_indices().filter(|(_, c)| ".-".contains(*c));
    if let Some((at, _)) = marks.clone().find(|(at, _)| is_rotation(&name[*at..])) {
        return name[..at].to_owned();
    }
    // `mail-20251102.log`
    match name.rsplit_once('.') {
        Some((stem, extension)) => {
            let cut = marks
                .map(|(at, _)| at)
                .find(|at| *at < stem.len() && is_rotation(&stem[*at..]));
            format!("{}.{extension}", &stem[..cut.unwrap_or(stem.len())])
        }
        None => name.to_owned(),
    }
}

fn without_compression(name: &str) -> &str {
    COMPRESSED_ENDINGS
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(name)
}

/// `.1`, `-20251102`, `.20251102-000000`, `-2025-11-02`, `.old`.
fn is_rotation(suffix: &str) -> bool {
    let Some(mark) = suffix.strip_prefix(['.', '-']) else {
        return false;
    };
    let dated = mark.starts_with(|c: char| c.is_ascii_digit())
        && mark
            .chars()
            .all(|c| c.is_ascii_digit() || "T-_".contains(c));
    dated || mark == "old"
}

pub(super) fn rotations(name: &str) -> u32 {
    let name = without_compression(name);
    let (_, mark) = name.rsplit_once(['.', '-']).unwrap_or_default();
    match mark.parse() {
        Ok(number) if mark.len() < 6 => number,
        _ => u32::from(date_in_name(name).is_some()),
    }
}

/// The first date in a file name, `20251102` or `2025-11-02`, as seconds since 1970 at its end, one day later for zones.
pub(super) fn date_in_name(name: &str) -> Option<i64> {
    let digits_at = |at: usize| {
        name.get(at..at + 8)
            .filter(|d| d.bytes().all(|b| b.is_ascii_digit()))
    };
    let separated = |at: usize| !name[..at].ends_with(|c: char| c.is_ascii_digit());
    (1..name.len())
        .filter(|at| name.is_char_boundary(*at) && separated(*at))
        .find_map(|at| {
            let compact = digits_at(at).and_then(|d| NaiveDate::parse_from_str(d, "%Y%m%d").ok());
            let dashed = || {
                name.get(at..at + 10)
                    .and_then(|d| NaiveDate::parse_from_str(d, "%Y-%m-%d").ok())
            };
            let date = compact.or_else(dashed)?;
            Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp() + 2 * DAY)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ok_siblings() {
        let of = |base: &str, names: &[&str]| names.iter().all(|n| is_sibling(base, n));
        assert!(of(
            "mail.log",
            &[
                "mail.log",
                "mail.log.1",
                "mail.log.2.gz",
                "mail.log-20251102.xz",
                "mail-20251102.log",
                "mail.log.old"
            ]
        ));
        assert!(of(
            "maillog",
            &[
                "maillog.20251102-000000.gz",
                "maillog-2025110212",
                "maillog.20251102T000000.bz2",
                "maillog.0.bz2"
            ]
        ));
        for name in [
            "mail.info",
            "mail.log.swp",
            "mail.logger",
            "xmail.log",
            "mail.log.1.orig",
            "mail.log-",
            "mail-x.log",
        ] {
            assert!(!is_sibling("mail.log", name), "{name}");
        }
    }

    #[test]
    fn ok_rotations_by_name() {
        let names = [
            "mail.log",
            "mail.log.1",
            "mail.log.12.gz",
            "maillog-20261123",
            "mail-20261123.log",
            "maillog.20261123-000000.gz",
        ];
        assert_eq!(names.map(rotations), [0, 1, 12, 1, 1, 1]);
    }

    #[test]
    fn rotated_files_are_of_one_family() {
        for name in [
            "mail.log",
            "mail.log.1",
            "mail.log.2.gz",
            "mail.log-20251102.xz",
            "mail-20251102.log",
            "mail.log.old",
        ] {
            assert_eq!(family(name), "mail.log", "{name}");
        }
        assert_eq!(family("maillog-20251102"), family("maillog.0.bz2"));
        for name in ["mail.info", "mail.err.1", "syslog", "mail"] {
            assert_ne!(family(name), "mail.log", "{name}");
        }
    }

    #[test]
    fn ok_dates_in_names() {
        let end = Some(1_762_041_600 + 2 * DAY); // 2025-11-02
        for name in [
            "maillog-20251102",
            "maillog.20251102-000000.gz",
            "mail-2025-11-02.log",
            "0.log.20251102-000000",
            "m-2025110223.xz",
        ] {
            assert_eq!(date_in_name(name), end, "{name}");
        }
        for name in [
            "mail.log",
            "mail.log.1",
            "m-12345678",
            "mail-99999999.gz",
            "ä-1",
            "",
        ] {
            assert_eq!(date_in_name(name), None, "{name}");
        }
    }
}
