//! What heads are made from.

use super::{Check, Computing, ImageRoom, splits::Unknown};
use crate::{CheckError, SweepLines, problems::Place};
use evaluation::{TextModel, head_rows};
use inputs::Inputs;
use jobs::{HeadSpec, Sweep, Task};

/// Checks what `bowline heads` reads: the headers of the base's text tower, and the class names of data on this
/// machine. Returns notes on data that is elsewhere.
pub fn check_prompts(sweep: &Sweep, file: SweepLines, inputs: &Inputs) -> Result<Vec<String>, CheckError> {
    let has_prompts = sweep.tasks.iter().any(|task| matches!(task.head, Some(HeadSpec::Prompts { .. })));
    if !has_prompts {
        return Err(CheckError::NoPrompts { path: file.path });
    }
    let mut check = Check::new(sweep, file, inputs, Computing::Here { threads: None, images: ImageRoom::Usual });
    let place = Place::key("base");
    if let Some(files) = check.look(&place, &sweep.base, |inputs| inputs.list_model(&sweep.base)) {
        let checked = match evaluation::configuration(files.path()) {
            Ok(configuration) if !configuration.has_text_tower() => {
                Err(CheckError::NoTextTower { base: sweep.base.to_string() })
            }
            Ok(_) => TextModel::check(files.path()).map_err(CheckError::Model),
            Err(error) => Err(CheckError::Model(error)),
        };
        check.right(&place, &files, checked);
    }
    let mut notes = Vec::new();
    for (i, task) in sweep.tasks.iter().enumerate() {
        if let Some(HeadSpec::Prompts { classes, .. }) = &task.head {
            notes.extend(check.prompted(&Place::of_task(i, task).at("data"), task, classes));
        }
    }
    check.finish(Vec::new(), None).passed()?;
    Ok(notes)
}

impl Check<'_> {
    /// Compares class names that a head is made from with those of the data, and adds notes on splits that are not on
    /// this machine.
    fn prompted(&mut self, place: &Place, task: &Task, classes: &[String]) -> Vec<String> {
        let mut notes = Vec::new();
        for split in self.sweep.splits() {
            let names = match self.class_names(task, split) {
                Ok(names) => names.unwrap_or_default(),
                Err(Unknown::Wrong(failure)) => {
                    self.problems.push(place, None, &failure);
                    continue;
                }
                Err(Unknown::Away(why)) => {
                    let name = &task.name;
                    notes
                        .push(format!("the classes of `{name}` are not held against its data, split `{split}`: {why}"));
                    continue;
                }
            };
            let checked =
                if names.is_empty() { Ok(()) } else { head_rows(&names, Some(classes), classes.len()).map(drop) };
            if let Err(source) = checked {
                let failure = CheckError::Classes { task: task.name.clone(), split: split.to_owned(), source };
                self.problems.push(place, None, &failure);
            }
        }
        notes
    }
}
