//! Methods that bring the tasks into bases of their own: CtM, DC-Merge and the geodesic mean.

use super::{
    golden::{Golden, goldens},
    ties::{sum, ties},
};
use crate::methods::{Cover, DcMerge, Smoothing, compress, geodesic_mean};
use faer::Mat;

fn ctm(golden: &Golden, tasks: &[Mat<f64>]) -> Mat<f64> {
    let rank = golden.number("/config/rank").unwrap() as usize;
    let compressed = compress(tasks, rank, golden.number("/config/beta").unwrap()).unwrap();
    assert!(compressed.has_converged, "{}: {} rounds", golden.name, compressed.rounds);
    let cores = &compressed.cores;
    let entries = cores[0].nrows() * cores[0].ncols();
    let merged = match golden.number("/config/topK_percent") {
        None => sum(cores),
        Some(percent) => ties(cores, (entries as f64 * percent / 100.0) as usize + 1),
    };
    let scaling = golden.number("/config/scaling").unwrap();
    compressed.left * merged * compressed.right.transpose() * faer::Scale(scaling)
}

#[test]
fn compress_then_merge_equals_its_authors_code_run_to_convergence() {
    let converged = goldens("ctm").into_iter().filter(|golden| golden.number("/config/hooi_tol").unwrap() < 1e-10);
    let converged: Vec<_> = converged.collect();
    assert!(!converged.is_empty());
    for golden in converged {
        golden.check(1e-4, |_, weight| {
            let core = weight.core();
            core.lift(&ctm(&golden, &core.cores))
        });
    }
}

/// The authors stop before the fixed point, as their tolerance says: a record of how far away that is.
#[test]
fn compress_then_merge_is_near_its_authors_code_stopped_early() {
    for golden in goldens("ctm").iter().filter(|golden| golden.number("/config/hooi_tol").unwrap() > 1e-10) {
        let tolerance = if golden.text("/config/combine") == "sum" { 1e-2 } else { 0.2 };
        golden.check(tolerance, |_, weight| {
            let core = weight.core();
            core.lift(&ctm(golden, &core.cores))
        });
    }
}

/// The blocks of single tasks on the diagonal.
fn blocks_of(bounds: &[usize], merged: &Mat<f64>) -> Mat<f64> {
    let block = |index: usize| bounds.partition_point(|bound| *bound <= index);
    Mat::from_fn(
        merged.nrows(),
        merged.ncols(),
        |row, col| {
            if block(row) == block(col) { merged[(row, col)] } else { 0.0 }
        },
    )
}

#[test]
fn dc_merge_equals_merge_and_rebase() {
    for golden in goldens("dc_merge") {
        let strength = golden.number("/config/energy_smoothing_strength").unwrap();
        let settings = match golden.text("/config/energy_smoothing") {
            "average" => DcMerge { rule: Smoothing::Average, strength },
            "linear" => DcMerge { rule: Smoothing::Linear, strength },
            "none" => DcMerge { rule: Smoothing::Average, strength: 0.0 },
            other => panic!("{other}"),
        };
        golden.check(1e-6, |_, weight| {
            let [rows, cols] = weight.shape();
            let most = golden.number("/config/max_rank").unwrap() as usize;
            let share = rows.min(cols) / weight.factors.len();
            let kept: Vec<_> = weight.ranks().iter().map(|rank| most.min(share).min(*rank)).collect();
            let cover = Cover::new(&weight.updates(), &kept, settings).unwrap();
            let entries = cover.cores[0].nrows().pow(2);
            let mut merged = match golden.text("/config/cover_merge_method") {
                "task_arithmetic" => sum(&cover.cores),
                "weighted_average" => sum(&cover.cores) * faer::Scale(1.0 / cover.cores.len() as f64),
                "ties_merge" => {
                    let density = golden.number("/config/cover_merge_params/topk").unwrap();
                    ties(&cover.cores, (entries as f64 * density) as usize)
                }
                other => panic!("{other}"),
            };
            if golden.text("/config/mask_mode") == "block" {
                merged = blocks_of(&cover.bounds, &merged);
            }
            cover.left * merged * cover.right.transpose()
        });
    }
}

#[test]
fn sums_between_geodesic_means_of_bases_equal_merge_and_rebase() {
    for golden in goldens("geo_core") {
        assert_eq!(golden.text("/config/combine"), "sum");
        golden.check(1e-5, |_, weight| {
            let copies = weight.copies();
            let tasks: Vec<_> = copies.iter().collect();
            let mean = geodesic_mean(&tasks, &vec![1.0; tasks.len()]).unwrap();
            let inside = mean.left.transpose() * sum(&weight.updates()) * &mean.right;
            mean.left * inside * mean.right.transpose()
        });
    }
}
