//! What heads are made from.

use super::{Check, Computing, problems::Place};
use crate::{failure::Failure, sweep_file::SweepFile};
use evaluation::{ModelKind, TextModel};
use inputs::Inputs;
use jobs::{HeadSpec, Sweep};

/// Looks at what `bowline heads` reads: the text tower of the base, of which headers are enough.
pub(crate) fn check_prompts(sweep: &Sweep, file: &SweepFile, inputs: &Inputs) -> Result<(), Failure> {
    let mut check = Check::new(sweep, file, inputs, Computing::Here(None));
    let has_prompts = sweep.tasks.iter().any(|task| matches!(task.head, Some(HeadSpec::Prompts { .. })));
    if !has_prompts {
        return Err(Failure::NoPrompts { path: file.path.clone() });
    }
    let place = Place::key("base");
    if let Some(files) = check.look(&place, &sweep.base, |inputs| inputs.list_model(&sweep.base)) {
        let checked = match ModelKind::of(files.path()) {
            Ok(ModelKind::Llama) => Err(Failure::NoTextTower { base: sweep.base.to_string() }),
            Ok(ModelKind::Clip) => TextModel::check(files.path()).map_err(Failure::Model),
            Err(error) => Err(Failure::Model(error)),
        };
        check.right(&place, &files, checked);
    }
    check.finish(Vec::new(), None).passed().map(drop)
}
