use faer::Mat;
use rand_chacha::{ChaCha8Rng, rand_core::Rng};

/// Attempts from different beginnings, of which the best stays.
const ATTEMPTS: usize = 10;

/// Rounds of an attempt after which it ends in any case.
const MOST_ROUNDS: usize = 300;

/// k-means on points of which only the inner products are known.
///
/// Minimises Σ‖xᵢ − c(i)‖², where c(i) is the mean of the cluster of point i. Ten times: k-means++ picks k points, each
/// with a probability in proportion to its squared distance from those before it; then points move to the nearest mean
/// until none moves. The attempt with the smallest sum stays.
///
/// # Shapes
/// `gram`: ⟨xᵢ, xⱼ⟩, `[N, N]`; `clusters` k, at most N. Result: the cluster of every point, from 0; none is empty.
///
/// # Numerics
/// `f64`. ‖x − mean‖² = ⟨x, x⟩ − 2·mean⟨x, y⟩ + mean⟨y, z⟩ over the members y, z. Of equal distances the first cluster
/// is taken. Random numbers come from `words` alone, in a fixed order, so the result is the same on any machine up to
/// the rounding of `gram`. A round costs O(N² + N·k).
///
/// # Source
/// Lloyd (1982); k-means++ (Arthur and Vassilvitskii, 2007); ten attempts as in scikit-learn, whose random numbers
/// differ.
pub(super) fn k_means(gram: &Mat<f64>, clusters: usize, words: &mut ChaCha8Rng) -> Vec<usize> {
    let points = Points { gram, clusters: clusters.min(gram.nrows()) };
    let mut best = points.attempt(words);
    let mut smallest = points.spread(&best);
    for _ in 1..ATTEMPTS {
        let labels = points.attempt(words);
        let spread = points.spread(&labels);
        if spread < smallest {
            smallest = spread;
            best = labels;
        }
    }
    best
}

struct Points<'a> {
    gram: &'a Mat<f64>,
    clusters: usize,
}

impl Points<'_> {
    fn attempt(&self, words: &mut ChaCha8Rng) -> Vec<usize> {
        let seeds = self.seeds(words);
        let to_seed = |point: usize| nearest(seeds.iter().map(|seed| self.between(point, *seed)));
        let mut labels: Vec<usize> = (0..self.gram.nrows()).map(to_seed).collect();
        self.fill_empty(&mut labels);
        for _ in 0..MOST_ROUNDS {
            let means = Means::new(self, &labels);
            let mut moved: Vec<usize> =
                (0..labels.len()).map(|point| nearest(means.distances(self.gram[(point, point)], point))).collect();
            self.fill_empty(&mut moved);
            if moved == labels {
                break;
            }
            labels = moved;
        }
        labels
    }

    /// k-means++.
    fn seeds(&self, words: &mut ChaCha8Rng) -> Vec<usize> {
        let count = self.gram.nrows();
        let mut seeds = Vec::with_capacity(self.clusters);
        let mut distances = vec![1.0; count];
        while seeds.len() < self.clusters {
            let total: f64 = distances.iter().sum();
            let mut rest = uniform(words) * total;
            let picked = distances.iter().position(|distance| {
                rest -= distance;
                rest < 0.0
            });
            // Where all distances are 0, the points that are left are copies: any of them will do.
            let unused = || (0..count).find(|point| !seeds.contains(point));
            let seed = picked.or_else(unused).unwrap_or_default();
            seeds.push(seed);
            for (point, distance) in distances.iter_mut().enumerate() {
                let new = self.between(point, seed);
                *distance = if seeds.len() == 1 { new } else { distance.min(new) };
            }
        }
        seeds
    }

    fn between(&self, left: usize, right: usize) -> f64 {
        (self.gram[(left, left)] - 2.0 * self.gram[(left, right)] + self.gram[(right, right)]).max(0.0)
    }

    /// Gives every empty cluster the point that lies farthest from its mean, of the clusters with other members.
    fn fill_empty(&self, labels: &mut [usize]) {
        for cluster in 0..self.clusters {
            if labels.contains(&cluster) {
                continue;
            }
            let means = Means::new(self, labels);
            let distance = |point: &usize| means.distance(self.gram[(*point, *point)], *point, labels[*point]);
            let movable = (0..labels.len()).filter(|point| means.sizes[labels[*point]] > 1);
            let farthest = movable.max_by(|left, right| distance(left).total_cmp(&distance(right)));
            if let Some(point) = farthest {
                labels[point] = cluster;
            }
        }
    }

    fn spread(&self, labels: &[usize]) -> f64 {
        let means = Means::new(self, labels);
        let distance = |(point, label): (usize, &usize)| means.distance(self.gram[(point, point)], point, *label);
        labels.iter().enumerate().map(distance).sum()
    }
}

