use crate::{
    AdapterInput, BenchmarkInput, Combine, Digest, Gram, JobId, Meaning, OtherSemantics, Parameter, Precision, Recipe,
    RecipeSpec, Search, Subject, Sweep, TaskInput, evaluation_semantics,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The version of what turns examples into statistics: which inputs count, the sums and the layout of the files. It is
/// part of the identity of every job that makes statistics, and grows when the same examples would give others.
pub const STATISTICS_SEMANTICS: u32 = 1;

/// All that decides the statistics of a task's own model: the base with the task's adapter, over the first examples of
/// a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatisticsSpec {
    /// [`STATISTICS_SEMANTICS`] when it was made.
    pub semantics: u32,
    /// [`evaluation_semantics`] of the precision when it was made: how files become what a model takes.
    pub evaluation: u32,
    /// The base model's content.
    pub base: Digest,
    /// The task's adapter.
    pub adapter: AdapterInput,
    /// The content of the split's files, with the rule that cuts the split out of them.
    pub data: Digest,
    /// The task's head, where labels are weighed by what the model predicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Digest>,
    /// The name of the split, such as `train`.
    pub split: String,
    /// How many examples are taken, the first ones in the order of the split.
    pub examples: u64,
    /// What is made of them.
    pub what: StatisticsKind,
    /// The number format of the model.
    pub precision: Precision,
}

/// What statistics are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatisticsKind {
    /// Gram matrices, sums and counts of the inputs of every module that the adapter updates.
    Grams,
    /// The diagonal of the Fisher information of every weight that the adapter updates.
    Fisher,
}

/// A task's statistics as the input of another job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatisticsInput {
    /// The task.
    pub task: String,
    /// The job whose artefact they are. Its id is the digest of all that decides them.
    pub job: JobId,
}

/// The statistics that a recipe merges by, of every task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StatisticsNeed {
    /// What is needed.
    pub what: StatisticsKind,
    /// Of how many examples.
    pub examples: u64,
}

/// The keys of a recipe that decide which statistics it needs.
const DECIDING: [&str; 4] = ["preset", "combine", "gram", "examples"];

/// Whether a key decides which statistics a recipe needs. They are made before a search begins, so that its values must be
/// listed.
pub(crate) fn decides_statistics(key: &str) -> bool {
    DECIDING.contains(&key)
}

impl Recipe {
    /// The statistics that this recipe merges by; `None` if it merges by the adapters alone.
    pub fn statistics(&self) -> Option<StatisticsNeed> {
        if let Combine::GramMerge { gram: Gram::Inputs { examples, .. }, .. } = self.combine {
            return Some(StatisticsNeed { what: StatisticsKind::Grams, examples });
        }
        let Combine::Fisher { examples, .. } = self.combine else { return None };
        Some(StatisticsNeed { what: StatisticsKind::Fisher, examples })
    }
}

/// A row of a sweep whose merges need statistics.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StatisticsRow {
    /// What is needed.
    pub need: StatisticsNeed,
    /// The name of the search or the baseline.
    pub name: String,
}

impl Sweep {
    /// The statistics that any recipe of the sweep may need, each once.
    pub fn statistics_needs(&self) -> Vec<StatisticsNeed> {
        let mut needs: Vec<_> = self.statistics_rows().into_iter().map(|row| row.need).collect();
        needs.dedup();
        needs
    }

    /// The most examples of a task that are measured on; 0 if no recipe needs any.
    pub fn measured_examples(&self) -> u64 {
        let of_layerwise = self.layerwise_needs().into_iter().map(|need| need.examples);
        self.statistics_needs().into_iter().map(|need| need.examples).chain(of_layerwise).max().unwrap_or(0)
    }

    /// The searches and baselines whose merges may need statistics, in the order of what they need.
    pub fn statistics_rows(&self) -> Vec<StatisticsRow> {
        let of = |name: &str, spec: &RecipeSpec| {
            let need = spec.resolve().ok().and_then(|recipe| recipe.statistics())?;
            Some(StatisticsRow { need, name: name.to_owned() })
        };
        let mut rows: BTreeSet<StatisticsRow> =
            self.baselines.iter().filter_map(|row| of(&row.name, &row.recipe)).collect();
        for search in &self.searches {
            rows.extend(recipes_by_need(search).iter().filter_map(|spec| of(&search.name, spec)));
        }
        rows.into_iter().collect()
    }
}

