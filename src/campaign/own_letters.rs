//! Takes what our own letters left in the log out of what was seen: a peer is judged by the mail of people, not by mail about it (RFC 8460,
//! section 3, has the same for its reports).
//!
//! The log does not say which delivery was the letter's. So one mail to its domain less counts, of the first day on which one arrived after it
//! was handed over, one in clear if there is one; and what waited until then says nothing.

use crate::outcome::{Direction, day_of};
use crate::query::sightings::Sighting;
use crate::store::outreach::Case;

/// So many days after it was handed over a letter may still be on its way: mail servers try for five.
const ON_ITS_WAY: i32 = 5;

/// The sightings without our own letters, as far as they went out.
pub fn without_own_letters(mut sightings: Vec<Sighting>, cases: &[Case]) -> Vec<Sighting> {
    let letters = cases.iter().flat_map(|case| &case.notices);
    for letter in letters.filter(|l| l.progress.may_have_left() && l.sent > 0) {
        if let Some((_, domain)) = letter.address.rsplit_once('@') {
            take_out(&mut sightings, &domain.to_lowercase(), letter.sent);
        }
    }
    sightings
}

fn take_out(sightings: &mut Vec<Sighting>, domain: &str, sent: i64) {
    let last_day = day_of(sent) + ON_ITS_WAY;
    let may_be_it = |s: &Sighting| {
        s.direction == Direction::Outbound
            && s.domain == domain
            && s.last >= sent
            && s.day <= last_day
    };
    let arrived = |s: &Sighting| may_be_it(s) && s.delivery == "sent" && s.mails > 0;
    let day = sightings.iter().filter(|s| arrived(s)).map(|s| s.day).min();
    sightings.retain(|s| {
        let waited = may_be_it(s) && s.is_held_back();
        !waited || day.is_some_and(|day| s.day > day)
    });
    let on_that_day = |s: &Sighting| arrived(s) && Some(s.day) == day;
    let in_clear = sightings
        .iter()
        .position(|s| on_that_day(s) && s.tls == "plaintext");
    let Some(at) = in_clear.or_else(|| sightings.iter().position(on_that_day)) else {
        return;
    };
    let sighting = &mut sightings[at];
    sighting.mails -= 1;
    sighting.n = sighting.n.saturating_sub(1);
    if sighting.mails == 0 {
        sightings.remove(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::follow::follow;
    use crate::campaign::peers::tests::seen;
    use crate::outcome::Class;
    use crate::store::outreach::{Audience, Notice, Progress, State};

    const DAY: i64 = 86_400;

    /// A case with letters to the postmaster, handed over at the beginning of these days.
    fn case(state: State, days: &[i64]) -> Case {
        let letter = |day: &i64| Notice {
            id: 1,
            case: 1,
            kind: "notice".into(),
            plan: String::new(),
            progress: Progress::Sent,
            address: "postmaster@a.example".into(),
            subject: String::new(),
            body: String::new(),
            message_id: String::new(),
            planned: day * DAY,
            sent: day * DAY,
            answer: String::new(),
            audience: Audience::Postmaster,
            approved: 0,
        };
        Case {
            id: 1,
            token: "AA".into(),
            direction: Direction::Outbound,
            organisation: "a.example".into(),
            problem: "not-offered".into(),
            audience: Audience::Postmaster,
            state,
            address: String::new(),
            daily: 1.0,
            opened: 100 * DAY,
            changed: 100 * DAY,
            peers: vec![("a.example".into(), "mx.a.example".into())],
            notices: days.iter().map(letter).collect(),
        }
    }

    fn clear(domain: &str, day: i32, mails: u64) -> Sighting {
        seen(domain)
            .day(day)
            .mails(mails)
            .clear(Class::PlaintextNotOffered)
    }

    fn left(sightings: Vec<Sighting>, letters: &[i64]) -> Vec<(i32, u64)> {
        let left = without_own_letters(sightings, &[case(State::Sent, letters)]);
        left.iter().map(|s| (s.day, s.mails)).collect()
    }

    #[test]
    fn what_only_our_own_letter_shows_is_no_evidence() {
        assert_eq!(left(vec![clear("a.example", 130, 1)], &[130]), []);
        assert_eq!(left(vec![clear("a.example", 130, 3)], &[130]), [(130, 2)]);
        // It arrived a day later, and a second letter after it.
        let days = vec![clear("a.example", 131, 1), clear("a.example", 160, 1)];
        assert_eq!(left(days, &[130, 160]), []);
        for untouched in [
            clear("b.example", 130, 1),
            clear("a.example", 129, 1),
            clear("a.example", 136, 1),
        ] {
            let day = untouched.day;
            assert_eq!(left(vec![untouched], &[130]), [(day, 1)]);
        }
    }

    #[test]
    fn while_a_letter_may_wait_what_waits_says_nothing() {
        let waits = |day| {
            let mut sighting = clear("a.example", day, 4);
            sighting.class = Class::HandshakeFailed;
            (sighting.tls, sighting.delivery) = ("none".into(), "deferred".into());
            sighting
        };
        let days = [129, 130, 132, 135, 136].map(waits).to_vec();
        assert_eq!(left(days.clone(), &[130]), [(129, 4), (136, 4)]);
        let arrived = [days, vec![clear("a.example", 132, 1)]].concat();
        assert_eq!(left(arrived, &[130]), [(129, 4), (135, 4), (136, 4)]);
    }

    #[test]
    fn a_letter_neither_shows_that_it_is_mended_nor_that_it_came_back() {
        let tls = |day| seen("a.example").day(day).sighting();
        let after = |state, seen: &[Sighting], letters: &[i64]| {
            let cases = [case(state, letters)];
            let seen = without_own_letters(seen.to_vec(), &cases);
            follow(&cases, &seen, 140).first().map(|m| m.state)
        };
        assert_eq!(after(State::Sent, &[tls(130), tls(131)], &[130]), None);
        let two = [tls(130), tls(131), tls(132)];
        assert_eq!(after(State::Sent, &two, &[130]), Some(State::Fixed));
        let thanks_in_clear = [clear("a.example", 133, 1)];
        assert_eq!(after(State::Thanked, &thanks_in_clear, &[133]), None);
        assert_eq!(
            after(State::Thanked, &thanks_in_clear, &[]),
            Some(State::Relapsed)
        );
    }
}
