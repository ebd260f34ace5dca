//! Histories of known cause, for tests: a site with few large and many small correspondents, who write in bursts, most of them on working
//! days, and who either have TLS, or have none, or have it on some of their servers. The same seed gives the same history.

use super::strata::{Mail, PeerDay};

/// How many regular correspondents a site has.
pub(super) const PEERS: u32 = 120;
/// Numbers from here on are correspondents that write once.
const STRANGERS: u32 = 10_000;
/// Monday.
pub(super) const FIRST_DAY: i32 = 20_773;

/// Numbers that look random (splitmix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly between 0 and 1.
    pub(super) fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// How many of a thing there are that has this mean (Poisson).
    fn count(&mut self, mean: f64) -> u32 {
        let (limit, mut product, mut n) = ((-mean.min(500.0)).exp(), self.part(), 0);
        while product > limit {
            product *= self.part();
            n += 1;
        }
        n
    }
}

/// A site, and what becomes of it.
pub(super) struct Site {
    pub(super) days: i32,
    /// Messages on a working day, about.
    pub(super) messages: f64,
    /// Messages that come in one burst, on average.
    pub(super) burst: f64,
    /// The part of a correspondent's mail that goes over TLS on a day, given what it usually is.
    pub(super) rate: fn(peer: u32, day: i32, usual: f64) -> f64,
    /// How much more it writes on a day than usual.
    pub(super) amount: fn(peer: u32, day: i32) -> f64,
}

impl Default for Site {
    fn default() -> Site {
        Site {
            days: 30,
            messages: 600.0,
            burst: 3.0,
            rate: |_, _, usual| usual,
            amount: |_, _| 1.0,
        }
    }
}

/// What a correspondent usually does: the part of its mail over TLS, and that of its mail that it writes on a weekend.
fn habits(peer: u32, dice: &mut Dice) -> (f64, f64) {
    let rate = match dice.part() {
        p if p < 0.82 => 1.0,
        p if p < 0.88 => 0.0,
        _ => 0.3 + 0.68 * dice.part(),
    };
    let weekend = if dice.part() < 0.7 { 0.1 } else { 1.0 };
    // The largest has TLS, so that what is done to it is known.
    (if peer == 0 { 1.0 } else { rate }, weekend)
}

impl Site {
    /// Its mail, in the order of days.
    pub(super) fn history(&self, seed: u64) -> Vec<PeerDay> {
        let mut dice = Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let habits: Vec<(f64, f64)> = (0..PEERS).map(|p| habits(p, &mut dice)).collect();
        let harmonic: f64 = (1..=PEERS).map(|rank| 1.0 / f64::from(rank)).sum();
        let mut mail = Vec::new();
        for day in 0..self.days {
            let is_weekend = (day % 7) >= 5;
            for peer in 0..PEERS {
                let (usual, weekend) = habits[peer as usize];
                let week = if is_weekend { weekend } else { 1.0 };
                let mean = 0.85 * self.messages / harmonic / f64::from(peer + 1)
                    * week
                    * (self.amount)(peer, day);
                let rate = (self.rate)(peer, day, usual);
                mail.extend(self.peer_day(&mut dice, (peer, peer), day, mean, rate));
            }
            let strangers = dice.count(0.05 * self.messages * if is_weekend { 0.3 } else { 1.0 });
            for n in 0..strangers {
                let usual = if dice.part() < 0.9 { 1.0 } else { 0.0 };
                let number = STRANGERS + 1000 * day as u32 + n;
                let rate = (self.rate)(number, day, usual);
                mail.extend(self.peer_day(&mut dice, (number, number), day, 3.0, rate));
            }
        }
        mail
    }

    fn peer_day(
        &self,
        dice: &mut Dice,
        (peer, operator): (u32, u32),
        day: i32,
        mean: f64,
        rate: f64,
    ) -> Option<PeerDay> {
        let mut found = PeerDay {
            day: FIRST_DAY + day,
            peer,
            operator,
            ..PeerDay::default()
        };
        for _ in 0..dice.count(mean / self.burst) {
            let at = i64::from(FIRST_DAY + day) * 86_400 + (dice.part() * 80_000.0) as i64;
            let n = 1 + u64::from(dice.count(self.burst - 1.0));
            let burst = Mail::new(n, at, at + 2 * n as i64);
            match dice.part() < rate {
                true => found.encrypted.add(burst),
                false => found.plaintext.add(burst),
            }
        }
        (found.encrypted.n + found.plaintext.n > 0).then_some(found)
    }
}

/// Mail of correspondents who write at most once a day, all of it in one burst: how much of it, and whether over TLS.
pub(super) fn once_a_day(
    days: i32,
    peers: u32,
    mut burst: impl FnMut(u32, i32) -> Option<(u64, bool)>,
) -> Vec<PeerDay> {
    let mut mail = Vec::new();
    for day in 0..days {
        for peer in 0..peers {
            let Some((n, is_encrypted)) = burst(peer, day) else {
                continue;
            };
            let at = i64::from(FIRST_DAY + day) * 86_400 + 30_000 + 600 * i64::from(peer);
            let mut found = PeerDay {
                day: FIRST_DAY + day,
                peer,
                operator: peer,
                ..PeerDay::default()
            };
            match is_encrypted {
                true => found.encrypted = Mail::new(n, at, at + 2 * n as i64),
                false => found.plaintext = Mail::new(n, at, at + 2 * n as i64),
            }
            mail.push(found);
        }
    }
    mail
}
