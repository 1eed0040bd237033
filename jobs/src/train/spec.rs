use super::{TRAIN_SEMANTICS, TrainLength, TrainSettings};
use crate::{
    BenchmarkInput, Digest, EVALUATION_SEMANTICS, JobId, JobSpec, Meaning, OtherSemantics, Precision, Subject,
    TaskInput,
};
use serde::{Deserialize, Serialize};

/// The file of the artefact of a leg from which the next leg starts. The store deletes it once that leg is stored.
pub const CHECKPOINT_FILE: &str = "checkpoint.safetensors";

/// The file of the artefact of the last leg that says how training went.
pub const TRAINING_FILE: &str = "training.json";

/// All that decides one leg of the training of an adapter: some of its steps, after those of the legs before.
///
/// The id of the last leg stands for the adapter in other jobs: it is the digest of all that decides the adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSpec {
    /// [`TRAIN_SEMANTICS`] when it was made.
    pub semantics: u32,
    /// [`EVALUATION_SEMANTICS`] when it was made: how files become what a model takes.
    pub evaluation: u32,
    /// The base model's content.
    pub base: Digest,
    /// The task that the adapter is trained for.
    pub task: String,
    /// The split that is trained on.
    pub training: SplitInput,
    /// The split on which accuracy is measured at the end of each leg.
    pub validation: SplitInput,
    /// The splits that must not share an example with the training split; none if the sweep file allows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apart: Vec<SplitInput>,
    /// The head: fixed, or what its training starts from. Without one, training starts from a new head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Digest>,
    /// The settings, whose length is a number of steps.
    pub settings: TrainSettings,
    /// The steps of this leg.
    pub leg: TrainLeg,
}

/// A split of the task's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitInput {
    /// Its name, such as `train`.
    pub name: String,
    /// The content of its files, with the rule that cuts the split out of them.
    pub data: Digest,
}

/// The steps of a leg, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainLeg {
    /// The steps before it.
    pub first: usize,
    /// The steps after it.
    pub end: usize,
    /// The leg before, whose checkpoint this one starts from; `None` for the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<JobId>,
}

impl TrainSpec {
    /// The legs of the training that `self` is a leg of, each of `checkpoint_steps` but the last.
    pub fn legs(&self, checkpoint_steps: usize) -> Vec<Self> {
        let steps = self.steps();
        let mut legs: Vec<Self> = Vec::with_capacity(steps.div_ceil(checkpoint_steps.max(1)));
        let mut from = None;
        for first in (0..steps).step_by(checkpoint_steps.max(1)) {
            let end = first.saturating_add(checkpoint_steps).min(steps);
            let leg = Self { leg: TrainLeg { first, end, from }, ..self.clone() };
            from = Some(JobSpec::from(leg.clone()).id());
            legs.push(leg);
        }
        legs
    }

    /// The steps of the whole training; 0 if the settings say none.
    pub fn steps(&self) -> usize {
        match self.settings.length {
            TrainLength::Steps(steps) => steps,
            // Sweep files are refused that have epochs where a sweep trains.
            TrainLength::Epochs(_) => 0,
        }
    }

    /// Whether the adapter is finished after this leg.
    pub fn is_last(&self) -> bool {
        self.leg.end >= self.steps()
    }

    /// What decides the training, without the leg: a checkpoint names it.
    pub fn run(&self) -> Digest {
        let leg = TrainLeg { first: 0, end: 0, from: None };
        Digest::of_json(&Self { leg, ..self.clone() })
    }

    /// Whether this version of the program trains what was meant.
    ///
    /// # Errors
    /// The training or the evaluation are of another version of their semantics.
    pub fn check_semantics(&self) -> Result<(), OtherSemantics> {
        if self.semantics != TRAIN_SEMANTICS {
            return Err(OtherSemantics { part: "training", job: self.semantics, ours: TRAIN_SEMANTICS });
        }
        if self.evaluation != EVALUATION_SEMANTICS {
            return Err(OtherSemantics { part: "evaluation", job: self.evaluation, ours: EVALUATION_SEMANTICS });
        }
        Ok(())
    }