/// The means of clusters, by their inner products.
struct Means {
    sizes: Vec<usize>,
    /// ⟨x, mean⟩ by point and cluster.
    products: Mat<f64>,
    /// ‖mean‖².
    squares: Vec<f64>,
}

impl Means {
    fn new(points: &Points<'_>, labels: &[usize]) -> Self {
        let mut sizes = vec![0; points.clusters];
        labels.iter().for_each(|label| sizes[*label] += 1);
        let mut products = Mat::zeros(labels.len(), points.clusters);
        for (other, label) in labels.iter().enumerate() {
            for point in 0..labels.len() {
                products[(point, *label)] += points.gram[(point, other)] / sizes[*label] as f64;
            }
        }
        let mut squares = vec![0.0; points.clusters];
        for (point, label) in labels.iter().enumerate() {
            squares[*label] += products[(point, *label)] / sizes[*label] as f64;
        }
        Self { sizes, products, squares }
    }

    fn distance(&self, square: f64, point: usize, cluster: usize) -> f64 {
        (square - 2.0 * self.products[(point, cluster)] + self.squares[cluster]).max(0.0)
    }

    fn distances(&self, square: f64, point: usize) -> impl Iterator<Item = f64> {
        (0..self.squares.len()).map(move |cluster| self.distance(square, point, cluster))
    }
}

/// The first of the smallest.
fn nearest(distances: impl Iterator<Item = f64>) -> usize {
    let smallest = distances.enumerate().min_by(|(_, left), (_, right)| left.total_cmp(right));
    smallest.map_or(0, |(cluster, _)| cluster)
}

/// A number in [0, 1).
fn uniform(words: &mut ChaCha8Rng) -> f64 {
    (words.next_u64() >> 11) as f64 / 2f64.powi(53)
}

#[cfg(test)]
mod tests {
    use super::k_means;
    use faer::Mat;
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    fn clusters(points: &[[f64; 2]], count: usize, seed: u64) -> Vec<usize> {
        let gram = Mat::from_fn(points.len(), points.len(), |row, col| {
            points[row][0] * points[col][0] + points[row][1] * points[col][1]
        });
        k_means(&gram, count, &mut ChaCha8Rng::seed_from_u64(seed))
    }

    #[test]
    fn groups_that_lie_apart_are_found_whatever_the_seed() {
        let points = [[0.0, 0.0], [9.0, 9.0], [0.1, 0.0], [9.1, 9.0], [-9.0, 0.1], [-9.0, 0.0]];
        for seed in 0..20 {
            let found = clusters(&points, 3, seed);
            assert!(found[0] == found[2] && found[1] == found[3] && found[4] == found[5], "{found:?}");
            assert!(found[0] != found[1] && found[1] != found[4] && found[4] != found[0], "{found:?}");
        }
    }

    #[test]
    fn no_cluster_is_empty_even_if_points_are_copies() {
        let mut found = clusters(&[[1.0, 2.0]; 5], 3, 1);
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, [0, 1, 2]);
        assert_eq!(clusters(&[[1.0, 2.0]; 2], 5, 1).len(), 2);
    }

    #[test]
    fn a_seed_decides_everything() {
        let points: Vec<_> = (0..40).map(|index| [f64::from(index * 7 % 11), f64::from(index * 5 % 13)]).collect();
        assert_eq!(clusters(&points, 6, 3), clusters(&points, 6, 3));
    }
}
