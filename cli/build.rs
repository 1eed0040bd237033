//! Asks the linker for a smaller program, where it knows how.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Keeps functions with the same instructions once: Rust makes many, one for each type that a generic function is used
/// with. Nothing in the program compares addresses of functions. Only stubs of CUDA kernels are told apart by their
/// addresses, so that a build for GPUs does without.
const FOLD: &str = "-Wl,--icf=all";

/// Packs the addresses that the loader fills in: 55 kB in place of 4.6 MB. A loader has to know the form, which that of
/// glibc does from 2.36 on, and a program is often made for other machines than this one: it is packed only where the
/// variable [`PACKED`] says `1`.
const PACK: &str = "-Wl,-z,pack-relative-relocs";

const PACKED: &str = "BOWLINE_BUILD_PACKED";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    println!("cargo::rerun-if-env-changed={PACKED}");
    // Other systems have other linkers, and debug builds shall link fast.
    let is_wanted = variable("PROFILE") == "release" && variable("CARGO_CFG_TARGET_OS") == "linux";
    if !is_wanted {
        return;
    }
    let Some(folder) = env::var_os("OUT_DIR").map(PathBuf::from) else { return };
    let has_stubs = env::var_os("CARGO_FEATURE_CUDA").is_some();
    if !has_stubs && is_known(FOLD, &folder) {
        println!("cargo::rustc-link-arg-bins={FOLD}");
    }
    if variable(PACKED) == "1" && is_known(PACK, &folder) {
        println!("cargo::rustc-link-arg-bins={PACK}");
    }
}

fn variable(name: &str) -> OsString {
    env::var_os(name).unwrap_or_default()
}

/// Whether a small program can be linked with the argument, and runs: an old linker refuses it, and an old loader cannot
/// start what was made with it. A program for another kind of machine cannot be tried here, and gets no argument.
fn is_known(argument: &str, folder: &Path) -> bool {
    if variable("HOST") != variable("TARGET") {
        return false;
    }
    let source = folder.join("probe.rs");
    let program = folder.join("probe");
    if fs::write(&source, "fn main() {}").is_err() {
        return false;
    }
    let mut compiler = Command::new(variable("RUSTC"));
    compiler.arg(&source).arg("-o").arg(&program).arg("-C").arg(format!("link-arg={argument}"));
    let linker = variable("RUSTC_LINKER");
    if !linker.is_empty() {
        let mut setting = OsString::from("linker=");
        setting.push(linker);
        compiler.arg("-C").arg(setting);
    }
    // The flags of the user may name another linker, or another way to link. Cargo separates them by this character.
    let flags = variable("CARGO_ENCODED_RUSTFLAGS").into_string().unwrap_or_default();
    compiler.args(flags.split('\u{1f}').filter(|flag| !flag.is_empty()));
    succeeds(&mut compiler) && succeeds(&mut Command::new(&program))
}

fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
