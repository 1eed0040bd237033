//! What a merged adapter calls the base's modules.
//!
//! Adapters of one base bear different names, by the class that PEFT wrapped: `encoder.layers.0…` in a
//! `CLIPVisionModel`, `vision_model.encoder.layers.0…` in a `CLIPModel`. PEFT places nothing of a module whose name
//! its model does not have, and says nothing of that. So a merge uses one class's names for all modules.

use crate::{Adapter, renamed};
use std::collections::{BTreeMap, BTreeSet};

/// The names of all modules that a merge updates.
#[derive(Debug)]
pub(super) struct Names {
    sources: BTreeMap<String, String>,
    /// The adapters that name their modules in this way.
    pub(super) like: Vec<usize>,
}

/// How a class names modules: by what it puts in the place of prefixes of the base's names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Scheme {
    /// The family of renamed models by whose names in memory it goes, if not by those of the file.
    family: Option<usize>,
    /// From a prefix of the base's name to one of the adapter's; the longest that fits counts.
    prefixes: BTreeMap<String, String>,
    /// The parts of the model that it is known to have: a prefix of the base's name and the segment behind it.
    parts: BTreeSet<(String, String)>,
}

impl Names {
    /// Finds the names for a merge of `adapters`: a way of naming that all share, or else the one that most of them
    /// have and that can name every module, or else the base's own names.
    pub(super) fn of(adapters: &[Adapter]) -> Self {
        if let [adapter] = adapters {
            let own = adapter.modules.iter().map(|(target, module)| (target.clone(), module.source.clone()));
            return Self { sources: own.collect(), like: vec![0] };
        }
        let targets: BTreeSet<&str> =
            adapters.iter().flat_map(|adapter| adapter.modules.keys().map(String::as_str)).collect();
        let schemes: Vec<Option<Scheme>> = adapters.iter().map(Scheme::of).collect();
        Self::shared(adapters, &schemes, &targets)
            .or_else(|| Self::commonest(&schemes, &targets))
            .unwrap_or_else(|| Self::of_base(&schemes, &targets))
    }

    /// One way of naming that gives every adapter its own names, such as that of a model whose sides have a prefix
    /// each.
    fn shared(adapters: &[Adapter], schemes: &[Option<Scheme>], targets: &BTreeSet<&str>) -> Option<Self> {
        let joint = schemes.iter().cloned().collect::<Option<Vec<_>>>()?.into_iter().try_fold(None, Scheme::with)??;
        let sources = joint.name(targets)?;
        let mut modules = adapters.iter().flat_map(|adapter| &adapter.modules);
        let is_own = modules.all(|(target, module)| sources.get(target) == Some(&module.source));
        is_own.then(|| Self { sources, like: (0..adapters.len()).collect() })
    }

    fn commonest(schemes: &[Option<Scheme>], targets: &BTreeSet<&str>) -> Option<Self> {
        let mut ways: Vec<(Scheme, Vec<usize>)> = Vec::new();
        for (index, scheme) in schemes.iter().enumerate() {
            let Some(scheme) = scheme else { continue };
            match ways.iter_mut().find(|(known, _)| known.is_like(scheme)) {
                Some((known, like)) => {
                    known.parts.extend(scheme.parts.iter().cloned());
                    like.push(index);
                }
                None => ways.push((scheme.clone(), vec![index])),
            }
        }
        // The sort keeps the order of equally common ones: the first adapter's comes first.
        ways.sort_by_key(|(_, like)| std::cmp::Reverse(like.len()));
        ways.into_iter().find_map(|(scheme, like)| Some(Self { sources: scheme.name(targets)?, like }))
    }

    /// The base's own names, in memory where an adapter is of a renamed family: its own class has them.
    fn of_base(schemes: &[Option<Scheme>], targets: &BTreeSet<&str>) -> Self {
        let family = schemes.iter().flatten().find_map(|scheme| scheme.family);
        let sources = targets.iter().map(|target| ((*target).to_owned(), in_family(family, target)));
        Self { sources: sources.collect(), like: Vec::new() }
    }

    /// What the merge calls the base's module `target`.
    pub(super) fn of_module(&self, target: &str) -> &str {
        self.sources.get(target).map_or("", String::as_str)
    }
}

impl Scheme {
    /// How an adapter names its modules; `None` if no prefixes tell it.
    fn of(adapter: &Adapter) -> Option<Self> {
        let families = std::iter::once(None).chain(renamed::families().map(Some));
        families.into_iter().find_map(|family| Self::by(adapter, family))
    }

