//! The random numbers of the generator, written by hand so that a seed gives the same bytes in ten years.
//!
//! Splitmix64, and Zipf's law over ranks. Only operations that IEEE 754 fixes to the last bit are used (no `powf`, no `ln`), so
//! the numbers do not depend on the C library. Not for anything that must be unpredictable.

/// Splitmix64 (Steele, Lea, Flood 2014).
pub struct Rng(u64);

impl Rng {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Rng(seed)
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number of `0..end`; 0 if that range is empty.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(end)) >> 64) as u64
    }

    /// A number of `low..high`; `low` if that range is empty.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low))
    }

    /// True in so many of a thousand cases.
    pub fn permille(&mut self, share: u64) -> bool {
        self.below(1000) < share
    }

    /// A number of `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// One of the choices, each as likely as its weight. The choices must not be empty.
    pub fn weighted<'a, T>(&mut self, choices: &'a [(u64, T)]) -> &'a T {
        let total = choices.iter().map(|(weight, _)| weight).sum();
        let mut left = self.below(total);
        for (weight, choice) in choices {
            if left < *weight {
                return choice;
            }
            left -= weight;
        }
        &choices[choices.len() - 1].1
    }

    /// One of the choices, which must not be empty.
    pub fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }
}

/// Ranks by Zipf's law with exponent 1.05: a few peers carry most of the mail, most peers are seen once.
pub struct Zipf(Vec<f64>);

impl Zipf {
    /// A law over so many ranks.
    pub fn new(ranks: usize) -> Self {
        let mut total = 0.0;
        Zipf(
            (1..=ranks.max(1))
                .map(|rank| {
                    total += 1.0 / power_105(rank as f64);
                    total
                })
                .collect(),
        )
    }

    /// A rank, from 0.
    pub fn rank(&self, rng: &mut Rng) -> usize {
        let total = self.0[self.0.len() - 1];
        let at = rng.unit() * total;
        self.0
            .partition_point(|sum| *sum <= at)
            .min(self.0.len() - 1)
    }
}

/// `x` to the power of 1.0508, from square roots alone: 1 + 1/32 + 1/64 + 1/256.
fn power_105(x: f64) -> f64 {
    let mut power = x;
    let mut root = x;
    for step in 1..=8 {
        root = root.sqrt();
        if matches!(step, 5 | 6 | 8) {
            power *= root;
        }
    }
    power
}

#[cfg(test)]
mod tests {
    use super::{Rng, Zipf, power_105};

    #[test]
    fn the_numbers_are_those_of_the_reference_implementation() {
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.bits(), 6_457_827_717_110_365_317);
        assert_eq!(rng.bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn the_power_is_near_the_one_of_the_library() {
        for x in [1.0, 2.0, 100.0, 50_000.0_f64] {
            assert!((power_105(x) / x.powf(1.05) - 1.0).abs() < 0.01);
        }
    }

    #[test]
    fn the_first_rank_is_the_most_frequent() {
        let (zipf, mut rng) = (Zipf::new(1000), Rng::new(1));
        let mut seen = [0; 1000];
        for _ in 0..20_000 {
            seen[zipf.rank(&mut rng)] += 1;
        }
        assert!(seen[0] > seen[1] && seen[1] > seen[10] && seen[10] > seen[500]);
    }
}
