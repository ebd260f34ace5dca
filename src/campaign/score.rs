//! What came of the outreach, in figures: of those who were written to, how many have mended it, beside those who were left alone.

use crate::outcome::day_of;
use crate::store::outreach::{Case, Event, State};

/// How many of a group have mended it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// How many have.
    pub fixed: u64,
    /// Of how many.
    pub all: u64,
}

impl Rate {
    /// Between which shares the true one lies, 19 times in 20 (Wilson's score interval); 0 to 1 of nobody.
    pub fn interval(self) -> (f64, f64) {
        const Z: f64 = 1.96;
        if self.all == 0 {
            return (0.0, 1.0);
        }
        let (n, p) = (self.all as f64, self.fixed as f64 / self.all as f64);
        let middle = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
        let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        ((middle - half).max(0.0), (middle + half).min(1.0))
    }
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// Of those written to.
    pub written: Rate,
    /// Of those left alone for comparison.
    pub control: Rate,
    /// Days from the first letter until it was mended: the median; `None` if nobody has.
    pub median_days: Option<f64>,
    /// Messages a day that go over TLS now.
    pub daily: f64,
    /// Came back for good.
    pub bounced: u64,
    /// Have answered.
    pub answered: u64,
    /// Written to about hosts to which no mail goes any more.
    pub left: u64,
}

/// Counts.
pub fn score(cases: &[Case], events: &[Event]) -> Score {
    let mut score = Score::default();
    let mut days = Vec::new();
    for case in cases {
        let had = |what: &str| {
            events
                .iter()
                .find(|e| e.token == case.token && e.what == what)
        };
        let fixed = had(State::Fixed.name()).map(|event| event.at);
        let sent = case
            .notices
            .iter()
            .filter(|n| n.progress.may_have_left() && n.kind != "thank-you");
        let first = sent.map(|n| n.sent).min();
        score.bounced += u64::from(had(State::Bounced.name()).is_some());
        let answered = [State::Answered, State::NotTheirs, State::WillFix];
        let has_answered = answered.iter().any(|state| had(state.name()).is_some());
        score.answered += u64::from(has_answered);
        score.left += u64::from(case.state == State::Left);
        if case.repeats(cases) {
            continue;
        }
        let rate = match (first, had(State::Control.name())) {
            (Some(_), _) => &mut score.written,
            (None, Some(_)) => &mut score.control,
            (None, None) => continue,
        };
        rate.all += 1;
        rate.fixed += u64::from(fixed.is_some());
        if let (Some(first), Some(fixed)) = (first, fixed) {
            days.push((day_of(fixed) - day_of(first)).max(0));
            score.daily += case.daily;
        }
    }
    score.median_days = median(days);
    score
}

/// The one in the middle; of an even number the mean of the two.
fn median(mut days: Vec<i32>) -> Option<f64> {
    days.sort_unstable();
    let upper = *days.get(days.len() / 2)?;
    let lower = days[(days.len() - 1) / 2];
    Some(f64::from(lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_two() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![6]), Some(6.0));
        assert_eq!(median(vec![9, 2]), Some(5.5));
        assert_eq!(median(vec![9, 2, 4]), Some(4.0));
        assert_eq!(median(vec![9, 2, 4, 5]), Some(4.5));
    }

    #[test]
    fn an_interval_is_wide_where_little_is_known() {
        assert_eq!(Rate::default().interval(), (0.0, 1.0));
        // 11 of 38, by the published formula
        let (low, high) = Rate { fixed: 11, all: 38 }.interval();
        assert!(
            (low - 0.170).abs() < 0.002 && (high - 0.448).abs() < 0.002,
            "{low} {high}"
        );
        let (low, high) = Rate { fixed: 0, all: 5 }.interval();
        assert!(low == 0.0 && high > 0.4, "{low} {high}");
    }
}
