use super::EngineSettings;
use crate::JobError;
use evaluation::{DeviceChoice, LONGEST_TEXT, Placement};
use jobs::{Precision, Recipe, StatisticsKind};
use merging::Aligned;
use std::path::Path;

/// Refuses a base model that does not fit into the memory of this machine, before it is opened. Returns the bytes that are
/// left for merges, if there is a limit.
///
/// Adapted matrices need more memory; how much is known only after the adapters are read. The memory of other devices
/// is not known here.
pub(super) fn check_memory(
    folder: &Path,
    precision: Precision,
    settings: &EngineSettings,
) -> Result<Option<u64>, JobError> {
    let Some(available) = settings.memory_bytes else { return Ok(None) };
    let DeviceChoice::Cpu = settings.device else { return Ok(Some(available)) };
    let threads = settings.threads.unwrap_or_else(num_cpus::get_physical);
    let place = Placement { on_host: true, precision, threads, longest: LONGEST_TEXT };
    match evaluation::configuration(folder)?.memory(place, &[])? {
        Some(need) if need.total() > available => {
            Err(JobError::TooLarge { base: need.base, activations: need.activations, available })
        }
        Some(need) => Ok(Some(available - need.total())),
        None => Ok(Some(available)),
    }
}

/// Refuses a merge that takes more memory than there is, before it is computed: one that looks at all entries of a large weight.
pub(super) fn check_merge(recipe: &Recipe, aligned: &Aligned, available: Option<u64>) -> Result<(), JobError> {
    let needed = aligned.working_memory(recipe);
    match available {
        Some(available) if needed > available => {
            Err(JobError::MergeTooLarge { method: recipe.combine.name(), needed, available })
        }
        Some(_) | None => Ok(()),
    }
}

/// Refuses to make statistics that take more memory than there is.
pub(super) fn check_statistics(what: StatisticsKind, needed: u64, available: Option<u64>) -> Result<(), JobError> {
    let what = match what {
        StatisticsKind::Grams => "the Gram matrices of a layer",
        StatisticsKind::Fisher => "the Fisher information and the copy of the base that it is made with",
    };
    check_fits(what, needed, available)
}

/// Refuses to keep what all examples are between two layers, if that takes more memory than there is.
pub(super) fn check_states(needed: u64, available: Option<u64>) -> Result<(), JobError> {
    check_fits("the values between two layers, of the examples of all tasks,", needed, available)
}

/// Refuses to train if the copy of the base that gradients are made with takes more memory than there is.
pub(super) fn check_training(needed: u64, available: Option<u64>) -> Result<(), JobError> {
    check_fits("the copies of the base's matrices in `f32` with which an adapter is trained", needed, available)
}

/// Refuses to train if these copies with images and a step whose blocks run twice take more memory than there is.
pub(super) fn check_training_step(needed: u64, available: Option<u64>) -> Result<(), JobError> {
    check_fits(
        "a step of the training, and the copies of the base's matrices in `f32` and the images that it needs,",
        needed,
        available,
    )
}

