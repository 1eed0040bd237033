use super::forest::Tree;

/// Part of the space of levels, and the value that a tree gives it.
struct Block {
    /// By feature, the levels from the first to before the second.
    ranges: Vec<(u32, u32)>,
    value: f64,
}

/// The share of a tree's variance that each feature explains alone; `None` if the tree's prediction is constant.
///
/// Every level of a feature counts the same, and every combination of levels. With the tree's mean `m`, and `a_f(x)`
/// its mean over all combinations in which feature `f` has level `x`, exactly,
///
/// ```text
/// share_f = mean over x of (a_f(x) − m)² / mean over all combinations of (tree − m)²
/// ```
pub(super) fn shares(tree: &Tree, levels: &[u32]) -> Option<Vec<f64>> {
    let mut blocks = Vec::new();
    collect(tree, &mut levels.iter().map(|levels| (0, *levels)).collect(), &mut blocks);
    let part = |block: &Block, feature: usize| {
        let (from, to) = block.ranges[feature];
        f64::from(to - from) / f64::from(levels[feature])
    };
    let size = |block: &Block| (0..levels.len()).map(|feature| part(block, feature)).product::<f64>();
    let mean: f64 = blocks.iter().map(|block| size(block) * block.value).sum();
    let variance: f64 = blocks.iter().map(|block| size(block) * (block.value - mean).powi(2)).sum();
    let share = |feature: usize| {
        let mut deviations = vec![0.0; levels[feature] as usize];
        for block in &blocks {
            let (from, to) = block.ranges[feature];
            // The block's share of the combinations in which the feature has one of its levels.
            let deviation = size(block) / part(block, feature) * (block.value - mean);
            deviations[from as usize..to as usize].iter_mut().for_each(|level| *level += deviation);
        }
        let squares: f64 = deviations.iter().map(|deviation| deviation * deviation).sum();
        squares / f64::from(levels[feature]) / variance
    };
    (variance > 0.0).then(|| (0..levels.len()).map(share).collect())
}

fn collect(tree: &Tree, ranges: &mut Vec<(u32, u32)>, blocks: &mut Vec<Block>) {
    match tree {
        Tree::Leaf(value) => blocks.push(Block { ranges: ranges.clone(), value: *value }),
        Tree::Split { feature, at, left, right } => {
            let whole = ranges[*feature];
            ranges[*feature] = (whole.0, *at);
            collect(left, ranges, blocks);
            ranges[*feature] = (*at, whole.1);
            collect(right, ranges, blocks);
            ranges[*feature] = whole;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(feature: usize, at: u32, left: Tree, right: Tree) -> Tree {
        Tree::Split { feature, at, left: Box::new(left), right: Box::new(right) }
    }

    #[test]
    fn shares_are_those_that_one_computes_by_hand() {
        // Feature 0 has four levels, feature 1 two. 0 for the lowest level of feature 0; elsewhere 4, and 8 where
        // feature 1 is high. The mean is (0 + 3 · 6) / 4 = 4.5, the variance
        // (1 · 20.25 + 1.5 · 0.25 + 1.5 · 12.25) / 4 = 9.75.
        let tree = split(0, 1, Tree::Leaf(0.0), split(1, 1, Tree::Leaf(4.0), Tree::Leaf(8.0)));
        // Feature 0: 0 and three times 6, hence (20.25 + 3 · 2.25) / 4 = 6.75. Feature 1: 3 and 6, hence 2.25.
        let shares = shares(&tree, &[4, 2]).unwrap();
        assert!((shares[0] - 6.75 / 9.75).abs() < 1e-12 && (shares[1] - 2.25 / 9.75).abs() < 1e-12, "{shares:?}");
    }

    #[test]
    fn a_single_leaf_has_no_variance_to_share() {
        assert_eq!(shares(&Tree::Leaf(0.3), &[4, 2]), None);
    }
}
