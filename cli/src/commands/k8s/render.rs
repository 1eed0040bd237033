//! A sweep file as the coordinator Job that runs it, through kustomize and an overlay's settings.

use crate::{
    args,
    failure::{Failure, FileFailure, K8sFailure},
    sweep_file::{SweepText, read_sweep_text},
    terminal,
};
use jobs::{Digest, Sweep};
use serde_json::Value;
use std::{
    ffi::OsStr,
    fs,
    io::ErrorKind,
    path::{Component, Path, PathBuf},
    process::Command,
};

/// Where a coordinator finds its sweep file: the folder at which the Job of `k8s/sweep` mounts it.
const MOUNTED: &str = "/sweep";
/// The file's name there, which the Job names.
const FILE: &str = "sweep.yaml";
/// A ConfigMap holds 1 MiB, but `kubectl apply` notes all of it once more where there is room for 256 KiB.
const LARGEST: usize = 250_000;
/// Names of Kubernetes end at 63 characters; this leaves room for `sweep-` and a digest.
const LONGEST_NAME: usize = 40;
/// Digits of the file's digest in names: another file is another Job.
const DIGITS: usize = 8;

/// Programs that build a kustomization, and what to put before its folder.
const BUILDERS: [(&str, &str); 2] = [("kubectl", "kustomize"), ("kustomize", "build")];

/// `bowline k8s render`: prints what `kubectl apply -f -` takes, or writes the kustomization it comes from.
pub(crate) fn run(args: &args::K8sRender) -> Result<(), Failure> {
    let sweep = read_sweep_text(&args.sweep, Path::new(MOUNTED))?;
    check_places(&args.sweep.sweep, &sweep)?;
    if sweep.text.len() > LARGEST {
        return Err(Failure::K8s(K8sFailure::LargeSweep {
            path: args.sweep.sweep.clone(),
            bytes: sweep.text.len(),
            most: LARGEST,
        }));
    }
    let overlay = Overlay::find(&args.overlay)?;
    let Some(folder) = &args.write else {
        let folder = tempfile::tempdir()
            .map_err(|source| Failure::File(FileFailure::Write { path: std::env::temp_dir(), source }))?;
        write(folder.path(), &overlay, &sweep)?;
        terminal::data(build(folder.path())?.trim_end());
        return Ok(());
    };
    check_folder(folder)?;
    fs::create_dir_all(folder).map_err(|source| Failure::File(FileFailure::Write { path: folder.clone(), source }))?;
    write(folder, &overlay, &sweep)?;
    terminal::note(format_args!("{0}: apply it with `kubectl apply -k {0}`", folder.display()));
    Ok(())
}

/// The parts of `k8s/` that a sweep's Job is made of.
struct Overlay {
    /// The Job.
    job: PathBuf,
    /// Images and namespace, which it shares with the cluster's other parts.
    settings: PathBuf,
}

impl Overlay {
    fn find(folder: &Path) -> Result<Self, Failure> {
        let found = |place: PathBuf| {
            if place.join(KUSTOMIZATION).is_file() {
                place
                    .canonicalize()
                    .map_err(|source| Failure::File(FileFailure::Read { what: "folder", path: place, source }))
            } else {
                Err(Failure::K8s(K8sFailure::Overlay { folder: folder.to_owned(), missing: place }))
            }
        };
        Ok(Self { settings: found(folder.join("settings"))?, job: found(folder.join("../../sweep"))? })
    }
}

/// Refuses places that exist only on this machine.
fn check_places(file: &Path, sweep: &SweepText) -> Result<(), Failure> {
    let place = |sweep: &Sweep| {
        let tree = serde_json::to_value(sweep).expect("a sweep is plain data");
        local_place(&tree, &mut Vec::new())
    };
    match sweep.sweeps.iter().find_map(place) {
        Some((key, place)) => Err(Failure::K8s(K8sFailure::LocalPlace { path: file.to_owned(), key, place })),
        None => Ok(()),
    }
}

/// The first place that was relative to the sweep file, with the key it stands under.
fn local_place(tree: &Value, key: &mut Vec<String>) -> Option<(String, String)> {
    let within = |name: String, value: &Value, key: &mut Vec<String>| {
        key.push(name);
        let found = local_place(value, key);
        key.pop();
        found
    };
    match tree {
        Value::String(text) => {
            let place = Path::new(text).strip_prefix(MOUNTED).ok()?;
            Some((as_written(key), place.display().to_string()))
        }
        Value::Array(items) => items.iter().enumerate().find_map(|(i, item)| within(i.to_string(), item, key)),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| within(name.clone(), value, key)),
        _ => None,
    }
}

/// A key as people write it: a place may stand for itself, and is a tagged value only inside.
fn as_written(key: &[String]) -> String {
    let tags = key.iter().rev().take_while(|part| ["path", "file"].contains(&part.as_str())).count();
    key[..key.len() - tags].join(".")
}