    /// Whether the leg is one of its training.
    pub fn is_consistent(&self) -> bool {
        let TrainLeg { first, end, from } = self.leg;
        first < end && end <= self.steps() && from.is_some() == (first > 0)
    }

    /// The evaluation of the base on a split of the task: what both need is found and prepared in the same way.
    pub fn as_evaluation(&self, split: &SplitInput) -> Meaning {
        Meaning {
            evaluation: self.evaluation,
            base: self.base,
            subject: Subject::Base,
            adapters: Vec::new(),
            tasks: vec![TaskInput { name: self.task.clone(), data: split.data, head: self.head }],
            benchmark: BenchmarkInput::PerTask,
            split: split.name.clone(),
            precision: Precision::F32,
            statistics: Vec::new(),
            slice: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{JobKind, TrainFamily};

    fn spec(steps: usize) -> TrainSpec {
        let split = |name: &str| SplitInput { name: name.to_owned(), data: Digest::of(name.as_bytes()) };
        TrainSpec {
            semantics: TRAIN_SEMANTICS,
            evaluation: EVALUATION_SEMANTICS,
            base: Digest::of(b"base"),
            task: "flags".to_owned(),
            training: split("train"),
            validation: split("validation"),
            apart: vec![split("validation"), split("test")],
            head: Some(Digest::of(b"head")),
            settings: TrainFamily::Images.defaults(TrainLength::Steps(steps)),
            leg: TrainLeg { first: 0, end: steps, from: None },
        }
    }

    fn id(spec: &TrainSpec) -> JobId {
        JobSpec::from(spec.clone()).id()
    }

    #[test]
    fn the_id_of_a_leg_is_the_same_in_every_release() {
        let spec = JobSpec::from(spec(40));
        assert_eq!(spec.kind(), JobKind::Train);
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<JobSpec>(&text).unwrap(), spec);
        assert_eq!(spec.id().to_string(), "082736b76ea61e28be2ccdf186a5f581f41933adac97a08502e6a61139d6528a");
    }

    #[test]
    fn legs_follow_each_other_to_the_last_step_and_name_the_one_before() {
        let legs = spec(25).legs(10);
        let places: Vec<[usize; 2]> = legs.iter().map(|leg| [leg.leg.first, leg.leg.end]).collect();
        assert_eq!(places, [[0, 10], [10, 20], [20, 25]]);
        assert_eq!(legs.iter().map(TrainSpec::is_last).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(legs[0].leg.from, None);
        assert_eq!(legs[1].leg.from, Some(id(&legs[0])));
        assert_eq!(legs[2].leg.from, Some(id(&legs[1])));
        assert!(legs.iter().all(|leg| leg.is_consistent() && leg.run() == legs[0].run()));
        assert_eq!(spec(25).legs(100).len(), 1);
        assert!(!TrainSpec { leg: TrainLeg { first: 5, end: 10, from: None }, ..spec(25) }.is_consistent());
        assert!(!TrainSpec { leg: TrainLeg { first: 0, end: 30, from: None }, ..spec(25) }.is_consistent());
    }

    #[test]
    fn what_decides_an_adapter_changes_the_id_of_its_last_leg() {
        let changes: [fn(&mut TrainSpec); 10] = [
            |spec| spec.semantics += 1,
            |spec| spec.evaluation += 1,
            |spec| spec.base = Digest::of(b"other"),
            |spec| spec.task = "other".to_owned(),
            |spec| spec.training.data = Digest::of(b"other"),
            |spec| spec.validation.data = Digest::of(b"other"),
            |spec| spec.apart.clear(),
            |spec| spec.head = None,
            |spec| spec.settings.seed += 1,
            |spec| spec.settings.rank = 4,
        ];
        let last = |spec: &TrainSpec| id(spec.legs(10).last().unwrap());
        let mut ids = std::collections::BTreeSet::from([last(&spec(25))]);
        for change in changes {
            let mut changed = spec(25);
            change(&mut changed);
            assert!(ids.insert(last(&changed)), "{changed:?}");
        }
        assert!(ids.insert(id(spec(25).legs(5).last().unwrap())), "other legs are other jobs");
    }
}
