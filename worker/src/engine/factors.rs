use evaluation::Delta;
use merging::{Adapter, LoraModule};
use std::collections::BTreeSet;

/// The factors of one module of an adapter, the adapter's own scale in B.
pub(super) struct Factors<'a> {
    module: &'a str,
    b: Vec<f32>,
    a: &'a [f32],
    rank: usize,
}

impl<'a> Factors<'a> {
    /// Those of every module.
    pub(super) fn of(adapter: &'a Adapter) -> Vec<Self> {
        adapter.modules.iter().map(|(name, module)| Self::of_module(name, module)).collect()
    }

    /// Those of some modules.
    pub(super) fn of_modules(adapter: &'a Adapter, modules: &BTreeSet<String>) -> Vec<Self> {
        let wanted = adapter.modules.iter().filter(|(name, _)| modules.contains(*name));
        wanted.map(|(name, module)| Self::of_module(name, module)).collect()
    }

    fn of_module(name: &'a str, module: &'a LoraModule) -> Self {
        Self {
            module: name,
            b: module.lora_b.data().iter().map(|x| (f64::from(*x) * module.scale) as f32).collect(),
            a: module.lora_a.data(),
            rank: module.lora_a.rows(),
        }
    }

    /// The same as a model takes them.
    pub(super) fn deltas(factors: &'a [Self]) -> Vec<(&'a str, Delta<'a>)> {
        let delta = |f: &'a Self| (f.module, Delta::LowRank { b: &f.b, a: f.a, rank: f.rank });
        factors.iter().map(delta).collect()
    }
}
