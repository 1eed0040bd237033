//! Places for the labels of points, so that none lies on another.

/// A box: left, top, right, bottom.
type Box = [f64; 4];

/// Directions that are tried, beginning at the right.
const DIRECTIONS: u32 = 16;
/// Distances from the point that are tried, in steps.
const STEPS: u32 = 10;
const STEP: f64 = 5.0;

/// The middle of the label of each point.
///
/// Labels have the sizes `sizes`, stay within `frame` and clear of every mark, whose radius is `mark`, and of each
/// other, as near to their points as that allows; where nothing near is free, the least covered place is taken. Points
/// come in their order, so the same points have the same labels.
pub(super) fn places(points: &[(f64, f64)], sizes: &[(f64, f64)], frame: Box, mark: f64) -> Vec<(f64, f64)> {
    let mut taken: Vec<Box> = points.iter().map(|at| around(*at, (2.0 * mark, 2.0 * mark))).collect();
    let mut places = Vec::with_capacity(points.len());
    for (at, size) in points.iter().zip(sizes) {
        let covered = |place: &(f64, f64)| {
            let label = around(*place, *size);
            let outside = size.0 * size.1 - overlap(&label, &frame);
            outside + taken.iter().map(|other| overlap(&label, other)).sum::<f64>()
        };
        let mut best: Option<((f64, f64), f64)> = None;
        for place in candidates(*at, *size, mark) {
            let covered = covered(&place);
            if best.is_none_or(|(_, least)| covered < least - 1e-6) {
                best = Some((place, covered));
            }
            if covered <= 1e-6 {
                break;
            }
        }
        let place = best.map_or(*at, |best| best.0);
        taken.push(around(place, *size));
        places.push(place);
    }
    places
}

/// Places around a point, the nearest first.
fn candidates((x, y): (f64, f64), (width, height): (f64, f64), mark: f64) -> impl Iterator<Item = (f64, f64)> {
    (0..STEPS * DIRECTIONS).map(move |place| {
        let away = mark + 2.0 + STEP * f64::from(place / DIRECTIONS);
        // Right, left, above, below, then what lies between.
        let turn = [0, 8, 4, 12, 2, 6, 14, 10, 1, 7, 3, 5, 15, 9, 13, 11][(place % DIRECTIONS) as usize];
        let angle = f64::from(turn) / f64::from(DIRECTIONS) * std::f64::consts::TAU;
        let right = angle.cos();
        let up = angle.sin();
        (x + right * (away + width / 2.0), y - up * (away + height / 2.0))
    })
}

fn around((x, y): (f64, f64), (width, height): (f64, f64)) -> Box {
    [x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0]
}

/// The area that two boxes share.
fn overlap(one: &Box, other: &Box) -> f64 {
    let width = one[2].min(other[2]) - one[0].max(other[0]);
    let height = one[3].min(other[3]) - one[1].max(other[1]);
    width.max(0.0) * height.max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Box = [0.0, 0.0, 300.0, 200.0];
    const SIZE: (f64, f64) = (14.0, 11.0);

    fn placed(points: &[(f64, f64)]) -> Vec<Box> {
        let sizes = vec![SIZE; points.len()];
        places(points, &sizes, FRAME, 5.0).into_iter().map(|at| around(at, SIZE)).collect()
    }

    fn assert_apart(points: &[(f64, f64)]) {
        let labels = placed(points);
        for (place, label) in labels.iter().enumerate() {
            assert!((overlap(label, &FRAME) - SIZE.0 * SIZE.1).abs() < 1e-9, "{label:?} leaves the frame");
            let others = labels.iter().skip(place + 1);
            assert!(others.into_iter().all(|other| overlap(label, other) < 1e-6), "{labels:?}");
            assert!(
                points.iter().all(|at| overlap(label, &around(*at, (10.0, 10.0))) < 1e-6),
                "{label:?} is on a mark"
            );
        }
    }

    #[test]
    fn a_label_alone_stands_at_the_right() {
        let [label] = placed(&[(100.0, 100.0)])[..] else { panic!("one label") };
        assert!(label[0] > 105.0 && label[0] < 110.0, "{label:?}");
    }

    #[test]
    fn labels_of_points_at_one_place_do_not_overlap() {
        assert_apart(&[(150.0, 100.0); 8]);
    }

    #[test]
    fn labels_of_points_in_corners_and_rows_stay_within_and_apart() {
        let row = (0..12u32).map(|step| (100.0 + 4.0 * f64::from(step), 90.0));
        let corners = [(2.0, 2.0), (298.0, 198.0), (298.0, 2.0), (2.0, 198.0)];
        assert_apart(&row.chain(corners).collect::<Vec<_>>());
    }
}
