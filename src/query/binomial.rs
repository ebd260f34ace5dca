//! How far a share may lie from what was counted: exact bounds of a binomial share (Clopper and Pearson, 1934), and a bound of what
//! chance can do to a sum of several.
//!
//! Pure mathematics: what is counted, and whether the counts are independent, is the caller's business. Counts need not be whole, since
//! mail that came in one burst counts as less than it is.

use std::sync::OnceLock;

/// Bounds that hold in 95 of 100 cases.
const MISSED: f64 = 0.05;
/// Terms of a continued fraction, and halvings of an interval: more than either ever needs.
const MOST_TERMS: usize = 300;
const HALVINGS: usize = 60;
/// Smaller than any difference that matters here.
const TINY: f64 = 1e-14;

/// The share of all, 0 to 1, that `hits` of `trials` leave possible: lower and upper 95 % bound.
pub fn bounds(hits: f64, trials: f64) -> (f64, f64) {
    if trials <= 0.0 {
        return (0.0, 1.0);
    }
    let misses = (trials - hits).max(0.0);
    let lower = match hits > 0.0 {
        true => beta_quantile(MISSED / 2.0, hits, misses + 1.0),
        false => 0.0,
    };
    let upper = match misses > 0.0 {
        true => beta_quantile(1.0 - MISSED / 2.0, hits + 1.0, misses),
        false => 1.0,
    };
    (lower, upper)
}

/// Where the beta distribution reaches `probability`.
fn beta_quantile(probability: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        match incomplete_beta(middle, a, b) < probability {
            true => low = middle,
            false => high = middle,
        }
    }
    f64::midpoint(low, high)
}

/// The regularised incomplete beta function I_x(a, b), by its continued fraction.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    let log_front = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (1.0 - x).ln();
    // The fraction converges fast on this side only; the other is its complement.
    match x < (a + 1.0) / (a + b + 2.0) {
        true => log_front.exp() * fraction(x, a, b) / a,
        false => 1.0 - log_front.exp() * fraction(1.0 - x, b, a) / b,
    }
}

/// The continued fraction of the incomplete beta function, by Lentz's method.
fn fraction(x: f64, a: f64, b: f64) -> f64 {
    let not_zero = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / not_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut product = d;
    for term in 1..MOST_TERMS {
        let m = term as f64;
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut step = 1.0;
        for numerator in [even, odd] {
            d = 1.0 / not_zero(1.0 + numerator * d);
            c = not_zero(1.0 + numerator / c);
            step = c * d;
            product *= step;
        }
        if (step - 1.0).abs() < TINY {
            break;
        }
    }
    product
}

/// How likely it is that at least so many of all trials hit.
pub(super) fn at_least(hits: u64, trials: Trials) -> f64 {
    match hits as f64 {
        0.0 => 1.0,
        hits if hits > trials.n => 0.0,
        hits => incomplete_beta(trials.p, hits, trials.n - hits + 1.0),
    }
}

/// How likely it is that at least `hits` of the `drawn` ones are marked, where `marked` of `all` are (Fisher's exact test, 1935).
pub(super) fn drawn_at_least(hits: u64, drawn: u64, marked: u64, all: u64) -> f64 {
    let ways = |n: u64, k: u64| ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k);
    let rest = all.saturating_sub(marked);
    let possible = hits.max(drawn.saturating_sub(rest))..=drawn.min(marked);
    let each = possible.map(|n| (ways(marked, n) + ways(rest, drawn - n) - ways(all, drawn)).exp());
    each.sum::<f64>().min(1.0)
}

/// The logarithm of n!. The numbers are mostly days: those of three years are worked out once.
fn ln_factorial(n: u64) -> f64 {
    const KEPT: u64 = 1100;
    static SMALL: OnceLock<Vec<f64>> = OnceLock::new();
    let of = |n: u64| ln_gamma(n as f64 + 1.0);
    let small = SMALL.get_or_init(|| (0..KEPT).map(of).collect());
    // OK to narrow: what is too large is not in the list.
    small.get(n as usize).copied().unwrap_or_else(|| of(n))
}

