//! The bound on the number of jobs.

use super::*;

#[test]
fn the_bound_of_a_sweep_needs_none_of_its_inputs() {
    let joint = "evaluation={benchmark: joint, head: heads/joint.safetensors, map: heads/map.json}";
    for overrides in [
        &[][..],
        &["evaluation.report=validation"],
        &["method=grid"],
        &["tasks.mnist.finetuned={validation: 0.5}"],
        &[joint, "metric.name=mean_accuracy"],
    ] {
        let sweep = crate::testing::sweep(overrides);
        let mut plan = SweepPlan::new(frozen(overrides)).unwrap();
        let expected = plan.bound();
        assert_eq!(bound(&sweep).unwrap(), expected, "{overrides:?}");
        assert!(matches!(plan.next(2).unwrap(), NextJobs::Publish(_)));
        assert_eq!(plan.bound(), expected, "it does not depend on what was read");
    }
    assert_eq!(bound(&crate::testing::sweep(&[])).unwrap(), 3 + 9 + 1 + 5);
    assert_eq!(bound(&crate::testing::sweep(&["evaluation.report=validation"])).unwrap(), 3 + 9 + 1);
}
