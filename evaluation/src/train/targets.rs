//! Which modules get an update.

use super::{TrainError, initial::Target};
use jobs::TrainTargets;

/// The last parts of the names of attention's matrices, and of those of MLPs, in all families.
const ATTENTION: [&str; 5] = ["q_proj", "k_proj", "v_proj", "out_proj", "o_proj"];
const MLP: [&str; 5] = ["fc1", "fc2", "gate_proj", "up_proj", "down_proj"];

/// Picks the modules that are meant, in the model's order.
pub(super) fn pick<'a>(
    linears: impl Iterator<Item = (&'a str, [usize; 2])>,
    targets: &TrainTargets,
) -> Result<Vec<Target>, TrainError> {
    let all: Vec<(&str, [usize; 2])> = linears.collect();
    let last = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
    let is_in = |name: &str, parts: &[&str]| parts.contains(&last(name).as_str());
    let is_meant = |name: &str| match targets {
        TrainTargets::Attention => is_in(name, &ATTENTION),
        TrainTargets::Mlp => is_in(name, &MLP),
        TrainTargets::AllLinear => is_in(name, &ATTENTION) || is_in(name, &MLP),
        TrainTargets::Names(names) => names.iter().any(|wanted| names_it(wanted, name)),
    };
    if let TrainTargets::Names(names) = targets {
        for wanted in names {
            if !all.iter().any(|(name, _)| names_it(wanted, name)) {
                let mut known: Vec<String> = all.iter().map(|(name, _)| last(name)).collect();
                known.sort_unstable();
                known.dedup();
                return Err(TrainError::Target { target: wanted.clone(), known: known.join("`, `") });
            }
        }
    }
    let picked = all.into_iter().filter(|(name, _)| is_meant(name));
    let target = |(name, [outputs, inputs]): (&str, [usize; 2])| Target { name: name.to_owned(), outputs, inputs };
    Ok(picked.map(target).collect())
}

/// Whether a module has that name, or ends in it after a dot, as PEFT reads `target_modules`.
fn names_it(wanted: &str, module: &str) -> bool {
    module == wanted || module.strip_suffix(wanted).is_some_and(|before| before.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINEARS: [(&str, [usize; 2]); 4] = [
        ("tower.layers.0.self_attn.q_proj", [4, 4]),
        ("tower.layers.0.self_attn.out_proj", [4, 4]),
        ("tower.layers.0.mlp.fc1", [8, 4]),
        ("visual_projection", [2, 4]),
    ];

    fn picked(targets: &TrainTargets) -> Vec<String> {
        pick(LINEARS.into_iter(), targets).unwrap().into_iter().map(|target| target.name).collect()
    }

    #[test]
    fn targets_are_groups_or_ends_of_names() {
        assert_eq!(
            picked(&TrainTargets::Attention),
            ["tower.layers.0.self_attn.q_proj", "tower.layers.0.self_attn.out_proj"]
        );
        assert_eq!(picked(&TrainTargets::Mlp), ["tower.layers.0.mlp.fc1"]);
        assert_eq!(picked(&TrainTargets::AllLinear).len(), 3, "what lies outside of the blocks has to be named");
        let names = TrainTargets::Names(vec!["visual_projection".to_owned(), "self_attn.q_proj".to_owned()]);
        assert_eq!(picked(&names), ["tower.layers.0.self_attn.q_proj", "visual_projection"]);
    }

    #[test]
    fn a_name_of_no_module_is_refused() {
        let names = TrainTargets::Names(vec!["q_proj".to_owned(), "proj".to_owned()]);
        let error = pick(LINEARS.into_iter(), &names).unwrap_err().to_string();
        assert_eq!(
            error,
            "`targets` has `proj`, which is the name of no linear layer of the model, nor the end of one after a dot; there are \
             `fc1`, `out_proj`, `q_proj`, `visual_projection`"
        );
    }
}