/// The file that makes a folder a kustomization.
const KUSTOMIZATION: &str = "kustomization.yaml";
/// How the one of a sweep begins.
const WRITTEN: &str = "# The sweep ";

/// Refuses a folder that holds another kustomization.
fn check_folder(folder: &Path) -> Result<(), Failure> {
    let path = folder.join(KUSTOMIZATION);
    match fs::read_to_string(&path) {
        Ok(text) if !text.starts_with(WRITTEN) => Err(Failure::K8s(K8sFailure::OtherKustomization { path })),
        _ => Ok(()),
    }
}

fn write(folder: &Path, overlay: &Overlay, sweep: &SweepText) -> Result<(), Failure> {
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|source| Failure::File(FileFailure::Write { path, source }))
    };
    let here = folder
        .canonicalize()
        .map_err(|source| Failure::File(FileFailure::Read { what: "folder", path: folder.to_owned(), source }))?;
    put(FILE, &sweep.text)?;
    put(KUSTOMIZATION, &kustomization(&here, overlay, sweep))
}

/// The kustomization of one sweep in `folder`.
fn kustomization(folder: &Path, overlay: &Overlay, sweep: &SweepText) -> String {
    let written = sweep.sweeps.first().map(Sweep::name_in_file).unwrap_or_default();
    let name = plain_name(written);
    let digest = Digest::of(sweep.text.as_bytes()).to_string();
    // YAML takes JSON's strings.
    let quoted = |path: &Path| Value::from(relative(folder, path).display().to_string()).to_string();
    format!(
        "{WRITTEN}`{}`: written by `bowline k8s render`.\n\
         apiVersion: kustomize.config.k8s.io/v1beta1\n\
         kind: Kustomization\n\
         resources:\n  - {}\n\
         components:\n  - {}\n\
         nameSuffix: \"-{name}-{}\"\n\
         labels:\n  - pairs:\n      bowline.sweep: \"{name}\"\n    includeTemplates: true\n\
         configMapGenerator:\n  - name: sweep\n    files:\n      - {FILE}\n    options:\n      immutable: true\n      \
         disableNameSuffixHash: true\n",
        written,
        quoted(&overlay.job),
        quoted(&overlay.settings),
        &digest[..DIGITS],
    )
}

/// A name of lowercase letters, digits and single dashes.
fn plain_name(name: &str) -> String {
    let dashed: String = name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .collect();
    let words: Vec<&str> = dashed.split('-').filter(|word| !word.is_empty()).collect();
    let name: String = words.join("-").chars().take(LONGEST_NAME).collect();
    match name.trim_end_matches('-') {
        "" => "x".to_owned(),
        name => name.to_owned(),
    }
}

/// The relative path from one folder to another, both absolute: kustomize accepts no other path.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    let way: PathBuf = up.chain(to.components().skip(shared)).collect();
    if way.as_os_str().is_empty() { Component::CurDir.as_os_str().into() } else { way }
}

/// Builds the kustomization in `folder` with whatever program is there.
fn build(folder: &Path) -> Result<String, Failure> {
    for (program, verb) in BUILDERS {
        let output = match Command::new(program).args([OsStr::new(verb), folder.as_os_str()]).output() {
            Ok(output) => output,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(source) => return Err(Failure::K8s(K8sFailure::Kustomize { program, reason: source.to_string() })),
        };
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Failure::K8s(K8sFailure::Kustomize { program, reason }));
        }
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Failure::K8s(K8sFailure::NoKustomize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_plain() {
        for (name, plain) in [
            ("mini8", "mini8"),
            ("Llama 3_8B.v2", "llama-3-8b-v2"),
            ("--a--", "a"),
            ("größe", "gr-e"),
            ("___", "x"),
            (&"a-".repeat(40), "a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a"),
        ] {
            assert_eq!(plain_name(name), plain);
        }
    }

    #[test]
    fn a_folder_is_found_from_another() {
        let way = |from: &str, to: &str| relative(Path::new(from), Path::new(to)).display().to_string();
        assert_eq!(way("/tmp/x", "/home/k8s/sweep"), "../../home/k8s/sweep");
        assert_eq!(way("/k8s/overlays/a40/mine", "/k8s/sweep"), "../../../sweep");
        assert_eq!(way("/a", "/a"), ".");
    }

    #[test]
    fn a_place_beside_the_sweep_file_is_found_with_its_key() {
        let tasks = serde_json::json!([{"adapter": "s3://x/y"}, {"head": {"file": {"path": "/sweep/heads/sst2"}}}]);
        let tree = serde_json::json!({"base": "hf://a/b", "tasks": tasks});
        let found = local_place(&tree, &mut Vec::new());
        assert_eq!(found, Some(("tasks.1.head".to_owned(), "heads/sst2".to_owned())));
        let tree = serde_json::json!({"base": "/data/base", "name": "/sweeping"});
        assert_eq!(local_place(&tree, &mut Vec::new()), None);
    }
}
