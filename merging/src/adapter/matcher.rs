//! Matches the modules of an adapter to the weights of the base.

use super::{
    AdapterError,
    tensors::NOTHING_SAVED,
    tower::Tower,
    unmatched::{because, quantised},
};
use crate::{BaseHeader, renamed};
use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Segments that wrappers and models with a head put before a base's own names. What is left must be a full name of
/// the base.
const WRAPPERS: [&str; 8] =
    ["base_model", "model", "module", "auto_model", "vision_model", "text_model", "language_model", "transformer"];

/// Segments that tell parts of a model apart, so that no name means the same without them.
const PARTS: [&str; 2] = ["encoder", "decoder"];

/// A module as the adapter names it.
pub(super) struct WantedModule<'a> {
    /// Its name in the model that PEFT wrapped.
    pub(super) source: &'a str,
    /// The shape of its update, `[out, in]`.
    pub(super) shape: [usize; 2],
    /// Whether the base may store its weight as `[in, out]`.
    pub(super) may_be_conv1d: bool,
    /// One of its tensors, for messages.
    pub(super) tensor: &'a str,
}

/// Matches all modules of one adapter.
pub(super) struct ModuleMatcher<'a> {
    base: &'a BaseHeader,
    /// The base's modules that have a weight.
    modules: BTreeSet<&'a str>,
    /// What families of renamed models call these in memory, with the names in the file.
    renamed: OnceCell<Vec<BTreeMap<String, &'a str>>>,
    hints: AdapterHints<'a>,
}

/// What an adapter declares about itself, beside its tensors.
#[derive(Debug, Clone, Copy)]
pub(super) struct AdapterHints<'a> {
    /// Its weights, for messages.
    pub(super) path: &'a Path,
    /// The class that PEFT wrapped.
    pub(super) class: Option<&'a str>,
    /// The base that it names.
    pub(super) base: Option<&'a str>,
}

/// The base's modules that one of the adapter may mean.
type Targets = Vec<String>;

impl<'a> ModuleMatcher<'a> {
    pub(super) fn new(base: &'a BaseHeader, hints: AdapterHints<'a>) -> Self {
        let modules = base.tensors().keys().filter_map(|name| name.strip_suffix(".weight")).collect();
        Self { base, modules, renamed: OnceCell::new(), hints }
    }

    /// The base's module for each of `wanted`, in their order.
    ///
    /// A module is matched to the weight that bears its name, with or without prefixes, or under the name that
    /// transformers 5 gives it in memory. Where several do, it is the one of the right shape, on the side of the model
    /// where all modules of the adapter have a weight, and that the adapter's class says.
    pub(super) fn find(&self, wanted: &[WantedModule<'_>]) -> Result<Vec<String>, AdapterError> {
        let all = wanted.iter().map(|module| self.candidates(module)).collect::<Result<Vec<_>, _>>()?;
        let prefixes = self.common_prefixes(wanted, &all);
        let chosen = wanted.iter().zip(&all).map(|(module, targets)| self.choose(module, targets, &prefixes));
        let chosen = chosen.collect::<Result<Vec<_>, _>>()?;
        wanted.iter().zip(&chosen).try_for_each(|(module, target)| self.check(module, target))?;
        Ok(chosen)
    }

    fn candidates(&self, wanted: &WantedModule<'_>) -> Result<Targets, AdapterError> {
        let without_modules: Vec<&str> = wanted.source.split('.').filter(|segment| *segment != "module").collect();
        let without_modules = without_modules.join(".");
        let targets = [wanted.source, &without_modules]
            .into_iter()
            .map(|source| targets(source, &self.modules))
            .find(|targets| !targets.is_empty())
            .unwrap_or_else(|| self.renamed(wanted.source));
        if targets.is_empty() {
            return Err(self.unmatched(wanted, because(self.base, &self.modules, wanted.source, self.hints.base)));
        }
        Ok(targets)
    }

    /// Targets by the names that modules have in memory. Families may agree on a name, so the weights are counted once.
    fn renamed(&self, source: &str) -> Vec<String> {
        let names = self.renamed.get_or_init(|| renamed::families().map(|family| self.in_memory(family)).collect());
        let mut found = BTreeSet::new();
        for names in names {
            let memory = names.keys().map(String::as_str).collect();
            found.extend(targets(source, &memory).iter().filter_map(|name| Some((*names.get(name)?).to_owned())));
        }
        found.into_iter().collect()
    }

    fn in_memory(&self, family: usize) -> BTreeMap<String, &'a str> {
        if !renamed::has_mark(family, self.modules.iter()) {
            return BTreeMap::new();
        }
        self.modules.iter().filter_map(|module| Some((renamed::in_memory(family, module)?, *module))).collect()
    }

