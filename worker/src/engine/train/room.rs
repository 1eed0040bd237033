//! Whether a leg has room in memory, asked before what takes the room is read or made.

use super::{F32_IMAGES, failure};
use crate::{
    JobError,
    engine::memory::{check_training, check_training_step},
};
use evaluation::{Configuration, TrainMemory, TrainPlacement};
use jobs::{TrainSettings, TrainSpec};

/// The images that a leg holds in memory while it makes steps; nothing for texts, which take little, and for images in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct HeldImages {
    /// Images that it is trained on; 0 before they are read.
    pub(super) training: u64,
    /// Images that early stopping looks at, which are held beside those that the accuracy is measured on.
    pub(super) validation: u64,
}

/// Refuses a leg that needs more memory than is free, with blocks that run twice: its copies of the base, images and a step. What is not
/// known yet counts for nothing, so that a leg that fits is never refused. Returns what is left, if there is a limit.
pub(super) fn check_room(
    base: &dyn Configuration,
    spec: &TrainSpec,
    images: HeldImages,
    free: Option<u64>,
) -> Result<Option<u64>, JobError> {
    let settings = &spec.settings;
    let bytes = |count: u64| count.saturating_mul(image_bytes(base));
    // A step never has more examples than the split.
    let has_whole_steps = images.training >= settings.examples_per_step() as u64;
    let settings = TrainSettings {
        batch: if has_whole_steps { settings.batch } else { 1 },
        accumulation: if has_whole_steps { settings.accumulation } else { 1 },
        ..settings.clone()
    };
    let place = TrainPlacement {
        threads: rayon::current_num_threads(),
        // Of texts the longest one is known once all are read.
        longest: base.example_tokens().unwrap_or(1),
        classes: 1,
        validation: bytes(images.validation),
    };
    let memory = TrainMemory::of(base, &settings, place).map_err(|error| failure(spec, error))?;
    check_training(memory.base, free)?;
    let needed = memory.least().saturating_add(bytes(images.training));
    check_training_step(needed, free)?;
    Ok(free.map(|free| free - needed))
}

/// Bytes of an image as it is read; 0 for a model of texts.
pub(super) fn image_bytes(base: &dyn Configuration) -> u64 {
    base.image_residency(F32_IMAGES, &[]).ok().flatten().map_or(0, |image| image.pixels)
}
