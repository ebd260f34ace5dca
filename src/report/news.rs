//! What is new since the last time it was asked for: a few sentences for the mail that cron sends.

use crate::query::changes::Change;
use crate::query::news::News;

use super::change_words::{account, becomes, many_at_once, turning, which};
use super::changes::{Row, fields_section};
use super::format::date;
use super::table::{Note, Table};
use super::words::{count, way};

/// The news of each change, which are in the same order; `None` if there are none.
pub fn build(changes: &[Change], news: &[Vec<News>]) -> Option<Table> {
    let all: usize = news.iter().map(Vec::len).sum();
    let mut notes = Vec::new();
    let mut rows = Vec::new();
    for (change, news) in changes.iter().zip(news) {
        notes.extend(news.iter().map(|n| Note::Item(sentence(change, n))));
        if news.iter().any(|n| matches!(n, News::Moved(_))) {
            notes.extend(many_at_once(change).map(Note::Paragraph));
        }
        rows.extend(news.iter().map(|n| row(n).values(change.direction.name())));
    }
    (all > 0).then(|| Table {
        headline: format!(
            "{} about TLS.",
            count(all as u64, "piece of news", "pieces of news")
        ),
        to_do: all,
        sections: vec![fields_section(rows)],
        notes,
    })
}

/// One piece of news of a change.
pub(super) fn sentence(change: &Change, news: &News) -> String {
    match news {
        News::Shift(found) => format!("{}: {}", which(change.direction), account(found)),
        News::Moved(moved) => {
            let percent = |share: Option<f64>| 100.0 * share.unwrap_or(0.0);
            format!(
                "{} ({}): {} since {}: {:.1} % before, {:.1} % of {} since",
                moved.peer,
                way(change.direction),
                becomes(moved.what),
                date(moved.shift.onset),
                percent(moved.shift.before.share()),
                percent(moved.shift.after.share()),
                count(moved.shift.after.total(), "message", "messages"),
            )
        }
        News::Turn(turn) => turning(turn),
    }
}

fn row(news: &News) -> Row<'_> {
    match news {
        News::Shift(found) => Row::of_found(found),
        News::Moved(moved) => Row::of_moved(moved),
        News::Turn(turn) => Row::of_turn(turn),
    }
}