    fn choose(
        &self,
        wanted: &WantedModule<'_>,
        all: &Targets,
        prefixes: &BTreeSet<&str>,
    ) -> Result<String, AdapterError> {
        if let [only] = all.as_slice() {
            return Ok(only.clone());
        }
        let fitting = self.fitting(wanted, all);
        let common: Vec<&String> =
            fitting.iter().filter(|target| prefixes.contains(prefix(target, wanted.source))).copied().collect();
        let left = if common.is_empty() { fitting } else { common };
        // A weight of the other tower may have the shape by chance.
        let side = self.side(wanted);
        let is_elsewhere = |target: &&String| Tower::of_module(target).is_some_and(|tower| Some(tower) != side);
        let none_here = side.is_some() && left.iter().all(is_elsewhere);
        if left.is_empty() || none_here { self.none_fits(wanted, all) } else { self.by_class(wanted, all, &left) }
    }

    /// The targets whose weight has the shape of the update.
    fn fitting<'b>(&self, wanted: &WantedModule<'_>, targets: &'b Targets) -> Vec<&'b String> {
        let of_shape = |shape: [usize; 2]| targets.iter().filter(|target| self.shape(target) == shape).collect();
        let shapes = self.shapes(wanted).into_iter();
        shapes.map(of_shape).find(|fitting: &Vec<_>| !fitting.is_empty()).unwrap_or_default()
    }

    /// The shapes that the base's weight may have, the likelier first.
    fn shapes(&self, wanted: &WantedModule<'_>) -> Vec<[usize; 2]> {
        let [rows, cols] = wanted.shape;
        match (wanted.may_be_conv1d, self.base.is_of_conv1d()) {
            (false, _) => vec![[rows, cols]],
            (true, false) => vec![[rows, cols], [cols, rows]],
            (true, true) => vec![[cols, rows], [rows, cols]],
        }
    }

