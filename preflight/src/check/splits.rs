//! Class names of splits that are on this machine, read without their rows.

use super::{Check, Computing, ImageRoom};
use crate::{CheckError, SweepLines, problems::Place};
use evaluation::{ClassError, DataError, Source, TextSource};
use inputs::Inputs;
use jobs::{InputRef, Sweep, Task, error_line};

/// Why the class names of a split are not known.
pub(super) enum Unknown {
    /// The split is not on this machine.
    Away(String),
    /// Its statement of classes is wrong.
    Wrong(CheckError),
}

/// Compares the class names of one split with those of the splits of the sweep file, as far as they are on this
/// machine.
///
/// # Errors
/// [`CheckError::Problems`] if they differ.
pub fn check_other_splits(sweep: &Sweep, file: SweepLines, inputs: &Inputs, split: &str) -> Result<(), CheckError> {
    let mut check = Check::new(sweep, file, inputs, Computing::Here { threads: None, images: ImageRoom::Usual });
    for (i, task) in sweep.tasks.iter().enumerate() {
        let Ok(Some(one)) = check.class_names(task, split) else { continue };
        for other in sweep.splits().into_iter().filter(|other| *other != split) {
            if let Ok(Some(other)) = check.class_names(task, other)
                && one != other
            {
                let source = ClassError::Splits { one: one.clone(), other };
                let failure = CheckError::Classes { task: task.name.clone(), split: split.to_owned(), source };
                check.problems.push(&Place::of_task(i, task).at("data"), None, &failure);
            }
        }
    }
    check.finish(Vec::new(), None).passed()?;
    Ok(())
}

impl Check<'_> {
    /// The class names that a split on this machine states.
    pub(super) fn class_names(&self, task: &Task, split: &str) -> Result<Option<Vec<String>>, Unknown> {
        let Some(data) = task.data.as_ref().filter(|_| self.sweep.evaluation.benchmark.command().is_none()) else {
            return Ok(None);
        };
        if !matches!(data.source, InputRef::Path(_)) {
            return Err(Unknown::Away(format!("`{}` is not on this machine", data.source)));
        }
        let away = |error| Unknown::Away(error_line(&error));
        let listed = self.sources.inputs().list_data(data, split).map_err(away)?;
        let outline = self.sources.inputs().outline(&listed.listing).map_err(away)?;
        let files = &listed.files(&outline);
        let rows = &listed.rows;
        if let Some(spec) = &data.text {
            let classes = TextSource { files, spec, label_column: &data.label_column, rows }.classes();
            return match classes {
                Ok(classes) => Ok(classes.map(|classes| classes.names().to_vec())),
                Err(error) => Err(Unknown::Away(error_line(&error))),
            };
        }
        let source = Source { files, image_column: &data.image_column, label_column: &data.label_column, rows };
        match source.look_at_headers() {
            Ok(seen) => Ok(seen.classes().map(<[String]>::to_vec)),
            Err(errors) => Err(unknown(task, split, errors)),
        }
    }
}

fn unknown(task: &Task, split: &str, errors: Vec<DataError>) -> Unknown {
    let is_of_names =
        |error: &DataError| matches!(error, DataError::ClassNames { .. } | DataError::OtherClassNames { .. });
    let why = errors.first().map(|error| error_line(error)).unwrap_or_default();
    match errors.into_iter().find(is_of_names) {
        Some(source) => Unknown::Wrong(CheckError::Data { task: task.name.clone(), split: split.to_owned(), source }),
        None => Unknown::Away(why),
    }
}
