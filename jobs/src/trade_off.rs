//! Points with several values of which more is better: which of them are the best trade-offs.

use std::cmp::Ordering;

/// Whether `one` is at least as good as `other` everywhere, and better somewhere. Both have the same length.
pub fn dominates(one: &[f64], other: &[f64]) -> bool {
    let is_nowhere_worse = one.iter().zip(other).all(|(one, other)| one >= other);
    is_nowhere_worse && one.iter().zip(other).any(|(one, other)| one > other)
}

/// The positions of the points that no other one dominates: the Pareto front, by the first value, the best first, and among equal
/// points in their order. Points with a value that is no finite number are left out.
///
/// # Examples
/// ```
/// let points = [vec![0.5, 0.5], vec![0.9, 0.1], vec![0.4, 0.4]];
/// assert_eq!(jobs::front(&points), [1, 0]);
/// ```
pub fn front(points: &[Vec<f64>]) -> Vec<usize> {
    let mut order: Vec<usize> =
        (0..points.len()).filter(|place| points[*place].iter().all(|value| value.is_finite())).collect();
    // A point that dominates another one comes before it.
    order.sort_by(|one, other| descending(&points[*one], &points[*other]));
    let mut front: Vec<usize> = Vec::new();
    for place in order {
        if !front.iter().any(|better| dominates(&points[*better], &points[place])) {
            front.push(place);
        }
    }
    front
}

/// The volume between the origin and a set of points of two or three values: of everything that some point is at least as good as.
/// Values below 0 count as 0. With another number of values it is 0.
///
/// # Examples
/// ```
/// assert!((jobs::hypervolume(&[&[0.5, 1.0], &[1.0, 0.5]]) - 0.75).abs() < 1e-12);
/// ```
///
/// # Source
/// Zitzler and Thiele, Multiobjective Optimization Using Evolutionary Algorithms (1998); three values by slices along the last one.
pub fn hypervolume(points: &[&[f64]]) -> f64 {
    let at = |point: &[f64], place: usize| point[place].max(0.0);
    match points.first().map(|point| point.len()) {
        Some(2) => {
            let mut stairs = Stairs::default();
            points.iter().for_each(|point| stairs.add(at(point, 0), at(point, 1)));
            stairs.area()
        }
        Some(3) => {
            let mut order: Vec<&[f64]> = points.to_vec();
            order.sort_by(|one, other| other[2].total_cmp(&one[2]));
            let mut stairs = Stairs::default();
            let mut volume = 0.0;
            let mut height = order.first().map_or(0.0, |point| at(point, 2));
            for point in order {
                volume += (height - at(point, 2)) * stairs.area();
                height = at(point, 2);
                stairs.add(at(point, 0), at(point, 1));
            }
            volume + height * stairs.area()
        }
        _ => 0.0,
    }
}

/// How good points are as trade-offs, in order: more is better, and only the order has a meaning. `None` for a point without finite
/// values.
///
/// Points that nothing dominates come first, then those that only the former dominate, and so on. Among these, the one counts more
/// whose loss would cost more of the [`hypervolume`] below all of them. Equal points count the same.
///
/// # Source
/// The order of points by fronts: Deb et al., A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II (2002); within a front:
/// Beume, Naujoks and Emmerich, SMS-EMOA (2007).
pub fn trade_off_gains(points: &[Option<Vec<f64>>]) -> Vec<Option<f64>> {
    let mut gains = vec![None; points.len()];
    let mut left: Vec<usize> = (0..points.len()).filter(|place| points[*place].is_some()).collect();
    let mut level = 0.0;
    while !left.is_empty() {
        let values: Vec<Vec<f64>> = left.iter().map(|place| points[*place].clone().unwrap_or_default()).collect();
        let members = front(&values);
        if members.is_empty() {
            break;
        }
        let losses = losses(&members.iter().map(|place| values[*place].as_slice()).collect::<Vec<_>>());
        let largest = losses.iter().copied().fold(0.0, f64::max);
        for (member, loss) in members.iter().zip(losses) {
            let share = if largest > 0.0 { loss / largest } else { 0.0 };
            gains[left[*member]] = Some(level + share / 2.0);
        }
        let is_member = |place: usize| members.contains(&place);
        left = left.iter().enumerate().filter(|(place, _)| !is_member(*place)).map(|(_, of)| *of).collect();
        level -= 1.0;
    }
    gains
}

