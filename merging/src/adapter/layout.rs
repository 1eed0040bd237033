//! Which weights the base stores as `[in, out]`: those of `Conv1D` layers (GPT-2), and not those of linear ones.

use crate::BaseHeader;
use std::collections::BTreeSet;

/// A module of the base with the update that an adapter has for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct MatchedModule<'a> {
    pub(super) target: &'a str,
    /// `[out, in]`, the shape of B·A.
    pub(super) update: [usize; 2],
}

/// The modules among `placed` whose weight is stored as `[in, out]`, for an adapter with `fan_in_fan_out: true`.
///
/// As in PEFT, the layer decides and not the flag, which may be true for linear layers as well. A weight that is not
/// square shows its layout. A square one is taken for that of a `Conv1D` where the base is of a family made of these,
/// or where the adapter's other modules show some.
pub(super) fn conv1d_layers(base: &BaseHeader, placed: &[MatchedModule<'_>]) -> BTreeSet<String> {
    let is_square = |module: &MatchedModule<'_>| module.update[0] == module.update[1];
    let shows = |module: &&MatchedModule<'_>| {
        let [rows, cols] = module.update;
        let weight = base.tensor(&format!("{}.weight", module.target));
        !is_square(module) && weight.is_some_and(|weight| weight.shape == [cols, rows])
    };
    let mut found: BTreeSet<String> = placed.iter().filter(shows).map(|module| module.target.to_owned()).collect();
    if base.is_of_conv1d() || !found.is_empty() {
        found.extend(placed.iter().filter(|module| is_square(module)).map(|module| module.target.to_owned()));
    }
    found
}