/// The recipe of a search with every combination of those values that decide which statistics it needs, and with the
/// values that it starts from.
fn recipes_by_need(search: &Search) -> Vec<RecipeSpec> {
    let mut specs = vec![search.recipe.clone()];
    let deciding = search.parameters.iter().filter(|parameter| decides_statistics(&parameter.key));
    for Parameter { key, values } in deciding {
        let mut with = Vec::new();
        for spec in &specs {
            for value in values.listed().unwrap_or_default() {
                let mut spec = spec.clone();
                if spec.set(key, value).is_ok() {
                    with.push(spec);
                }
            }
        }
        specs.append(&mut with);
    }
    specs
}

impl StatisticsSpec {
    /// Whether this version of the program makes what was meant.
    ///
    /// # Errors
    /// The statistics or the evaluation are of another version of their semantics.
    pub fn check_semantics(&self) -> Result<(), OtherSemantics> {
        if self.semantics != STATISTICS_SEMANTICS {
            return Err(OtherSemantics { part: "statistics", job: self.semantics, ours: STATISTICS_SEMANTICS });
        }
        let ours = evaluation_semantics(self.precision);
        if self.evaluation != ours {
            return Err(OtherSemantics { part: "evaluation", job: self.evaluation, ours });
        }
        Ok(())
    }

    /// The evaluation of the same model on the same data: what both need is found and prepared in the same way.
    pub fn as_evaluation(&self) -> Meaning {
        let task = self.adapter.task.clone();
        Meaning {
            evaluation: self.evaluation,
            base: self.base,
            subject: Subject::Adapter { task: task.clone() },
            adapters: vec![self.adapter.clone()],
            tasks: vec![TaskInput { name: task, data: self.data, head: self.head }],
            benchmark: BenchmarkInput::PerTask,
            split: self.split.clone(),
            precision: self.precision,
            statistics: Vec::new(),
            slice: None,
        }
    }
}

impl StatisticsKind {
    /// Its name in documents and for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grams => "Gram matrices",
            Self::Fisher => "Fisher information",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{JobKind, JobSpec};
    use serde_json::json;

    fn spec() -> StatisticsSpec {
        StatisticsSpec {
            semantics: STATISTICS_SEMANTICS,
            evaluation: evaluation_semantics(Precision::F32),
            base: Digest::of(b"base"),
            adapter: AdapterInput { task: "mnist".to_owned(), digest: Digest::of(b"adapter") },
            data: Digest::of(b"data"),
            head: None,
            split: "train".to_owned(),
            examples: 256,
            what: StatisticsKind::Grams,
            precision: Precision::F32,
        }
    }