/// What the volume below the points loses without each of them and those that are equal to it.
fn losses(points: &[&[f64]]) -> Vec<f64> {
    let whole = hypervolume(points);
    let without = |point: &[f64]| {
        let others: Vec<&[f64]> = points.iter().copied().filter(|other| *other != point).collect();
        hypervolume(&others)
    };
    points.iter().map(|point| whole - without(point)).collect()
}

/// The larger point first, by the first value in which they differ.
fn descending(one: &[f64], other: &[f64]) -> Ordering {
    let mut orders = one.iter().zip(other).map(|(one, other)| other.total_cmp(one));
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// The outline of rectangles at the origin: corners with x descending and y ascending.
#[derive(Default)]
struct Stairs {
    corners: Vec<[f64; 2]>,
}

impl Stairs {
    fn add(&mut self, x: f64, y: f64) {
        if self.corners.iter().any(|corner| corner[0] >= x && corner[1] >= y) {
            return;
        }
        self.corners.retain(|corner| corner[0] > x || corner[1] > y);
        let place = self.corners.partition_point(|corner| corner[0] > x);
        self.corners.insert(place, [x, y]);
    }

    fn area(&self) -> f64 {
        let mut below = 0.0;
        let step = |corner: &[f64; 2]| {
            let area = corner[0] * (corner[1] - below);
            below = corner[1];
            area
        };
        self.corners.iter().map(step).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn grid(dimensions: usize) -> impl Strategy<Value = Vec<Vec<f64>>> {
        let value = (0u8..6).prop_map(|value| f64::from(value) / 5.0);
        prop::collection::vec(prop::collection::vec(value, dimensions), 1..12)
    }

    /// The share of cells of a grid that some point is at least as good as: exact for values on the grid.
    fn counted(points: &[Vec<f64>]) -> f64 {
        let dimensions = points[0].len() as u32;
        let all = 5u32.pow(dimensions);
        let cell = |number: u32| (0..dimensions).map(move |place| f64::from(number / 5u32.pow(place) % 5) / 5.0 + 0.1);
        let is_below = |number: &u32| {
            points.iter().any(|point| point.iter().zip(cell(*number)).all(|(value, middle)| *value > middle))
        };
        f64::from((0..all).filter(is_below).count() as u32) / f64::from(all)
    }

    proptest! {
        #[test]
        fn the_volume_is_that_of_all_points_below(flat in grid(2), solid in grid(3)) {
            for points in [flat, solid] {
                let found = hypervolume(&points.iter().map(Vec::as_slice).collect::<Vec<_>>());
                prop_assert!((found - counted(&points)).abs() < 1e-9, "{found} {points:?}");
            }
        }

        #[test]
        fn the_front_is_what_nothing_dominates(points in grid(3)) {
            let front = front(&points);
            for (place, point) in points.iter().enumerate() {
                let is_dominated = points.iter().any(|other| dominates(other, point));
                prop_assert_eq!(front.contains(&place), !is_dominated);
            }
        }

        #[test]
        fn a_point_that_dominates_gains_more_whatever_the_order(points in grid(2)) {
            let told: Vec<_> = points.iter().cloned().map(Some).collect();
            let gains = trade_off_gains(&told);
            for (one, gain) in points.iter().zip(&gains) {
                for (other, less) in points.iter().zip(&gains) {
                    if dominates(one, other) {
                        prop_assert!(gain > less);
                    }
                    if one == other {
                        prop_assert_eq!(gain, less);
                    }
                }
            }
            let reversed: Vec<_> = told.into_iter().rev().collect();
            let again: Vec<_> = trade_off_gains(&reversed).into_iter().rev().collect();
            prop_assert_eq!(gains, again);
        }
    }

    #[test]
    fn a_point_without_finite_values_is_on_no_front_and_has_no_gain() {
        assert_eq!(front(&[vec![f64::NAN, 1.0], vec![0.1, 0.1]]), [1]);
        assert_eq!(trade_off_gains(&[None, Some(vec![f64::INFINITY, 1.0])]), [None, None]);
        assert_eq!(trade_off_gains(&[]), []);
    }
}
