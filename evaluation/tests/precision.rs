//! Images in 16 bits against those in `f32`, on plain slices and composed as other devices run them.

use crate::fixture::{TASKS, base, embedded, example, head, with_update};
use candle_core::Device;
use evaluation::{ImageModel, Watch, accuracy};
use jobs::Precision;

/// Images that may differ beyond what was measured: answers near a tie depend on the order of sums, which the processor's instructions
/// decide.
const SLACK: usize = 1;

/// A model and what was measured of it.
struct Case {
    name: &'static str,
    model: ImageModel,
    /// By how much the right answers of a task may differ in number from those in `f32`.
    most: usize,
    /// The most images of a task that may be right in one of both and wrong in the other.
    most_images: usize,
}

/// Whether each image of each task has the right answer, of a merge.
fn right(model: &ImageModel) -> Vec<Vec<bool>> {
    let merged = with_update(model, "knots_ties_k20_a0.6");
    let of_task = |task: &&str| {
        let features = merged.features(&embedded(model, task, "validation"), &Watch::default()).unwrap();
        accuracy(&features, &head(task)).unwrap().right
    };
    TASKS.iter().map(of_task).collect()
}

#[test]
fn right_answers_in_16_bits_differ_from_those_in_f32_by_no_more_than_was_measured() {
    let exact = right(&base());
    let folder = example("base");
    let plain = ImageModel::open_in(&folder, &Device::Cpu, Precision::Bf16).unwrap();
    let composed = |precision| ImageModel::open_composed(&folder, &Device::Cpu, precision).unwrap();
    let cases = [
        Case { name: "bf16, plain slices", model: plain, most: 3, most_images: 3 },
        Case { name: "bf16, composed", model: composed(Precision::Bf16), most: 3, most_images: 5 },
        Case { name: "f16, composed", model: composed(Precision::F16), most: 1, most_images: 1 },
    ];
    let count = |right: &[bool]| right.iter().filter(|right| **right).count();
    for Case { name, model, most, most_images } in cases {
        let found = right(&model);
        for ((task, exact), found) in TASKS.iter().zip(&exact).zip(&found) {
            let differ = exact.iter().zip(found).filter(|(a, b)| a != b).count();
            let said =
                format!("{name}, {task}: {} right, {} in f32, {differ} images differ", count(found), count(exact));
            println!("{said}");
            assert!(count(exact).abs_diff(count(found)) <= most + SLACK && differ <= most_images + SLACK, "{said}");
        }
    }
}
