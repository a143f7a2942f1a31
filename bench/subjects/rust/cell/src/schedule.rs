//! The open loop's schedule, number for number that of bench/measure/arrivals.c: with one seed and one
//! rate every pool gets the same load.

const BURST_SIZE: usize = 16;
const PARETO_INDEX: f64 = 1.5;
const PARETO_CUT: f64 = 1000.0; // times the mean

/// xoshiro256**, its state filled by splitmix64.
#[derive(Clone)]
pub struct Random([u64; 4]);

impl Random {
    pub fn new(mut seed: u64) -> Random {
        let mut state = [0; 4];
        for word in &mut state {
            seed = seed.wrapping_add(0x9e3779b97f4a7c15);
            let mut z = seed;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d049bb133111eb);
            *word = z ^ (z >> 31);
        }
        Random(state)
    }

    fn next(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Over (0, 1].
    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.unit().ln()
    }

    fn below(&mut self, n: u64) -> u64 {
        let limit = u64::MAX - u64::MAX % n;
        loop {
            let value = self.next();
            if value < limit {
                return value % n;
            }
        }
    }
}

fn gap_after(kind: &str, index: usize, gap: f64, random: &mut Random) -> f64 {
    match kind {
        "poisson" => random.exponential(gap),
        "burst" if index % BURST_SIZE == 0 => random.exponential(gap * BURST_SIZE as f64),
        "burst" => 0.0,
        _ => gap,
    }
}

/// n moments after the start, in nanoseconds, whose last is n gaps after it.
pub fn arrivals(kind: &str, n: usize, rate: f64, random: &mut Random) -> Vec<i64> {
    let (gap, mut again) = (1e9 / rate, random.clone());
    let end: f64 = (0..n).fold(0.0, |end, i| end + gap_after(kind, i, gap, random));
    let scale = if end > 0.0 { n as f64 * gap / end } else { 1.0 };
    let mut at = 0.0;
    let mut moment = |i| {
        at += gap_after(kind, i, gap, &mut again);
        (at * scale + 0.5) as i64
    };
    (0..n).map(&mut moment).collect()
}

fn service_of(kind: &str, mean: f64, random: &mut Random) -> f64 {
    match kind {
        "exponential" => random.exponential(mean),
        "bimodal" if random.below(10) == 0 => 5.5 * mean,
        "bimodal" => 0.5 * mean,
        "pareto" => {
            let least = mean * (PARETO_INDEX - 1.0) / PARETO_INDEX;
            (least * random.unit().powf(-1.0 / PARETO_INDEX)).min(mean * PARETO_CUT)
        }
        _ => mean,
    }
}

/// Lengths of n tasks in nanoseconds, whose mean is exact.
pub fn services(kind: &str, n: usize, mean: f64, random: &mut Random) -> Vec<i64> {
    let mut again = random.clone();
    let sum: f64 = (0..n).fold(0.0, |sum, _| sum + service_of(kind, mean, random));
    let scale = if sum > 0.0 { n as f64 * mean / sum } else { 1.0 };
    (0..n).map(|_| (service_of(kind, mean, &mut again) * scale + 0.5) as i64).collect()
}
