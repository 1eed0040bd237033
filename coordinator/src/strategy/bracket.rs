mod scan;
#[cfg(test)]
mod tests;

use super::{
    axis::{Axis, own_number},
    batched::Batches,
    error::{StrategyError, combination},
    linear::Scan as ScanNumber,
};
use jobs::{Parameter, RecipeSpec, Search};
use scan::{MOST_POINTS, Scan};

/// One parameter after the other, in file order, the others fixed at the best value so far: each by a [`Scan`] of at most
/// seven points around the best value, where a list would take many.
///
/// - A scan begins at the recipe's own value if that lies in the range or is listed, and else in the middle. The recipe as
///   it is written is evaluated only if its value is in the scan, or if there is no parameter at all.
/// - After a scan the parameter takes the best value of the scan. It keeps its value if the best point so far is at least as
///   good as every point of the scan, or if the whole scan failed.
#[derive(Debug, Clone)]
pub(super) struct Bracket {
    search: String,
    parameters: Vec<Parameter>,
    /// The pairs of points that the search may compare: see [`pairs`](Self::pairs).
    pairs: u64,
    /// The recipe that the scan varies.
    spec: RecipeSpec,
    /// How good the best point of all scans that are over is.
    incumbent: Option<f64>,
    /// The index of the next parameter.
    next: usize,
    scan: Option<ScannedAxis>,
    /// The positions on the axis that were asked for last.
    asked: Vec<usize>,
    /// Without parameters, the only point is the recipe itself.
    is_over: bool,
}

/// A parameter that is being scanned.
#[derive(Debug, Clone)]
struct ScannedAxis {
    axis: Axis,
    scan: Scan,
}

impl Bracket {
    /// The most points for one parameter.
    pub(super) const MOST_POINTS: usize = MOST_POINTS;

    pub(super) fn of(search: &Search) -> Result<Self, StrategyError> {
        // Values without an order are found before anything runs.
        let axes = search.parameters.iter().map(|parameter| Axis::of(&search.name, parameter, None));
        let axes = axes.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            pairs: axes.iter().map(|axis| pairs_of(axis.most_values())).fold(0, u64::saturating_add).max(1),
            search: search.name.clone(),
            parameters: search.parameters.clone(),
            spec: search.recipe.clone(),
            incumbent: None,
            next: 0,
            scan: None,
            asked: Vec::new(),
            is_over: false,
        })
    }

    /// The same search from a recipe that is this good already.
    pub(super) fn from_point(search: &Search, gain: f64) -> Result<Self, StrategyError> {
        Ok(Self { incumbent: Some(gain), ..Self::of(search)? })
    }

    /// The pairs of points that the search may compare: in each scan any two of the values, and each value with the best point of the
    /// scans before. Which ones it compares depends on how good they are on the examples of the scan.
    pub(super) fn pairs(&self) -> u64 {
        self.pairs
    }

    /// The number of the scan that was begun last.
    pub(super) fn current_scan(&self) -> ScanNumber {
        ScanNumber(self.next as u64)
    }

    /// Begins the scan of the next parameter; false if there is none.
    fn begin_scan(&mut self) -> Result<bool, StrategyError> {
        let Some(parameter) = self.parameters.get(self.next) else { return Ok(false) };
        self.next += 1;
        let own = own_number(&self.spec, &parameter.key);
        let axis = Axis::of(&self.search, parameter, own)?;
        let start = own.and_then(|own| axis.index_of(own)).unwrap_or(axis.len() / 2);
        let places = (0..axis.len()).map(|index| axis.place(index)).collect();
        self.scan = Some(ScannedAxis { scan: Scan::new(places, start), axis });
        Ok(true)
    }

    fn end_scan(&mut self) -> Result<(), StrategyError> {
        let Some(ScannedAxis { axis, scan }) = self.scan.take() else { return Ok(()) };
        let Some(best) = scan.best() else { return Ok(()) };
        if self.incumbent.is_none_or(|incumbent| best.gain > incumbent) {
            self.spec = self.with(&axis, best.position)?;
            self.incumbent = Some(best.gain);
        }
        Ok(())
    }

    fn with(&self, axis: &Axis, position: usize) -> Result<RecipeSpec, StrategyError> {
        let mut spec = self.spec.clone();
        spec.set(&axis.key, axis.value(position)).map_err(|source| combination(&self.search, &self.spec, source))?;
        Ok(spec)
    }
}

/// Any two of so many values, and each of them with a point beside.
fn pairs_of(values: usize) -> u64 {
    let values = values as u64;
    values.saturating_mul(values.saturating_add(1)) / 2
}

impl Batches for Bracket {
    fn ask(&mut self) -> Result<Vec<RecipeSpec>, StrategyError> {
        if self.parameters.is_empty() {
            let is_over = std::mem::replace(&mut self.is_over, true);
            return Ok(if is_over { Vec::new() } else { vec![self.spec.clone()] });
        }
        while self.scan.is_some() || self.begin_scan()? {
            if let Some(ScannedAxis { axis, scan }) = &self.scan {
                self.asked = scan.next();
                if !self.asked.is_empty() {
                    return self.asked.iter().map(|position| self.with(axis, *position)).collect();
                }
            }
            self.end_scan()?;
        }
        Ok(Vec::new())
    }

    fn tell(&mut self, gains: &[Option<f64>]) -> Result<(), StrategyError> {
        if let Some(ScannedAxis { scan, .. }) = &mut self.scan {
            for (position, gain) in self.asked.iter().zip(gains) {
                scan.add(*position, *gain);
            }
        }
        Ok(())
    }

    fn bound(&self) -> u64 {
        (self.parameters.len() * MOST_POINTS).max(1) as u64
    }
}
