//! Why a module of an adapter matches no weight of the base.

use crate::BaseHeader;
use safetensors::Dtype;
use std::collections::BTreeSet;

/// What quantised layers have in the place of their weight or beside it: GPTQ and AWQ, compressed-tensors, HQQ,
/// bitsandbytes with 8 bits. With 4 bits that keeps `weight.absmax`, `weight.quant_state.…`.
const QUANTISED: [&str; 6] = ["qweight", "weight_packed", "weight_scale", "W_q", "weight_scale_inv", "SCB"];

/// The reason why no weight of the base is that of `source`, and what to do about it.
pub(super) fn because(base: &BaseHeader, modules: &BTreeSet<&str>, source: &str, named_base: Option<&str>) -> String {
    if let Some(because) = quantised(base, source) {
        return because;
    }
    let last = source.rsplit('.').next().unwrap_or(source);
    let has_weight = |module: &&&str| module.rsplit('.').next() == Some(last);
    if last == "lm_head" || last == "embed_out" {
        return "it stores no output layer of its own: either that reads the embeddings (`tie_word_embeddings`), which an \
                update would change as well, or the base is a body without one"
            .to_owned();
    }
    let numberless = without_numbers(source);
    let tail = |module: &str| without_numbers(module).ends_with(&numberless);
    if let Some(other) = modules.iter().filter(|module| tail(module)).max_by_key(|module| numbers(module)) {
        return format!("the last of that name is `{other}.weight`: is it an adapter of a larger model?");
    }
    if source.split('.').any(|segment| segment == "experts") {
        return "it stores all experts of a layer in one tensor, whose updates are not merged".to_owned();
    }
    if let Some(example) = modules.iter().find(has_weight) {
        return format!(
            "its weights of that kind are named like `{example}.weight`: is it an adapter of another base?"
        );
    }
    match named_base {
        Some(named) => format!("is it an adapter of another base? It names `{named}`"),
        None => "is it an adapter of another base?".to_owned(),
    }
}

/// A description of the quantised layer in the base, if it is one: its weight has no match, or another shape.
pub(super) fn quantised(base: &BaseHeader, module: &str) -> Option<String> {
    let parts = QUANTISED.map(|part| format!("{module}.{part}"));
    let states = format!("{module}.weight.");
    let is_part = |name: &str| parts.iter().any(|part| name.strip_suffix(part.as_str()).is_some_and(is_whole_prefix));
    let is_state = |name: &str| name.split_once(&states).is_some_and(|(before, _)| is_whole_prefix(before));
    let by_part = base.tensors().keys().find(|name| is_part(name) || is_state(name)).cloned();
    let packed = || {
        let name = format!("{module}.weight");
        let dtype = base.tensor(&name)?.dtype;
        matches!(dtype, Dtype::U8 | Dtype::I8 | Dtype::I32 | Dtype::U32).then_some(name)
    };
    let found = by_part.or_else(packed)?;
    let method = base.quantisation().map(|method| format!(" with `{method}`")).unwrap_or_default();
    Some(format!(
        "the base is quantised{method}, as `{found}` shows; merge into the model that it was made from, and quantise the result"
    ))
}

/// Whether what stands before a module's name ends between two segments.
fn is_whole_prefix(before: &str) -> bool {
    before.is_empty() || before.ends_with('.')
}

fn without_numbers(module: &str) -> String {
    let segments = module.split('.').map(|segment| if is_number(segment) { "*" } else { segment });
    segments.collect::<Vec<_>>().join(".")
}

fn numbers(module: &str) -> Vec<u64> {
    module.split('.').filter_map(|segment| segment.parse().ok()).collect()
}

fn is_number(segment: &str) -> bool {
    !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit())
}
