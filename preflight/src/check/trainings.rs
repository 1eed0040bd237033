//! Whether the adapters that a sweep trains can be trained on its base: a job would say it only after everything is hashed and read.

use super::{Check, ImageRoom, USUAL_IMAGE_BYTES};
use crate::{CheckError, memory::training_memory, problems::Place, residency::SplitSize};
use evaluation::{Configuration, TrainError, TrainMemory};
use jobs::{ByteSize, Precision, Task};
use std::collections::BTreeMap;

/// Bytes that a split may take while it is read, however little may be kept of it.
const LEAST_IMAGE_BYTES: u64 = 256 << 20;

impl Check<'_> {
    /// Checks targets and ranks of all trainings. Returns what each takes beside the model that is evaluated, by task.
    pub(super) fn trainings(
        &mut self,
        base: &dyn Configuration,
        threads: Option<usize>,
    ) -> BTreeMap<String, TrainMemory> {
        let mut found = training_memory(self.sweep, base, threads, &self.sizes);
        let mut fitting = BTreeMap::new();
        for (i, task) in self.sweep.tasks.iter().enumerate() {
            match found.remove(&task.name) {
                Some(Ok(memory)) => {
                    fitting.insert(task.name.clone(), memory);
                    self.training_images(task, base);
                }
                Some(Err(source)) => self.refuse_training(i, task, source),
                None => {}
            }
        }
        fitting
    }

    /// Says if the images of the training split take more memory than they may: each leg reads all of them, and would fail.
    ///
    /// That is no problem of the sweep: its adapters may be trained already, or by workers with other settings.
    fn training_images(&mut self, task: &Task, base: &dyn Configuration) {
        let Some(training) = task.adapter.training() else { return };
        let split = training.keys().split();
        let pixels = base.image_residency(Precision::F32, &[]).ok().flatten().map_or(0, |model| model.pixels);
        let is_own = |size: &&SplitSize| size.task == task.name && size.split == split;
        let Some(images) = self.sizes.iter().find(is_own).map(|size| size.examples) else { return };
        let bytes = images.saturating_mul(pixels);
        let allowed = match self.computing.images() {
            ImageRoom::Files => return,
            ImageRoom::Memory(allowed) => allowed.max(LEAST_IMAGE_BYTES),
            ImageRoom::Usual => USUAL_IMAGE_BYTES,
        };
        if bytes > allowed {
            self.notes.push(format!(
                "the training split `{split}` of `{}` has {images} images, which take {} as pixels, and {} are allowed{}: train with \
                 `--image-memory {}`, or keep them in files with `--example-cache FOLDER`",
                task.name,
                ByteSize(bytes),
                ByteSize(allowed),
                if self.computing.images() == ImageRoom::Usual { " where nothing else is said" } else { "" },
                bytes.div_ceil(1 << 20),
            ));
        }
    }

    /// Names the key that cannot be followed where the file has it. One that all tasks share is told once.
    fn refuse_training(&mut self, i: usize, task: &Task, source: TrainError) {
        let of_task = Place::of_task(i, task);
        let Some(key) = key_of(&source) else {
            let error = CheckError::Training { task: task.name.clone(), source };
            return self.problems.push(&of_task.adapter(self.sweep), None, &error);
        };
        let own = of_task.at("adapter.train").at(key);
        if self.problems.has_key(own.path()) {
            let error = CheckError::Training { task: task.name.clone(), source };
            return self.problems.push(&own, None, &error);
        }
        let of_variant = self.sweep.variant.as_ref().map(|variant| {
            let place = variant.place;
            Place::key(&format!("variants.values[{place}].training.{key}"))
        });
        let of_variant = of_variant.filter(|place| self.problems.has_key(place.path()));
        // Also where no key says it, and the default is what does not fit.
        let shared = of_variant.unwrap_or_else(|| Place::key(&format!("training.{key}")));
        self.problems.push(&shared, None, &CheckError::SharedTraining { source });
    }
}

/// The key whose value does not fit the base; `None` if it is none of one key.
fn key_of(error: &TrainError) -> Option<&'static str> {
    match error {
        TrainError::Target { .. } | TrainError::NoTarget => Some("targets"),
        TrainError::Rank { .. } => Some("rank"),
        TrainError::Settings(_)
        | TrainError::NoExamples
        | TrainError::Head(_)
        | TrainError::Initial { .. }
        | TrainError::NotFinite { .. }
        | TrainError::State { .. }
        | TrainError::Model(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Computing, SweepLines};
    use inputs::{Inputs, Settings};
    use jobs::{Lines, Sweep};
    use std::path::Path;

    const TEXT: &str = "name: small\nbase: base\ntraining: {steps: 10}\ntasks:\n  - {name: one, adapter: {train: {}}, data: d, head: h}\n  \
                        - {name: two, adapter: {train: {split: more}}, data: d, head: h}\nevaluation: {}\nbaselines: [{preset: ties}]";

    /// What is said of trainings on splits of so many images of 3072 bytes.
    fn notes(images: u64, computing: Computing) -> Vec<String> {
        let sweep = Sweep::from_yaml(TEXT, Path::new("/sweeps"), &[]).unwrap();
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/mini8/base");
        let base = evaluation::configuration(&base).unwrap();
        let inputs = Inputs::new(Settings::default());
        let lines = SweepLines { path: "small.yaml".into(), lines: Lines::of(TEXT, &[]) };
        let mut check = Check::new(&sweep, lines, &inputs, computing);
        let size =
            |task: &str, split: &str, examples| SplitSize { task: task.to_owned(), split: split.to_owned(), examples };
        // Those of another split and of another task do not count.
        check.sizes = vec![size("two", "train", 1 << 40), size("one", "train", images), size("one", "test", 1 << 40)];
        let before = check.notes.len();
        assert_eq!(check.trainings(base.as_ref(), Some(1)).len(), 2);
        assert!(check.problems.is_empty());
        check.notes.split_off(before)
    }

    #[test]
    fn a_training_split_whose_pixels_exceed_the_memory_for_images_is_named_with_what_mends_it() {
        let here = |images| Computing::Here { threads: None, images };
        let fits = (512 << 20) / 3072;
        assert_eq!(notes(fits, here(ImageRoom::Memory(512 << 20))), [""; 0]);
        let said = notes(fits + 1, here(ImageRoom::Memory(512 << 20)));
        let expected = "the training split `train` of `one` has 174763 images, which take 513 MiB as pixels, and 512 MiB are allowed: \
                        train with `--image-memory 513`, or keep them in files with `--example-cache FOLDER`";
        assert_eq!(said, [expected]);
        assert_eq!(notes(1 << 30, here(ImageRoom::Files)), [""; 0]);
        assert_eq!(notes(80_000, here(ImageRoom::Memory(0))), [""; 0], "so much is always allowed");
        for usual in [Computing::Elsewhere, here(ImageRoom::Usual)] {
            assert_eq!(notes(1 << 20, usual), [""; 0]);
            let said = notes(2 << 20, usual);
            assert!(
                said[0].contains("take 6.0 GiB as pixels, and 4.0 GiB are allowed where nothing else is said"),
                "{said:?}"
            );
            assert!(said[0].contains("`--image-memory 6144`"), "{said:?}");
        }
    }
}
