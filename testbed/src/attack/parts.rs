//! Flipped bits in compacted parts, as on a failing disk.

use super::{Case, ensure, sweeps};
use fastrand::Rng;
use std::fs;

pub(super) const FLIPPED: Case = Case {
    name: "flipped-bits",
    about: "one bit of a compacted part is flipped: the tables are the same, or the part is named",
    run: |bench| {
        let case = bench.case_folder("flipped-bits")?;
        let sweep = sweeps::images(&case, "small", 10)?;
        let sweep = sweep.to_str().ok_or("the folder's name is no UTF-8")?;
        case.run(&["run", sweep, "--store", "store"])?.ends_with(&[0])?;
        let parts = case.path("store/sweeps/small/parts");
        ensure(parts.exists(), || "the sweep has no compacted parts".to_owned())?;
        let args = ["analyze", "store", "--json"];
        let sound = case.run(&args)?;
        sound.ends_with(&[0])?;
        let mut random = Rng::with_seed(SEED);
        let mut same = 0;
        let mut named = 0;
        let mut silent = 0;
        for file in ["0.parquet", "0.jobs"] {
            let path = parts.join(file);
            let content = fs::read(&path)?;
            for _ in 0..FLIPS {
                let mut flipped = content.clone();
                flipped[random.usize(..content.len())] ^= 1 << random.u8(..8);
                fs::write(&path, flipped)?;
                let ran = case.run(&args)?;
                ran.ends_with(&[0, 65])?;
                match (ran.stdout == sound.stdout, ran.stderr.contains("parts/") || ran.code == Some(65)) {
                    (true, _) => same += 1,
                    (false, true) => named += 1,
                    (false, false) => silent += 1,
                }
            }
            fs::write(&path, content)?;
        }
        ensure(silent == 0, || format!("{silent} of {} flips changed tables in silence", same + named + silent))?;
        Ok(format!("{} flips: {same} the same tables, {named} named, none other in silence", same + named))
    },
};

const SEED: u64 = 7;

/// Flips in each file.
const FLIPS: usize = 40;
