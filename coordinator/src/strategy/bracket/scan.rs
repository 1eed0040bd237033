/// The most points of a scan.
pub(super) const MOST_POINTS: usize = 7;

/// The points of a scan from which on it ends as soon as a parabola says that the best point is the best there is.
const ENOUGH_POINTS: usize = 5;

/// The smaller part of a line in the golden section.
const GOLDEN: f64 = 0.381_966_011_250_105_1;

/// A search for the best of some values on a line, by few of them.
///
/// 1. The first points are the start and one on each side, a quarter of the axis away.
/// 2. While the best point is the outermost on a side, the next one lies further out on that side, by twice the distance to
///    its neighbour, and at most at the end of the axis.
/// 3. The best point then has a neighbour on both sides, or lies at an end. The next point is where a parabola through the
///    three is best. If there is no such parabola, or if its best place is the best point itself, the next point divides the
///    larger gap beside the best point in the golden section.
/// 4. The scan ends when no value is left between the neighbours; after seven points; after five as soon as the parabola
///    cannot do better; when the best point and both neighbours are equal (a plateau); and when all of the first points
///    failed: three, or two at an end of the axis.
///
/// If values rise to one best value and fall from there, it lies between the neighbours of the best point at any time. A
/// failed point is worse than every number. Of equal points the earlier one is the best.
#[derive(Debug, Clone)]
pub(super) struct Scan {
    /// The places of the values on the line, ascending.
    places: Vec<f64>,
    start: usize,
    /// The evaluated points, in order.
    points: Vec<Point>,
}

/// An evaluated point.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    position: usize,
    gain: Option<f64>,
}

/// The best point of a scan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct BestPoint {
    pub(super) position: usize,
    pub(super) gain: f64,
}

/// The best point with the evaluated points that are next to it.
#[derive(Debug, Clone, Copy)]
struct Neighbourhood {
    low: Option<Point>,
    best: BestPoint,
    high: Option<Point>,
}

impl Scan {
    /// A scan of values at these places, ascending, that begins at the index `start`.
    pub(super) fn new(places: Vec<f64>, start: usize) -> Self {
        Self { places, start, points: Vec::new() }
    }

    /// Adds how good a point is; `None` if it failed.
    pub(super) fn add(&mut self, position: usize, gain: Option<f64>) {
        self.points.push(Point { position, gain });
    }

    /// The best point, the earliest among equals; `None` if all failed.
    pub(super) fn best(&self) -> Option<BestPoint> {
        let mut best: Option<BestPoint> = None;
        for Point { position, gain } in &self.points {
            if let Some(gain) = *gain
                && best.is_none_or(|best| gain > best.gain)
            {
                best = Some(BestPoint { position: *position, gain });
            }
        }
        best
    }

    /// The positions whose points come next, together; none at the end of the scan.
    pub(super) fn next(&self) -> Vec<usize> {
        if self.points.is_empty() {
            return self.first();
        }
        if self.points.len() >= MOST_POINTS {
            return Vec::new();
        }
        let next = self.neighbourhood().and_then(|near| self.outward(near).or_else(|| self.inward(near)));
        next.into_iter().collect()
    }

    /// The start, and a position on each side.
    fn first(&self) -> Vec<usize> {
        let Some(last) = self.places.len().checked_sub(1) else { return Vec::new() };
        let step = (self.places.len() / 4).max(1);
        let mut first = vec![self.start];
        for position in [self.start.saturating_sub(step), (self.start + step).min(last)] {
            if !first.contains(&position) {
                first.push(position);
            }
        }
        first
    }

    fn neighbourhood(&self) -> Option<Neighbourhood> {
        let best = self.best()?;
        let below = self.points.iter().filter(|point| point.position < best.position);
        let above = self.points.iter().filter(|point| point.position > best.position);
        Some(Neighbourhood {
            low: below.max_by_key(|point| point.position).copied(),
            best,
            high: above.min_by_key(|point| point.position).copied(),
        })
    }

    /// A position further out, if the best point is the outermost on a side and not at its end.
    fn outward(&self, near: Neighbourhood) -> Option<usize> {
        let Neighbourhood { low, best, high } = near;
        let last = self.places.len() - 1;
        match (low, high) {
            (None, Some(high)) if best.position > 0 => {
                Some(best.position.saturating_sub(2 * (high.position - best.position)))
            }
            (Some(low), None) if best.position < last => {
                Some((best.position + 2 * (best.position - low.position)).min(last))
            }
            (None | Some(_), None | Some(_)) => None,
        }
    }

    /// A position between the best point and one of its neighbours.
    fn inward(&self, near: Neighbourhood) -> Option<usize> {
        if is_plateau(near) {
            return None;
        }
        let vertex = self.vertex(near);
        let is_enough = self.points.len() >= ENOUGH_POINTS;
        match vertex {
            Some(position) if position != near.best.position => Some(position),
            Some(_) if is_enough => None,
            Some(_) | None => self.golden(near),
        }
    }

    /// The position that is nearest to where a parabola through the three points is best.
    fn vertex(&self, near: Neighbourhood) -> Option<usize> {
        let (Some(low), Some(high)) = (near.low, near.high) else { return None };
        let low_gain = low.gain?;
        let high_gain = high.gain?;
        let at = |position: usize| self.places[position];
        let middle = at(near.best.position);
        let to_low = middle - at(low.position);
        let to_high = at(high.position) - middle;
        // Differences of gains, weighed by the distance to the other side: none is negative, as the best point is in the middle.
        let of_low = (near.best.gain - low_gain) * to_high;
        let of_high = (near.best.gain - high_gain) * to_low;
        let curvature = of_low + of_high;
        if !(curvature.is_finite() && curvature > 0.0) {
            return None;
        }
        let place = middle + 0.5 * (of_low * to_high - of_high * to_low) / curvature;
        let inside = low.position + 1..high.position;
        inside.min_by(|one, other| (at(*one) - place).abs().total_cmp(&(at(*other) - place).abs()))
    }

    /// The position that divides the larger gap beside the best point in the golden section.
    fn golden(&self, near: Neighbourhood) -> Option<usize> {
        let best = near.best.position;
        let down = near.low.map_or(0, |low| best - low.position);
        let up = near.high.map_or(0, |high| high.position - best);
        let gap = down.max(up);
        if gap < 2 {
            return None;
        }
        let step = ((gap as f64 * GOLDEN).round() as usize).clamp(1, gap - 1);
        Some(if up >= down { best + step } else { best - step })
    }
}

/// Whether the best point has two neighbours that are as good.
fn is_plateau(near: Neighbourhood) -> bool {
    let is_equal = |point: Option<Point>| {
        point.and_then(|point| point.gain).is_some_and(|gain| gain.total_cmp(&near.best.gain).is_eq())
    };
    is_equal(near.low) && is_equal(near.high)
}