    fn by(adapter: &Adapter, family: Option<usize>) -> Option<Self> {
        let mut scheme = Self { family, prefixes: BTreeMap::new(), parts: BTreeSet::new() };
        for (target, module) in &adapter.modules {
            let target = in_family(family, target);
            let (from, to) = prefixes_of(&target, &module.source)?;
            if scheme.prefixes.insert(from.to_owned(), to.to_owned()).is_some_and(|other| other != to) {
                return None;
            }
            scheme.parts.extend(part(&target, from));
        }
        // Of nested prefixes another one may count than that by which the module was named.
        let is_told = |(target, source): (&String, &str)| scheme.name_of(target).as_deref() == Some(source);
        let mut modules = adapter.modules.iter().map(|(target, module)| (target, module.source.as_str()));
        modules.all(is_told).then_some(scheme)
    }

    /// Both schemes in one; `None` if they contradict each other.
    fn with(known: Option<Self>, more: Self) -> Option<Option<Self>> {
        let Some(mut known) = known else { return Some(Some(more)) };
        let agrees = |(from, to): (&String, &String)| known.prefixes.get(from).is_none_or(|known| known == to);
        if known.family != more.family || !more.prefixes.iter().all(agrees) {
            return None;
        }
        known.prefixes.extend(more.prefixes);
        known.parts.extend(more.parts);
        // Two parts of a base under one prefix are those of two classes, such as the towers of a CLIP, each by itself.
        let different: BTreeSet<&String> = known.prefixes.values().collect();
        (different.len() == known.prefixes.len()).then_some(Some(known))
    }

    fn is_like(&self, other: &Self) -> bool {
        self.family == other.family && self.prefixes == other.prefixes
    }

    /// The names of all modules; `None` if it cannot name one, or names two alike.
    fn name(&self, targets: &BTreeSet<&str>) -> Option<BTreeMap<String, String>> {
        let named = targets.iter().map(|target| Some(((*target).to_owned(), self.name_of(target)?)));
        let named: BTreeMap<String, String> = named.collect::<Option<_>>()?;
        let different: BTreeSet<&String> = named.values().collect();
        (different.len() == named.len()).then_some(named)
    }

    /// The name of one module, if it lies in a part of the model that this class has. The base's own class has all
    /// parts.
    fn name_of(&self, target: &str) -> Option<String> {
        let target = in_family(self.family, target);
        let fits = |(from, _): &(&String, &String)| below(&target, from).is_some();
        let (from, to) = self.prefixes.iter().filter(fits).max_by_key(|(from, _)| from.len())?;
        let is_own = from.is_empty() && to.is_empty();
        let has_part = || part(&target, from).is_some_and(|part| self.parts.contains(&part));
        if is_own || has_part() { Some(joined(to, below(&target, from)?)) } else { None }
    }
}

/// A prefix of a name and the segment behind it.
fn part(target: &str, prefix: &str) -> Option<(String, String)> {
    let next = below(target, prefix)?.split('.').next()?;
    Some((prefix.to_owned(), next.to_owned()))
}

fn in_family(family: Option<usize>, target: &str) -> String {
    family.and_then(|family| renamed::in_memory(family, target)).unwrap_or_else(|| target.to_owned())
}

/// What differs at the beginning of two names; `None` if they do not end alike, from the last segment with a number on.
fn prefixes_of<'a>(target: &'a str, source: &'a str) -> Option<(&'a str, &'a str)> {
    let common = target.split('.').rev().zip(source.split('.').rev()).take_while(|(one, other)| one == other).count();
    let head = |name: &'a str| {
        let count = name.split('.').count() - common;
        let end = name.match_indices('.').map(|(at, _)| at).nth(count.checked_sub(1)?).unwrap_or(name.len());
        Some(&name[..end])
    };
    let from = head(target).unwrap_or("");
    let to = head(source).unwrap_or("");
    let is_number = |segment: &str| !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit());
    let has_number = |name: &str| name.split('.').any(is_number);
    let is_prefix = common > 0 && !has_number(from) && !has_number(to);
    is_prefix.then_some((from, to))
}

/// What stands below `prefix` in `name`.
fn below<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    if prefix.is_empty() {
        return Some(name);
    }
    name.strip_prefix(prefix)?.strip_prefix('.')
}

fn joined(prefix: &str, rest: &str) -> String {
    if prefix.is_empty() { rest.to_owned() } else { format!("{prefix}.{rest}") }
}

#[cfg(test)]
mod tests;
