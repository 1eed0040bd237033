use super::{HELD_BYTES, InputObserver, InputRows, ModuleInputs, Observed};
use crate::ModelError;
use rayon::prelude::*;

/// A place in a layer whose rows one or more modules take.
pub(crate) struct Site<S> {
    /// The place.
    pub(crate) id: S,
    /// Numbers of one row.
    pub(crate) width: usize,
    /// All modules that take its rows.
    pub(crate) modules: Vec<String>,
}

/// The sites of one layer that are observed, and by whom.
pub(crate) struct Observation<'a, S> {
    sites: Vec<Site<S>>,
    observer: Option<&'a mut dyn InputObserver>,
}

impl<'a, S: Copy + PartialEq + Send + Sync> Observation<'a, S> {
    /// The observed ones of `modules`: name, site and width of each linear layer of the layer that runs.
    pub(crate) fn new(observed: Option<Observed<'a>>, modules: impl IntoIterator<Item = (String, S, usize)>) -> Self {
        let Some(Observed { modules: wanted, observer }) = observed else {
            return Self { sites: Vec::new(), observer: None };
        };
        let mut sites: Vec<Site<S>> = Vec::new();
        for (name, id, width) in modules {
            match sites.iter_mut().find(|site| site.id == id) {
                Some(site) => site.modules.push(name),
                None => sites.push(Site { id, width, modules: vec![name] }),
            }
        }
        sites.retain(|site| site.modules.iter().any(|module| wanted.contains(module)));
        Self { sites, observer: Some(observer) }
    }

    /// Whether nothing is observed.
    pub(crate) fn is_empty(&self) -> bool {
        self.sites.is_empty()
    }

    /// Hands over rows `[rows, width]` of a site.
    pub(crate) fn hand_over(&mut self, id: S, rows: InputRows<'_>) -> Result<(), ModelError> {
        let site = self.sites.iter().find(|site| site.id == id);
        match (site, &mut self.observer) {
            (Some(site), Some(observer)) => observer.observe(&ModuleInputs::new(site, rows)),
            _ => Ok(()),
        }
    }

    /// Whether a site is observed.
    pub(crate) fn wants(&self, id: S) -> bool {
        self.sites.iter().any(|site| site.id == id)
    }

    /// Runs `work` on every step of a layer, one thread each, and hands over what it notes, step by step.
    ///
    /// `rows` says how many rows the longest step has: as many steps are under way as [`HELD_BYTES`] hold, and at least
    /// one for each thread.
    pub(crate) fn run<T: Send, B: Default + Send>(
        &mut self,
        steps: &mut [T],
        rows: usize,
        work: impl Fn(&mut T, &mut B, &mut dyn FnMut(S, &[f32])) -> Result<(), ModelError> + Sync,
    ) -> Result<(), ModelError> {
        let bytes = rows * self.sites.iter().map(|site| site.width).sum::<usize>() * size_of::<f32>();
        let held = HELD_BYTES.checked_div(bytes).unwrap_or(usize::MAX).max(rayon::current_num_threads());
        // Apart from the observer, which stays on this thread.
        let wanted: Vec<S> = self.sites.iter().map(|site| site.id).collect();
        for steps in steps.chunks_mut(held) {
            let run = |buffers: &mut B, step: &mut T| {
                let mut noted = Vec::new();
                work(step, buffers, &mut |id, rows| {
                    if wanted.contains(&id) {
                        noted.push((id, rows.to_vec()));
                    }
                })?;
                Ok(noted)
            };
            let noted: Vec<Vec<(S, Vec<f32>)>> =
                steps.par_iter_mut().with_max_len(1).map_init(B::default, run).collect::<Result<_, ModelError>>()?;
            for id in &wanted {
                let of_site = noted.iter().flatten().filter(|(noted, _)| noted == id);
                self.hand_over(*id, InputRows::Host(of_site.map(|(_, rows)| rows.as_slice()).collect()))?;
            }
        }
        Ok(())
    }
}
