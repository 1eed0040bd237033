//! What a command of the user reads. Only the command knows what is in it.

use super::Check;
use crate::problems::Place;
use jobs::{CommandSpec, DataSpec, InputRef};

impl Check<'_> {
    /// Checks that the files of the command are there.
    pub(super) fn command_files(&mut self, command: &CommandSpec) {
        for file in command.files.values() {
            self.listed(&Place::key("evaluation.files"), file, |inputs| inputs.list_file(file));
        }
    }

    /// Checks that the data of a task are there.
    pub(super) fn command_data(&mut self, place: &Place, data: &DataSpec) {
        let source = &data.source;
        match source {
            InputRef::Path(path) if path.is_file() => {
                self.listed(&place.at("data"), source, |inputs| inputs.list_file(source));
            }
            InputRef::Path(_) | InputRef::Hub(_) | InputRef::S3(_) | InputRef::Artefact(_) => {
                self.listed(&place.at("data"), source, |inputs| inputs.list_anything(source));
            }
        }
    }
}
