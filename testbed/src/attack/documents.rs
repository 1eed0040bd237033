//! Documents of a store that are empty, broken or false.

use super::{
    Case,
    bench::{CaseFolder, copy_folder},
    ensure, sweeps,
};
use crate::Failure;
use serde_json::{Value, json};
use std::fs;

pub(super) const BROKEN: Case = Case {
    name: "broken-documents",
    about: "empty and broken cancelled.json, manifest.json, outcome.json, progress.json: no panic, and the error names a remedy",
    run: |bench| {
        let case = bench.case_folder("broken-documents")?;
        let sweep = sweeps::images(&case, "small", 4)?;
        let sweep = sweep.to_str().ok_or("the folder's name is no UTF-8")?;
        case.run(&["run", sweep, "--store", "sound"])?.ends_with(&[0])?;
        let mut tried = 0;
        for name in ["cancelled.json", "manifest.json", "outcome.json", "progress.json", "summary.json"] {
            for content in ["", "{", "null", "[]", "{\"version\": 1}", "\0\0\0\0"] {
                let store = case.path("store");
                if store.exists() {
                    fs::remove_dir_all(&store)?;
                }
                copy_folder(&case.path("sound"), &store)?;
                fs::write(store.join("sweeps/small").join(name), content)?;
                let at = |failure: Failure| Failure::from(format!("{name} is `{}`: {failure}", content.escape_debug()));
                for args in [
                    &["status", "--store", "store"][..],
                    &["watch", "--once", "--store", "store"],
                    &["analyze", "store"],
                ] {
                    case.run(args)?.ends_with(&[0, 3, 65]).map_err(at)?;
                }
                run_or_recover(&case, sweep, name).map_err(at)?;
                let is_same = sweeps::outcome(&store, "small")? == sweeps::outcome(&case.path("sound"), "small")?;
                ensure(is_same, || format!("{name} is `{content}`: another table"))?;
                tried += 1;
            }
        }
        Ok(format!("{tried} documents; the sweep goes on, or is removed as the message says, to the same table"))
    },
};

pub(super) const OUTSIDE: Case = Case {
    name: "names-as-paths",
    about: "an outcome of a sweep named `../../../EVIL` or `/…/EVIL`: `analyze --out` writes only into its folder",
    run: |bench| {
        let case = bench.case_folder("names-as-paths")?;
        let sweep = sweeps::images(&case, "small", 4)?;
        let sweep = sweep.to_str().ok_or("the folder's name is no UTF-8")?;
        case.run(&["run", sweep, "--store", "store"])?.ends_with(&[0])?;
        let absolute = case.path("EVIL").display().to_string();
        for name in ["../../../EVIL", &absolute, "..", ".", "a/b"] {
            for document in ["outcome.json", "manifest.json"] {
                let path = case.path("store/sweeps/small").join(document);
                let content = fs::read(&path)?;
                let mut value: Value = serde_json::from_slice(&content)?;
                rename(&mut value, name);
                fs::write(&path, serde_json::to_vec(&value)?)?;
                case.run(&["analyze", "store", "--out", "a/b/c/out"])?.ends_with(&[0, 65])?;
                fs::write(&path, content)?;
                let outside =
                    [case.path("EVIL"), case.path("a/EVIL"), case.path("a/b/c/tables"), case.path("a/b/EVIL")];
                let written = outside.iter().find(|path| path.exists());
                ensure(written.is_none(), || format!("{document} names `{name}`: wrote {written:?}"))?;
            }
        }
        Ok("5 names in 2 documents; nothing was written outside of --out".to_owned())
    },
};

/// Runs the sweep. If it does not run, follows the remedy in the message.
fn run_or_recover(case: &CaseFolder<'_>, sweep: &str, document: &str) -> Result<(), Failure> {
    let run = ["run", sweep, "--store", "store"];
    let ran = case.run(&run)?;
    match ran.ends_with(&[0, 65, 75])?.code {
        Some(65) => {
            ran.says(&[document, "hint: ", "bowline sweeps remove"])?;
            case.run(&["sweeps", "remove", "small", "--yes", "--store", "store"])?.ends_with(&[0])?;
        }
        Some(75) => {
            ran.says(&["bowline cancel --undo"])?;
            case.run(&["cancel", "--undo", "small", "--store", "store"])?.ends_with(&[0])?;
        }
        _ => return Ok(()),
    }
    case.run(&run)?.ends_with(&[0])?;
    Ok(())
}

/// Renames the sweep everywhere in the document.
fn rename(value: &mut Value, name: &str) {
    for pointer in ["/sweep", "/sweep/name", "/name"] {
        if let Some(found) = value.pointer_mut(pointer).filter(|found| found.is_string()) {
            *found = json!(name);
        }
    }
}
