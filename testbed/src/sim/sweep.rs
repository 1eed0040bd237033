use super::Poison;
use crate::Failure;
use coordinator::Frozen;
use jobs::{Digest, Sweep};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    path::Path,
};

/// A sweep with simulated inputs. The same values give the same jobs.
#[derive(Debug, Clone, clap::Args)]
pub struct SweepSpec {
    /// The sweep's name.
    #[arg(long)]
    pub sweep: String,
    /// Makes the jobs differ from those of other sweeps in the same store
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Values of the scaling that are tried.
    #[arg(long, default_value_t = 10)]
    pub scalings: u32,
    /// Values of the density that are tried with each.
    #[arg(long, default_value_t = 10)]
    pub densities: u32,
    /// Go through one parameter after the other instead of all combinations.
    #[arg(long)]
    pub linear: bool,
    /// Let the points race.
    #[arg(long)]
    pub racing: bool,
    /// Add poison jobs
    #[arg(long)]
    pub poison: bool,
    /// What is searched by. A normalised metric makes the search wait for the adapters' own accuracies.
    #[arg(long, default_value = "mean_normalised_accuracy")]
    pub metric: String,
}

impl SweepSpec {
    /// The same as arguments for another process.
    pub fn arguments(&self) -> Vec<String> {
        let seed = self.seed.to_string();
        let scalings = self.scalings.to_string();
        let densities = self.densities.to_string();
        let values = [
            ("--sweep", &self.sweep),
            ("--seed", &seed),
            ("--scalings", &scalings),
            ("--densities", &densities),
            ("--metric", &self.metric),
        ];
        let flags = [("--linear", self.linear), ("--racing", self.racing), ("--poison", self.poison)];
        let flags = flags.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag.to_owned());
        values.into_iter().flat_map(|(name, value)| [name.to_owned(), value.clone()]).chain(flags).collect()
    }

    /// The sweep.
    ///
    /// # Errors
    /// The name names no sweep, or there are no values.
    pub fn frozen(&self) -> Result<Frozen, Failure> {
        let sweep = Sweep::from_yaml(&self.yaml(), Path::new("/made-up"), &[])?;
        let mut keys = BTreeSet::from(["base".to_owned(), "joint".to_owned()]);
        for task in &sweep.tasks {
            let splits = sweep.data_splits().into_iter().map(|split| format!("data.{}.{split}", task.name));
            keys.extend(splits.chain([format!("adapters.{}", task.name), format!("heads.{}", task.name)]));
        }
        // All sweeps have the same base, so that a worker has no reason to keep to one of them.
        let digest = |key: &String| match key.as_str() {
            "base" => Digest::of(b"base"),
            key => Digest::of(format!("{key} of {}", self.seed).as_bytes()),
        };
        let digests = keys.iter().map(|key| (key.clone(), digest(key))).collect();
        Ok(Frozen::new(sweep, digests, BTreeMap::new())?)
    }

    fn yaml(&self) -> String {
        let method = if self.linear { "linear" } else { "grid" };
        let mut yaml = format!(
            r"
name: {}
base: base
method: {method}
metric: {{name: {}}}
tasks:
  - {{name: mnist, adapter: adapters/mnist, data: data/mnist, head: heads/mnist.safetensors}}
  - {{name: flags, adapter: adapters/flags, data: data/flags, head: heads/flags.safetensors}}
evaluation: {{benchmark: per_task, select: validation, report: test}}
recipe: {{preset: knots_ties, density: 0.2, scaling: 0.6}}
parameters:
  density: {}
  scaling: {}
",
            self.sweep,
            self.metric,
            values(self.densities),
            values(self.scalings),
        );
        if self.racing {
            yaml.push_str("racing: {}\n");
        }
        if self.poison {
            yaml.push_str("baselines:\n");
            for poison in Poison::ALL {
                let name = poison.name();
                let scaling = poison.scaling();
                // Writing to a string does not fail.
                let _ = writeln!(yaml, "  - {{name: {name}, preset: task_arithmetic, scaling: {scaling}}}");
            }
        }
        yaml
    }
}

/// `count` values, evenly in (0, 1].
fn values(count: u32) -> String {
    let values: Vec<_> = (1..=count).map(|number| (f64::from(number) / f64::from(count)).to_string()).collect();
    format!("[{}]", values.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use coordinator::bound;

    fn spec(name: &str) -> SweepSpec {
        SweepSpec {
            sweep: name.to_owned(),
            seed: 1,
            scalings: 5,
            densities: 4,
            linear: false,
            racing: false,
            poison: true,
            metric: "mean_normalised_accuracy".to_owned(),
        }
    }

    #[test]
    fn a_sweep_has_a_point_for_each_pair_and_its_poison() {
        let frozen = spec("small").frozen().unwrap();
        // Two splits with the base, two adapters and the baselines each; the points; the winner on the report split.
        assert_eq!(bound(frozen.sweep()).unwrap(), 2 * (1 + 2 + 5) + 20 + 1);
    }

    #[test]
    fn another_seed_makes_other_jobs() {
        let id = |spec: SweepSpec| {
            let frozen = spec.frozen().unwrap();
            frozen.meaning(jobs::Subject::Base, "test").id()
        };
        assert_eq!(id(spec("one")), id(spec("other")), "the name of a sweep is no part of its jobs");
        assert_ne!(id(spec("one")), id(SweepSpec { seed: 2, ..spec("one") }));
    }
}