    #[test]
    fn the_id_of_statistics_is_the_same_in_every_release() {
        let spec = JobSpec::from(spec());
        assert_eq!(spec.kind(), JobKind::Statistics);
        assert_eq!(spec.id().to_string(), "8ee35fde0a255f9d7c5476687dafd4a94feeacb60cee5b7022043f0936454eca");
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<JobSpec>(&text).unwrap(), spec);
    }

    #[test]
    fn what_decides_statistics_changes_their_id() {
        let changes: [fn(&mut StatisticsSpec); 9] = [
            |spec| spec.semantics += 1,
            |spec| spec.evaluation += 1,
            |spec| spec.base = Digest::of(b"other"),
            |spec| spec.adapter.digest = Digest::of(b"other"),
            |spec| spec.data = Digest::of(b"other"),
            |spec| spec.head = Some(Digest::of(b"head")),
            |spec| spec.examples = 255,
            |spec| spec.what = StatisticsKind::Fisher,
            |spec| spec.precision = Precision::Bf16,
        ];
        let mut ids = std::collections::BTreeSet::from([JobSpec::from(spec()).id()]);
        for change in changes {
            let mut changed = spec();
            change(&mut changed);
            assert!(ids.insert(JobSpec::from(changed.clone()).id()), "{changed:?}");
        }
    }

    #[test]
    fn a_recipe_by_inputs_needs_statistics_and_no_other_does() {
        let recipe = |spec: serde_json::Value| serde_json::from_value::<RecipeSpec>(spec).unwrap().resolve();
        let regmean = recipe(json!({"preset": "regmean", "examples": 64})).unwrap();
        assert_eq!(regmean.statistics(), Some(StatisticsNeed { what: StatisticsKind::Grams, examples: 64 }));
        assert!(regmean.is_low_rank());
        let same = json!({"combine": "gram_merge", "gram": "inputs", "examples": 64, "off_diagonal": 0.9});
        assert_eq!(recipe(same).unwrap(), regmean);
        assert_eq!(recipe(json!({"preset": "actmerge"})).unwrap().statistics(), None);
        for (key, value) in
            [("space", json!("core")), ("density", json!(0.5)), ("flatten", json!(1.0)), ("drop_rate", json!(0.1))]
        {
            let refused = recipe(json!({"preset": "regmean", key: value})).unwrap_err().to_string();
            assert!(
                refused.contains("`gram: inputs` and `merged_inputs` merge the updates as they are"),
                "{key}: {refused}"
            );
        }
        let refused = recipe(json!({"preset": "actmerge", "examples": 64})).unwrap_err().to_string();
        assert_eq!(refused, "`examples` has no effect without `gram: inputs`, `merged_inputs` or `combine: fisher`");
        let refused = recipe(json!({"preset": "regmean", "examples": 0})).unwrap_err().to_string();
        assert!(refused.contains("`examples` is 0, outside the whole numbers from 1"), "{refused}");
    }

    #[test]
    fn a_recipe_by_fisher_information_has_no_low_rank_unless_it_is_cut_to_one() {
        let recipe = |spec: serde_json::Value| serde_json::from_value::<RecipeSpec>(spec).unwrap().resolve();
        let fisher = recipe(json!({"preset": "fisher", "examples": 8})).unwrap();
        assert_eq!(fisher.statistics(), Some(StatisticsNeed { what: StatisticsKind::Fisher, examples: 8 }));
        assert_eq!(fisher.current_semantics(), 3);
        assert!(!fisher.is_low_rank());
        assert!(recipe(json!({"preset": "fisher", "output_rank": 16})).unwrap().is_low_rank());
        for (key, value) in [
            ("space", json!("core")),
            ("density", json!(0.5)),
            ("elect", json!("sum_of_values")),
            ("calibrate", json!("pico")),
        ] {
            let refused = recipe(json!({"preset": "fisher", key: value})).unwrap_err().to_string();
            assert!(refused.contains("`fisher` weighs the entries") || key == "calibrate", "{key}: {refused}");
        }
        let refused = recipe(json!({"preset": "fisher", "weights": {"mnist": -1.0}})).unwrap_err().to_string();
        assert!(refused.contains("`average` and `fisher` say where"), "{refused}");
        let refused = recipe(json!({"preset": "fisher", "fisher_floor": 0.0})).unwrap_err().to_string();
        assert!(refused.contains("`fisher_floor` is 0, outside (0, ∞)"), "{refused}");
        let refused = recipe(json!({"preset": "regmean", "fisher_norm": "model"})).unwrap_err().to_string();
        assert_eq!(refused, "`fisher_norm` has no effect without `combine: fisher`");
    }

    #[test]
    fn statistics_of_another_version_are_told_from_ours() {
        assert_eq!(spec().check_semantics(), Ok(()));
        let other = StatisticsSpec { semantics: 9, ..spec() }.check_semantics().unwrap_err();
        assert_eq!(
            other.to_string(),
            "the job's statistics is of semantics 9, while this Bowline computes semantics 1"
        );
        assert_eq!(StatisticsSpec { evaluation: 9, ..spec() }.check_semantics().unwrap_err().part, "evaluation");
    }
}