fn check_fits(what: &'static str, needed: u64, available: Option<u64>) -> Result<(), JobError> {
    match available {
        Some(available) if needed > available => Err(JobError::StatisticsTooLarge { what, needed, available }),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobs::{Preset, Space};
    use merging::{Adapter, LoraModule, Matrix};

    #[test]
    fn an_image_tower_in_16_bits_that_does_not_fit_is_refused_before_it_is_opened() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/mini8/base");
        let checked = |precision, memory_bytes| {
            let settings = EngineSettings {
                device: DeviceChoice::Cpu,
                threads: Some(2),
                image_bytes: 0,
                cache: None,
                memory_bytes: Some(memory_bytes),
            };
            check_memory(&folder, precision, &settings)
        };
        let header = merging::BaseHeader::open(&folder).unwrap();
        let is_of_blocks = |name: &str| name.starts_with("vision_model.encoder.") && name.ends_with(".weight");
        let blocks = header.tensors().iter().filter(|(name, tensor)| is_of_blocks(name) && tensor.shape.len() == 2);
        let numbers: u64 = blocks.map(|(_, tensor)| tensor.shape.iter().product::<usize>() as u64).sum();
        assert!(numbers > 1_000_000);
        for precision in [Precision::Bf16, Precision::F16] {
            let refused = checked(precision, 1 << 20).unwrap_err().to_string();
            assert!(refused.starts_with("the base model takes") && refused.ends_with("1 MiB are free"), "{refused}");
            let left = checked(precision, 1 << 30).unwrap().unwrap();
            // The numbers of blocks in `f32` and rounded, and a few more; what two threads hold comes on top.
            let taken = (1 << 30) - left;
            assert!((6 * numbers..8 * numbers + (32 << 20)).contains(&taken), "{precision:?}: {taken} of {numbers}");
        }
        assert_eq!(checked(Precision::F32, 1 << 20).unwrap(), Some(1 << 20), "in `f32` images count for nothing");
    }

    #[test]
    fn a_training_whose_copy_of_the_base_does_not_fit_is_refused_so_that_another_machine_takes_it() {
        let error = check_training(3 << 30, Some(1 << 30)).unwrap_err();
        assert!(error.to_string().contains("with which an adapter is trained take 3.0 GiB of memory"), "{error}");
        assert!(error.is_own_fault());
        assert!(check_training(1 << 30, Some(1 << 30)).is_ok() && check_training(1 << 30, None).is_ok());
        let error = check_training_step(3 << 30, Some(1 << 30)).unwrap_err();
        assert!(error.to_string().contains("a step of the training, and the copies"), "{error}");
        assert!(error.is_own_fault());
    }

    #[test]
    fn a_merge_that_does_not_fit_is_refused_before_it_is_computed() {
        let module = LoraModule {
            source: "m".to_owned(),
            lora_b: Matrix::zeros(4000, 1),
            lora_a: Matrix::zeros(1, 4000),
            scale: 1.0,
        };
        let adapters = ["one", "two"].map(|name| Adapter {
            name: name.to_owned(),
            modules: [("m".to_owned(), module.clone())].into(),
            ..Adapter::default()
        });
        let aligned = Aligned::new(&adapters, Space::Full).unwrap();
        let refused = check_merge(&Preset::Pcb.recipe(), &aligned, Some(300 << 20)).unwrap_err().to_string();
        assert_eq!(
            refused,
            "merging by `pcb` in `full` takes 672 MiB of memory beside the model, and 300 MiB are free: use another space or \
             method, or a machine with more memory"
        );
        let refused = check_merge(&Preset::Regmean.recipe(), &aligned, Some(300 << 20)).unwrap_err().to_string();
        assert!(refused.starts_with("merging by `gram_merge` in `full` takes 306 MiB of memory"), "{refused}");
        let refused = check_statistics(StatisticsKind::Grams, 2 << 30, Some(1 << 30)).unwrap_err().to_string();
        assert!(
            refused.starts_with("the Gram matrices of a layer take 2.0 GiB of memory beside the model"),
            "{refused}"
        );
        let refused = check_statistics(StatisticsKind::Fisher, 2 << 30, Some(1 << 30)).unwrap_err().to_string();
        assert!(
            refused.starts_with(
                "the Fisher information and the copy of the base that it is made with take 2.0 GiB of memory"
            ),
            "{refused}"
        );
        let refused = check_states(2 << 30, Some(1 << 30)).unwrap_err().to_string();
        assert!(
            refused.starts_with("the values between two layers, of the examples of all tasks, take 2.0 GiB"),
            "{refused}"
        );
        check_statistics(StatisticsKind::Grams, 2 << 30, Some(2 << 30)).unwrap();
        check_statistics(StatisticsKind::Grams, 2 << 30, None).unwrap();
        for (recipe, available) in [
            (Preset::Pcb.recipe(), Some(704_000_000)),
            (Preset::Pcb.recipe(), None),
            (Preset::Regmean.recipe(), Some(320_000_000)),
            (Preset::CoreTies.recipe(), Some(0)),
            (Preset::TaskArithmetic.recipe(), Some(0)),
        ] {
            check_merge(&recipe, &aligned, available).unwrap();
        }
    }
}
