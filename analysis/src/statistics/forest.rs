use super::draw::Draw;

/// Rows of levels, one column per feature, and the value of each row.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    /// By feature, the level of each row, below the feature's entry of `levels`.
    pub(super) columns: Vec<Vec<u32>>,
    /// The number of levels of each feature.
    pub(super) levels: Vec<u32>,
    /// The value of each row.
    pub(super) values: Vec<f64>,
}

/// A regression tree: every split sends the levels below `at` to the left.
#[derive(Debug)]
pub(super) enum Tree {
    Leaf(f64),
    Split { feature: usize, at: u32, left: Box<Self>, right: Box<Self> },
}

/// Rows that are not split any further are fewer than this.
const SMALLEST_SPLIT: usize = 3;

impl Tree {
    /// The tree of rows that are drawn with replacement, as many as there are, and of each row whether it was drawn.
    pub(super) fn bagged(rows: &Rows, mut draw: Draw) -> (Self, Vec<bool>) {
        let n = rows.values.len();
        let mut drawn = vec![false; n];
        let mut members: Vec<usize> = (0..n).map(|_| draw.below(n as u64) as usize).collect();
        members.iter().for_each(|row| drawn[*row] = true);
        (Self::grown(rows, &mut members), drawn)
    }

    /// Splits where the squares of the deviations from the sides' means sum up to least, until nothing is gained.
    pub(super) fn grown(rows: &Rows, members: &mut [usize]) -> Self {
        let mean = members.iter().map(|row| rows.values[*row]).sum::<f64>() / members.len() as f64;
        let cuts = (0..rows.columns.len()).filter_map(|feature| Cut::best(rows, members, feature));
        // The first among equals.
        let best = cuts.reduce(|best, cut| if cut.gain > best.gain { cut } else { best });
        let Some(Cut { feature, at, .. }) = best.filter(|_| members.len() >= SMALLEST_SPLIT) else {
            return Self::Leaf(mean);
        };
        members.sort_by_key(|row| rows.columns[feature][*row]);
        let middle = members.partition_point(|row| rows.columns[feature][*row] < at);
        let (left, right) = members.split_at_mut(middle);
        Self::Split { feature, at, left: Box::new(Self::grown(rows, left)), right: Box::new(Self::grown(rows, right)) }
    }

    /// The tree's prediction for a row.
    pub(super) fn value(&self, rows: &Rows, row: usize) -> f64 {
        match self {
            Self::Leaf(value) => *value,
            Self::Split { feature, at, left, right } => {
                let side = if rows.columns[*feature][row] < *at { left } else { right };
                side.value(rows, row)
            }
        }
    }
}

/// A split of some rows.
struct Cut {
    feature: usize,
    at: u32,
    gain: f64,
}

impl Cut {
    /// The split of `feature` that takes away most of the squared deviation, if any takes away some.
    fn best(rows: &Rows, members: &[usize], feature: usize) -> Option<Self> {
        let column = &rows.columns[feature];
        let mut by_level = vec![(0.0, 0u32); rows.levels[feature] as usize];
        // Deviations from one of the values: sums of squares of what is far from 0 lose digits.
        let origin = rows.values[*members.first()?];
        let mut squares = 0.0;
        for row in members {
            let value = rows.values[*row] - origin;
            let (sum, count) = &mut by_level[column[*row] as usize];
            *sum += value;
            *count += 1;
            squares += value * value;
        }
        let (whole, all) = by_level.iter().fold((0.0, 0), |(sum, count), level| (sum + level.0, count + level.1));
        let without = whole * whole / f64::from(all);
        let mut sum = 0.0;
        let mut count = 0;
        let mut best = None::<Self>;
        for (at, level) in (1..).zip(&by_level) {
            sum += level.0;
            count += level.1;
            if count == 0 || count == all || level.1 == 0 {
                continue;
            }
            let rest = whole - sum;
            let gain = sum * sum / f64::from(count) + rest * rest / f64::from(all - count) - without;
            // Less is rounding.
            let is_gain = gain > squares * 1e-12;
            if is_gain && best.as_ref().is_none_or(|best| gain > best.gain) {
                best = Some(Self { feature, at, gain });
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Rows {
        // The value is ten times the first feature; the second tells nothing.
        let columns = vec![vec![0, 0, 1, 1, 2, 2], vec![0, 1, 0, 1, 0, 1]];
        Rows { columns, levels: vec![3, 2], values: vec![0.0, 0.0, 10.0, 10.0, 20.0, 20.0] }
    }

    #[test]
    fn a_tree_finds_the_feature_that_tells_and_nothing_else() {
        let rows = rows();
        let tree = Tree::grown(&rows, &mut [0, 1, 2, 3, 4, 5]);
        assert!((0..6).all(|row| (tree.value(&rows, row) - rows.values[row]).abs() < 1e-12), "{tree:?}");
        assert!(!format!("{tree:?}").contains("feature: 1"), "{tree:?}");
    }

    #[test]
    fn what_does_not_vary_is_one_leaf() {
        let rows = Rows { values: vec![0.7; 6], ..rows() };
        assert!(
            matches!(Tree::grown(&rows, &mut [0, 1, 2, 3, 4, 5]), Tree::Leaf(value) if (value - 0.7).abs() < 1e-12)
        );
    }

    #[test]
    fn a_bag_is_the_same_by_the_same_seed_and_leaves_rows_out() {
        let bag = |seed| Tree::bagged(&rows(), Draw::new(seed, 0)).1;
        assert_eq!(bag(3), bag(3));
        assert!((0..20).any(|seed| bag(seed).contains(&false)));
    }
}