    /// The prefixes under which every module of the adapter that has several weights, or one with a prefix, has one
    /// that fits.
    fn common_prefixes<'b>(&self, wanted: &[WantedModule<'_>], all: &'b [Targets]) -> BTreeSet<&'b str> {
        let of_module = |(module, targets): (&WantedModule<'_>, &'b Targets)| -> BTreeSet<&'b str> {
            let prefixes = self.fitting(module, targets).into_iter().map(|target| prefix(target, module.source));
            prefixes.filter(|prefix| !prefix.is_empty()).collect()
        };
        let each = wanted.iter().zip(all).map(of_module).filter(|prefixes| !prefixes.is_empty());
        each.reduce(|common, more| common.intersection(&more).copied().collect()).unwrap_or_default()
    }

    /// Of several weights that fit, the one on the side that the adapter's class is.
    fn by_class(&self, wanted: &WantedModule<'_>, all: &Targets, left: &[&String]) -> Result<String, AdapterError> {
        if let [only] = left {
            return Ok((*only).clone());
        }
        let tower = self.hints.class.and_then(Tower::of_class);
        let on_side: Vec<_> =
            left.iter().filter(|target| tower.is_some() && Tower::of_module(target) == tower).collect();
        if let [only] = on_side[..] {
            return Ok((*only).clone());
        }
        Err(AdapterError::Ambiguous {
            path: self.hints.path.to_owned(),
            tensor: wanted.tensor.to_owned(),
            candidates: all.iter().map(|target| format!("{target}.weight")).collect(),
            says: self.hints.class.map_or_else(|| "names no class".to_owned(), |class| format!("says `{class}`")),
        })
    }

    /// Of several weights that do not fit, one that shows why: on the adapter's own side, or else one whose layer is
    /// quantised or empty.
    fn none_fits(&self, wanted: &WantedModule<'_>, all: &Targets) -> Result<String, AdapterError> {
        let side = self.side(wanted);
        let on_side = |target: &&String| side.is_some() && Tower::of_module(target) == side;
        let is_broken = |target: &&String| quantised(self.base, target).is_some() || self.shape(target).contains(&0);
        let shown = all.iter().find(on_side).or_else(|| all.iter().find(is_broken));
        if let Some(shown) = shown.or_else(|| all.first().filter(|_| side.is_some())) {
            return Ok(shown.clone());
        }
        let candidate = |target: &String| format!("`{target}.weight` {:?}", self.shape(target));
        Err(AdapterError::NoneFits {
            path: self.hints.path.to_owned(),
            module: wanted.source.to_owned(),
            update: self.shapes(wanted).first().copied().unwrap_or(wanted.shape),
            candidates: all.iter().map(candidate).collect(),
        })
    }

    /// The side of a model that the adapter is of, by the module's name or by the class.
    fn side(&self, wanted: &WantedModule<'_>) -> Option<Tower> {
        Tower::of_module(wanted.source).or_else(|| self.hints.class.and_then(Tower::of_class))
    }

    /// The weight must be on the adapter's side of the model, and have its shape.
    fn check(&self, wanted: &WantedModule<'_>, target: &str) -> Result<(), AdapterError> {
        let adapters = self.side(wanted);
        let bases = Tower::of_module(target).or_else(|| self.base.class().and_then(Tower::of_class));
        if let (Some(adapters), Some(bases)) = (adapters, bases)
            && adapters != bases
        {
            let class = self.hints.class.map_or_else(String::new, |class| format!(" (`{class}`)"));
            return Err(AdapterError::OtherTower {
                path: self.hints.path.to_owned(),
                tensor: wanted.tensor.to_owned(),
                adapters: format!("{}{class}", adapters.with_article()),
                weight: format!("{target}.weight"),
                bases: bases.name(),
            });
        }
        let weight = format!("{target}.weight");
        let found = self.shape(target);
        let shapes = self.shapes(wanted);
        if shapes.iter().any(|shape| found == shape) {
            return Ok(());
        }
        if let Some(because) = quantised(self.base, target) {
            return Err(self.unmatched(wanted, because));
        }
        if found.contains(&0) {
            let because = format!("its `{weight}` has the shape {found:?}: {NOTHING_SAVED}");
            return Err(self.unmatched(wanted, because));
        }
        Err(AdapterError::OtherBase {
            path: self.hints.path.to_owned(),
            module: wanted.source.to_owned(),
            update: shapes.first().copied().unwrap_or(wanted.shape),
            weight,
            found,
        })
    }

    fn shape(&self, target: &str) -> Vec<usize> {
        self.base.tensor(&format!("{target}.weight")).map(|tensor| tensor.shape.clone()).unwrap_or_default()
    }

    fn unmatched(&self, wanted: &WantedModule<'_>, because: String) -> AdapterError {
        AdapterError::Unmatched {
            path: self.hints.path.to_owned(),
            tensor: wanted.tensor.to_owned(),
            base: self.base.folder().to_owned(),
            because,
        }
    }
}

/// The names among `modules` that `source` may mean: itself, or those that end with it, or what it ends with.
fn targets(source: &str, modules: &BTreeSet<&str>) -> Vec<String> {
    if modules.contains(source) {
        return vec![source.to_owned()];
    }
    let suffix = format!(".{source}");
    let longer: Vec<String> =
        modules.iter().filter(|module| module.ends_with(&suffix)).map(|module| (*module).to_owned()).collect();
    if !longer.is_empty() {
        return longer;
    }
    without_wrappers(source, modules).into_iter().collect()
}

/// The base's name that is left of `source` without wrappers and one prefix of a family (`bert`, `roberta`, `vit`, …),
/// which models with a head put before the names of a bare one.
fn without_wrappers(source: &str, modules: &BTreeSet<&str>) -> Option<String> {
    let mut rest = source;
    let mut families = 0;
    while let Some((first, shorter)) = rest.split_once('.') {
        if !WRAPPERS.contains(&first) {
            families += 1;
        }
        if families > 1 || PARTS.contains(&first) {
            return None;
        }
        rest = shorter;
        if modules.contains(rest) {
            return Some(rest.to_owned());
        }
    }
    None
}

/// What stands before the adapter's name in the base's.
fn prefix<'a>(target: &'a str, source: &str) -> &'a str {
    target.strip_suffix(source).unwrap_or("")
}
