//! A sweep file as fine-tuning reads it.

use super::{
    SweepError,
    check::{CheckedAdapter, Evaluator, check_name, check_tasks, reference},
    file::SweepFile,
    overrides,
    read::{typed, yaml},
    shape::shape_errors,
    training::{TrainingFile, TrainingKeys, check_training},
};
use crate::{DataSpec, HeadSpec, HubKind, InputRef};
use std::path::Path;

/// What a sweep file says of fine-tuning: the base, and the tasks with how their adapters are trained. Searches and recipes are
/// not looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Finetune {
    /// The sweep's name.
    pub name: String,
    /// The base model.
    pub base: InputRef,
    /// The tasks.
    pub tasks: Vec<FinetuneTask>,
    /// The split that recipes are chosen on.
    pub select: String,
    /// The split that is reported.
    pub report: String,
}

/// A task whose adapter can be trained.
#[derive(Debug, Clone, PartialEq)]
pub struct FinetuneTask {
    /// Its name.
    pub name: String,
    /// Its data.
    pub data: DataSpec,
    /// Its class vectors: fixed, or what their training starts from. `None` where the adapter itself would bring them.
    pub head: Option<HeadSpec>,
    /// Its place among the tasks of the file.
    place: usize,
    training: Option<TrainingFile>,
    shared: TrainingFile,
}

impl Finetune {
    /// Reads a sweep file; see [`Sweep::from_yaml`](crate::Sweep::from_yaml).
    ///
    /// # Errors
    /// As there, as far as base, tasks, `training` and the names of splits go.
    pub fn from_yaml(text: &str, folder: &Path, overrides: &[String]) -> Result<Self, SweepError> {
        let mut tree = yaml(text).map_err(|message| SweepError::Yaml { message })?;
        if !tree.is_object() {
            return Err(SweepError::Yaml { message: "a sweep file is a map of keys".to_owned() });
        }
        overrides.iter().try_for_each(|text| overrides::apply(&mut tree, text))?;
        if let Some(error) = SweepError::of(shape_errors(&tree)) {
            return Err(error);
        }
        let file: SweepFile = typed(tree, "")?;
        check_name("name", &file.name)?;
        check_name("evaluation.select", &file.evaluation.select)?;
        check_name("evaluation.report", &file.evaluation.report)?;
        if file.evaluation.command.is_some() {
            let problem = "evaluates the tasks, and fine-tuning needs data that Bowline reads itself: train the adapters with \
                           another program";
            return Err(SweepError::invalid("evaluation.command", problem));
        }
        let shared = check_training(file.training)?;
        let mut tasks = Vec::with_capacity(file.tasks.len());
        for (place, task) in check_tasks(file.tasks, Evaluator::Bowline, folder)?.into_iter().enumerate() {
            let training = match task.adapter {
                CheckedAdapter::Given(_) => None,
                CheckedAdapter::Trained(own) => Some(*own),
            };
            // The head of the adapter that is there is no start for the training of another one.
            let head = task.head.filter(|head| !matches!(head, HeadSpec::Adapter(_)));
            let shared = shared.clone();
            let Some(data) = task.data else {
                return Err(SweepError::invalid(format!("tasks[{place}]"), "needs `data`"));
            };
            tasks.push(FinetuneTask { name: task.name, data, head, place, training, shared });
        }
        Ok(Self {
            base: reference("base", &file.base, folder, HubKind::Model)?,
            name: file.name,
            tasks,
            select: file.evaluation.select,
            report: file.evaluation.report,
        })
    }

    /// The task of that name.
    pub fn task(&self, name: &str) -> Option<&FinetuneTask> {
        self.tasks.iter().find(|task| task.name == name)
    }
}

impl FinetuneTask {
    /// How its adapter is trained: its own keys over those of `training`.
    ///
    /// # Errors
    /// Neither says how long.
    pub fn training(&self) -> Result<TrainingKeys, SweepError> {
        let path = match &self.training {
            Some(_) => format!("tasks[{}].adapter.train", self.place),
            None => "training".to_owned(),
        };
        TrainingKeys::new(self.training.clone(), &self.shared, path)
    }
}
