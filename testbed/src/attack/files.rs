//! The weights of a half-width base, which stay mapped while jobs compute, change during a run.

use super::{
    Case,
    bench::{CaseFolder, LIMIT, copy_folder},
    ensure, sweeps,
};
use crate::Failure;
use half::bf16;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

pub(super) const REWRITTEN: Case = Case {
    name: "base-rewritten",
    about: "a bf16 base is overwritten in place: no result of other weights is stored",
    run: |bench| {
        let case = bench.case_folder("base-rewritten")?;
        attack(&case, |base, changed| {
            OpenOptions::new().write(true).open(base)?.write_all(changed)?;
            Ok(())
        })
    },
};

pub(super) const TRUNCATED: Case = Case {
    name: "base-truncated",
    about: "a bf16 base is truncated in place: jobs fail, or the run ends with 75, and the base is named",
    run: |bench| {
        let case = bench.case_folder("base-truncated")?;
        attack(&case, |base, changed| {
            OpenOptions::new().write(true).open(base)?.set_len(changed.len() as u64 / 3)?;
            Ok(())
        })
    },
};

pub(super) const REPLACED: Case = Case {
    name: "base-replaced",
    about: "another file is renamed into the place of a bf16 base: no result of other weights is stored",
    run: |bench| {
        let case = bench.case_folder("base-replaced")?;
        attack(&case, |base, changed| {
            let new = base.with_extension("new");
            fs::write(&new, changed)?;
            fs::rename(new, base)?;
            Ok(())
        })
    },
};

/// The allowed exit codes: jobs fail, or the process does, whichever reads the changed file first.
const CODES: [i32; 4] = [3, 65, 69, 75];

const POINTS: u32 = 40;

/// Results that are stored before the base changes.
const BEFORE: usize = 4;

/// Runs a sweep without changes, and again with the base changed after some jobs; then restores the base and resumes.
fn attack(case: &CaseFolder<'_>, change: impl Fn(&Path, &[u8]) -> Result<(), Failure>) -> Result<String, Failure> {
    let base = half_width_base(case)?;
    let weights = base.join("model.safetensors");
    let sound = fs::read(&weights)?;
    let sweep = sweeps::texts(case, "texts", &base, POINTS)?;
    let sweep = sweep.to_str().ok_or("the folder's name is no UTF-8")?;
    case.run(&["run", sweep, "--threads", "1", "--store", "undisturbed"])?.ends_with(&[0])?;
    let expected = sweeps::scores(&case.path("undisturbed"))?;
    let outcome = outcome(case, "undisturbed")?;

    let args = ["run", sweep, "--threads", "1", "--store", "disturbed"];
    let mut running = case.start("disturbed", &mut case.bowline(&args))?;
    let store = case.path("disturbed");
    running.wait_until(LIMIT, || sweeps::scores(&store).is_ok_and(|scores| scores.len() >= BEFORE))?;
    let before = sweeps::scores(&store)?.len();
    change(&weights, &changed(&sound)?)?;
    let ended = running.finish(LIMIT)?;
    // This is checked first: a wrong number is the worst violation.
    let wrong = wrong(&expected, &store)?;
    ensure(wrong == 0, || format!("{wrong} results have other scores than those of the undisturbed run"))?;
    ended.ends_with(&CODES)?.says(&["/base"])?;
    let is_told = ["has changed", "was truncated"].iter().any(|words| ended.stderr.contains(words));
    ensure(is_told, || format!("it does not say what became of the base: {}", ended.stderr))?;
    let stored = sweeps::scores(&store)?.len();

    fs::write(&weights, &sound)?;
    case.run(&args)?.ends_with(&[0])?;
    let wrong = self::wrong(&expected, &store)?;
    ensure(wrong == 0, || format!("{wrong} results differ after the base was restored"))?;
    ensure(self::outcome(case, "disturbed")? == outcome, || {
        "the table differs after the base was restored".to_owned()
    })?;
    Ok(format!(
        "{before} of {} results stored before, {stored} when it ended with {}; 0 wrong, and the same table after restoring",
        expected.len(),
        ended.code.unwrap_or(-1),
    ))
}

fn outcome(case: &CaseFolder<'_>, store: &str) -> Result<serde_json::Value, Failure> {
    sweeps::outcome(&case.path(store), "texts")
}

/// The number of results that differ from those of the undisturbed run.
fn wrong(expected: &std::collections::BTreeMap<String, serde_json::Value>, store: &Path) -> Result<usize, Failure> {
    Ok(sweeps::scores(store)?.iter().filter(|(job, scores)| expected.get(*job) != Some(scores)).count())
}

/// The base of the text example with its weights in one file, as bf16: such weights stay mapped.
fn half_width_base(case: &CaseFolder<'_>) -> Result<PathBuf, Failure> {
    let from = case.example("nli6/base");
    let base = case.path("base");
    copy_folder(&from, &base)?;
    let mut tensors = Vec::new();
    for shard in ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] {
        let content = fs::read(base.join(shard))?;
        for (name, tensor) in SafeTensors::deserialize(&content)?.iter() {
            let entries = tensor.data().as_chunks::<4>().0.iter();
            let halved: Vec<u8> =
                entries.flat_map(|entry| bf16::from_f32(f32::from_le_bytes(*entry)).to_le_bytes()).collect();
            tensors.push((name.to_owned(), tensor.shape().to_vec(), halved));
        }
        fs::remove_file(base.join(shard))?;
    }
    fs::remove_file(base.join("model.safetensors.index.json"))?;
    let views: Result<Vec<_>, Failure> = tensors
        .iter()
        .map(|(name, shape, data)| Ok((name, TensorView::new(Dtype::BF16, shape.clone(), data)?)))
        .collect();
    safetensors::serialize_to_file(views?, None, &base.join("model.safetensors"))?;
    Ok(base)
}

/// The same file with other weights: the sign of every second entry is turned.
fn changed(content: &[u8]) -> Result<Vec<u8>, Failure> {
    let header = content.first_chunk().map(|size| u64::from_le_bytes(*size)).ok_or("a file without a header")?;
    let mut changed = content.to_vec();
    let data = usize::try_from(header)? + size_of::<u64>();
    changed[data..].as_chunks_mut::<4>().0.iter_mut().for_each(|entries| entries[1] ^= 0x80);
    Ok(changed)
}
