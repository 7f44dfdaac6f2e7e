//! Random bytes, spent on choices.

/// Random bytes that are spent on choices. Zeros, to which failures shrink, choose what comes first.
pub(in crate::authority) struct Dice(pub(in crate::authority) Vec<u8>);

// === impl Dice ===

impl Dice {
    pub(in crate::authority) fn roll(&mut self) -> usize {
        usize::from(self.0.pop().unwrap_or(0))
    }

    pub(in crate::authority) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll() % of.len()]
    }

    /// The first, but rarely another.
    pub(in crate::authority) fn mostly<T: Copy>(&mut self, of: &[T]) -> T {
        let roll = self.roll();
        if roll < 240 {
            of[0]
        } else {
            of[roll % of.len()]
        }
    }

    pub(in crate::authority) fn some<T: Copy>(&mut self, of: &[T], most: usize) -> Vec<T> {
        let count = self.roll() % (most + 1);
        (0..count).map(|_| self.one(of)).collect()
    }

    /// Whether it happens, in this many of a hundred.
    pub(in crate::authority) fn chance(&mut self, percent: usize) -> bool {
        (self.roll() * 100) >> 8 >= 100 - percent
    }

    /// One of these, each as often as its weight says.
    pub(in crate::authority) fn weighted<T: Copy>(&mut self, of: &[(usize, T)]) -> T {
        let sum: usize = of.iter().map(|(weight, _)| weight).sum();
        let mut left = (self.roll() << 8 | self.roll()) % sum;
        for (weight, choice) in of {
            if left < *weight {
                return *choice;
            }
            left -= weight;
        }
        of[0].1
    }
}
