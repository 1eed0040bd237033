use super::{AlignedMatrix, Factors, Spectrum, coordinates::Coordinates, naming::Names};
use crate::{Adapter, LoraModule, MergeError, linalg, merge::triplets, methods::NoMean};
use jobs::Space;
use std::{collections::BTreeMap, sync::Arc};

/// All tasks' updates of one weight.
pub(super) struct Input<'a> {
    pub(super) name: &'a str,
    source: &'a str,
    pub(super) shape: [usize; 2],
    pub(super) modules: Vec<Option<&'a LoraModule>>,
}

pub(super) fn inputs<'a>(adapters: &'a [Adapter], names: &'a Names) -> Result<Vec<Input<'a>>, MergeError> {
    let mut inputs: BTreeMap<&str, Input<'a>> = BTreeMap::new();
    for (task, adapter) in adapters.iter().enumerate() {
        for (name, module) in &adapter.modules {
            let shape = [module.lora_b.rows(), module.lora_a.cols()];
            let source = names.of_module(name);
            let input =
                inputs.entry(name).or_insert(Input { name, source, shape, modules: vec![None; adapters.len()] });
            if input.shape != shape || module.lora_b.cols() != module.lora_a.rows() {
                return Err(MergeError::Shape {
                    module: name.clone(),
                    task: adapter.name.clone(),
                    found: shape,
                    expected: input.shape,
                });
            }
            input.modules[task] = Some(module);
        }
    }
    Ok(inputs.into_values().collect())
}

/// The ranks, of which at most `most` directions count; 0 is no limit.
fn capped(ranks: &[usize], most: u64) -> Vec<usize> {
    let most = if most == 0 { usize::MAX } else { usize::try_from(most).unwrap_or(usize::MAX) };
    ranks.iter().map(|rank| *rank.min(&most)).collect()
}

impl Input<'_> {
    /// The task matrices in `space`; before they are rounded as well, if these are wanted.
    pub(super) fn align(self, space: Space, keeps_exact: bool) -> Result<(AlignedMatrix, Spectrum), MergeError> {
        let ranks: Vec<usize> = self.modules.iter().map(|module| module.map_or(0, LoraModule::rank)).collect();
        let kept = match space {
            Space::Dc { cover_rank, .. } => self.triplets(&capped(&ranks, cover_rank))?,
            Space::Full
            | Space::Knots { .. }
            | Space::Core
            | Space::CoreQr
            | Space::CoreGeodesic
            | Space::Compressed { .. } => Vec::new(),
        };
        let coordinates = Coordinates::new(&self, space, &kept).map_err(|error| match error {
            NoMean::NoConvergence => MergeError::NoConvergence { module: self.name.to_owned() },
            NoMean::RanksDiffer => MergeError::RanksDiffer { module: self.name.to_owned(), ranks: ranks.clone() },
        })?;
        let Coordinates { form, lift, norms, output_sigma, exact, spectrum } = coordinates;
        let name = self.name.to_owned();
        let source = self.source.to_owned();
        Ok((
            AlignedMatrix {
                name,
                source,
                shape: self.shape,
                ranks,
                lift,
                norms,
                output_sigma,
                is_rounded_once: false,
                exact: exact.filter(|_| keeps_exact).map(Arc::new),
                form,
            },
            spectrum,
        ))
    }

    /// How many singular triplets of each task have room side by side.
    fn triplets(&self, ranks: &[usize]) -> Result<Vec<usize>, MergeError> {
        let directions = self.shape[0].min(self.shape[1]);
        triplets(ranks, directions).ok_or_else(|| MergeError::TooFewDirectionsInDc {
            module: self.name.to_owned(),
            tasks: ranks.iter().filter(|rank| **rank > 0).count(),
            directions,
        })
    }

    /// B with the scale, and Aᵀ, of every task that has the module.
    pub(super) fn factors(&self) -> Vec<Option<Factors>> {
        let factors = |module: &LoraModule| {
            let mut b = module.lora_b.to_f64();
            linalg::scale_columns(&mut b, &vec![module.scale; module.rank()]);
            Factors { b, at: module.lora_a.transposed_to_f64() }
        };
        self.modules.iter().map(|module| module.map(factors)).collect()
    }
}
