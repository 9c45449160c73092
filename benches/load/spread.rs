//! What several rounds have shown of one quantity.

/// The least, the one in the middle, and the most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of at least one number. Of an even count, the median is the lower of the two in the middle.
    pub(crate) fn of(numbers: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = numbers.collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len() - 1;
        Self { least: sorted[0], median: sorted[last / 2], most: sorted[last] }
    }
}