/// The logarithm of the gamma function of a positive number (Lanczos, g = 7).
fn ln_gamma(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        // The reflection formula.
        return (std::f64::consts::PI / (std::f64::consts::PI * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let terms = COEFFICIENTS.iter().enumerate();
    let sum = terms.fold(0.999_999_999_999_809_9, |sum, (n, c)| {
        sum + c / (x + n as f64 + 1.0)
    });
    let t = x + 7.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

/// Some trials, each of which hits with a certain probability.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trials {
    /// How many.
    pub(super) n: f64,
    /// The probability, between 0 and 1.
    pub(super) p: f64,
}

/// How far beyond chance it is that all of these hit `hits` times together: the exponent Λ of Chernoff's bound exp(−Λ) of the
/// probability of so many (or, below what is to be expected, of so few). It holds exactly for any counts, also for a handful of rare
/// hits, where a normal distribution misleads; drawing without return makes it smaller still (Hoeffding, 1963).
pub(super) fn surprise(hits: f64, trials: &[Trials]) -> f64 {
    let expected: f64 = trials.iter().map(|t| t.n * t.p).sum();
    let sign = if hits >= expected { 1.0 } else { -1.0 };
    // The exponent is concave in the tilt; its slope is the hits missing at that tilt.
    let slope = |tilt: f64| {
        let odds = (sign * tilt).exp();
        let tilted = |t: &Trials| t.n * t.p * odds / (1.0 - t.p + t.p * odds);
        sign * (hits - trials.iter().map(tilted).sum::<f64>())
    };
    let (mut low, mut high) = (0.0, 30.0);
    for _ in 0..24 {
        let middle = f64::midpoint(low, high);
        match slope(middle) > 0.0 {
            true => low = middle,
            false => high = middle,
        }
    }
    // Any tilt gives a bound that holds: the lower end is as good as the best.
    let odds = (sign * low).exp();
    let cost = |t: &Trials| t.n * (1.0 - t.p + t.p * odds).ln();
    (sign * low * hits - trials.iter().map(cost).sum::<f64>()).max(0.0)
}

/// How much likelier so many hits are if the share is what was found than if it is what was expected: the logarithm. The hits of two sides
/// whose common share is p fall so with a probability of at most (n + 1) exp(−d₁ − d₂), for n trials in all (the method of types).
pub(super) fn divergence(hits: f64, trials: Trials) -> f64 {
    let term = |found: f64, p: f64| match found > 0.0 {
        true => found * (found / (trials.n * p)).ln(),
        false => 0.0,
    };
    (term(hits, trials.p) + term(trials.n - hits, 1.0 - trials.p)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 5e-5, "{found}, not {expected}");
    }

    #[test]
    fn the_bounds_are_those_of_the_tables() {
        for (hits, trials, lower, upper) in [
            (0.0, 10.0, 0.0, 0.308_50),
            (10.0, 10.0, 0.691_50, 1.0),
            (5.0, 10.0, 0.187_09, 0.812_91),
            (1.0, 100.0, 0.000_253, 0.054_46),
            (38.0, 521.0, 0.052_11, 0.098_75),
            (0.0, 1.0, 0.0, 0.975),
        ] {
            let found = bounds(hits, trials);
            near(found.0, lower);
            near(found.1, upper);
        }
        assert_eq!(bounds(0.0, 0.0), (0.0, 1.0));
    }

    #[test]
    fn chances_are_those_of_the_tables() {
        near(at_least(0, Trials { n: 9.0, p: 0.1 }), 1.0);
        near(at_least(60, Trials { n: 100.0, p: 0.5 }), 0.028_44);
        near(at_least(4, Trials { n: 4.0, p: 0.25 }), 0.003_906);
        // The lady tasting tea: all four of eight, and at least three.
        near(drawn_at_least(4, 4, 4, 8), 1.0 / 70.0);
        near(drawn_at_least(3, 4, 4, 8), 17.0 / 70.0);
        near(drawn_at_least(0, 4, 4, 8), 1.0);
        near(drawn_at_least(2, 2, 2, 60), 1.0 / 1770.0);
        // Of two that are not marked, three cannot be drawn.
        near(drawn_at_least(1, 3, 6, 8), 1.0);
    }

    #[test]
    fn large_counts_come_near_the_normal_distribution() {
        let (lower, upper) = bounds(750_000.0, 1_000_000.0);
        near(lower, 0.749_15);
        near(upper, 0.750_85);
    }

    #[test]
    fn gamma_is_that_of_the_factorials() {
        near(ln_gamma(11.0), 3_628_800.0_f64.ln());
        near(ln_gamma(0.5), std::f64::consts::PI.sqrt().ln());
        near(ln_gamma(0.25), 1.288_02);
    }

    #[test]
    fn two_sides_that_could_not_differ_more_are_as_likely_as_their_number_says() {
        // All of 18 here and none of 18 there: one of 36 over 18 ways.
        let sides = [18.0, 0.0].map(|hits| divergence(hits, Trials { n: 18.0, p: 0.5 }));
        let bound = 37.0 * (-sides[0] - sides[1]).exp();
        let exact = 1.0 / 9_075_135_300.0;
        assert!((exact..100.0 * exact).contains(&bound), "{bound}");
        near(divergence(9.0, Trials { n: 18.0, p: 0.5 }), 0.0);
    }

    #[test]
    fn the_surprise_bounds_the_true_probability_from_above() {
        // All of five hits at 5/105: (1/21)^5, which the bound reaches.
        let rare = [Trials {
            n: 5.0,
            p: 1.0 / 21.0,
        }];
        near(surprise(5.0, &rare), 5.0 * 21.0_f64.ln());
        // 60 or more of 100 at a half happen with probability 0.0284.
        let fair = [Trials { n: 60.0, p: 0.5 }, Trials { n: 40.0, p: 0.5 }];
        let bound = (-surprise(60.0, &fair)).exp();
        assert!((0.0284..0.14).contains(&bound), "{bound}");
        near((-surprise(40.0, &fair)).exp(), bound);
        near(surprise(50.0, &fair), 0.0);
    }
}
