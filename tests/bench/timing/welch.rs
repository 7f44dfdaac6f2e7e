//! Welch's t-test, on all measurements and on those below each of many limits: what interrupts a measurement makes it longer,
//! and hides a difference among the short ones; a difference in the long ones alone shows in the test on all.

/// Measurements that the limits are taken from. They are not tested: caches were cold.
const FIRST: usize = 10_000;
/// How many limits there are.
const LIMITS: usize = 100;
/// Fewest measurements of each kind that a test says anything by.
const ENOUGH: f64 = 5000.0;

/// Tests of one question.
#[derive(Default)]
pub(crate) struct Tests {
    first: Vec<f64>,
    all: Welch,
    below: Vec<(f64, Welch)>,
}

/// Two kinds of measurements: of each how many, their mean, and the sum of the squares of how far they are from it.
#[derive(Clone, Copy, Default)]
struct Welch {
    count: [f64; 2],
    mean: [f64; 2],
    squares: [f64; 2],
}

// === impl Tests ===

impl Tests {
    pub(crate) fn add(&mut self, kind: bool, took: f64) {
        if self.first.len() < FIRST {
            self.first.push(took);
            return;
        }
        if self.below.is_empty() {
            self.first.sort_by(f64::total_cmp);
            self.below = (1..=LIMITS)
                .map(|step| (self.first[limit(step)], Welch::default()))
                .collect();
        }
        self.all.add(kind, took);
        for (limit, test) in &mut self.below {
            if took < *limit {
                test.add(kind, took);
            }
        }
    }

    /// How many measurements are tested.
    pub(crate) fn measured(&self) -> f64 {
        self.all.count.iter().sum()
    }

    /// The means of both kinds.
    pub(crate) fn means(&self) -> [f64; 2] {
        self.all.mean
    }

    /// The greatest of all statistics, without its sign.
    pub(crate) fn greatest(&self) -> f64 {
        let tests = self.below.iter().map(|(_, test)| test).chain([&self.all]);
        tests.filter_map(Welch::t).map(f64::abs).fold(0.0, f64::max)
    }
}

// === impl Welch ===

impl Welch {
    /// Welford's way of adding: no sum grows large.
    fn add(&mut self, kind: bool, took: f64) {
        let kind = usize::from(kind);
        self.count[kind] += 1.0;
        let from = took - self.mean[kind];
        self.mean[kind] += from / self.count[kind];
        self.squares[kind] += from * (took - self.mean[kind]);
    }

    /// The statistic; `None` if there is too little to tell.
    fn t(&self) -> Option<f64> {
        if self.count.iter().any(|count| *count < ENOUGH) {
            return None;
        }
        let spread: f64 = (0..2)
            .map(|kind| self.squares[kind] / (self.count[kind] - 1.0) / self.count[kind])
            .sum();
        (spread > 0.0).then(|| (self.mean[0] - self.mean[1]) / spread.sqrt())
    }
}

/// Where the limit of this step lies among the first measurements: the limits are closer together, the higher they are.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a length"
)]
fn limit(step: usize) -> usize {
    let share = 1.0 - 0.5_f64.powf(10.0 * step as f64 / LIMITS as f64);
    ((share * FIRST as f64) as usize).min(FIRST - 1)
}
