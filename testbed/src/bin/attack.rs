//! `attack`: the real program under broken, hostile and changing inputs. `scripts/attack` builds and runs it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that a person runs")]

use clap::Parser;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};
use testbed::{
    Failure,
    attack::{Bench, CASES, Case, CaseResult},
};

#[derive(Debug, Parser)]
#[command(about = "Runs the real program under broken, hostile and changing inputs, messages, stores and clients")]
struct Args {
    /// Print the cases and run none.
    #[arg(long)]
    list: bool,
    /// Run only this case; repeatable. The beginning of a name is enough.
    #[arg(long)]
    only: Vec<String>,
    /// The binary `bowline`; by default the one beside this program.
    #[arg(long)]
    program: Option<PathBuf>,
    /// Folder for everything that cases write; by default a temporary one, kept if a case fails.
    #[arg(long)]
    folder: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.list {
        CASES.iter().for_each(|case| println!("{:<18}{}", case.name, case.about));
        return ExitCode::SUCCESS;
    }
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("another TLS provider was installed before");
    }
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("attack: {}", jobs::error_chain(&*failure));
            ExitCode::from(70)
        }
    }
}

/// Whether all cases that ran passed.
fn run(args: &Args) -> Result<bool, Failure> {
    let cases = chosen(&args.only)?;
    let temporary = tempfile::Builder::new().prefix("bowline-attack-").tempdir()?;
    let folder = args.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder)?;
    let beside = std::env::current_exe()?.with_file_name("bowline");
    let program = args.program.clone().unwrap_or(beside).canonicalize()?;
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").canonicalize()?;
    let bench = Bench::new(program, examples, folder.canonicalize()?)?;
    let mut held = 0;
    let mut failed = 0;
    let mut skipped = 0;
    for case in cases {
        let start = Instant::now();
        let verdict = case.run(&bench);
        let seconds = start.elapsed().as_secs();
        let (count, word, seen) = match verdict {
            CaseResult::Held(seen) => (&mut held, "held", seen),
            CaseResult::Skipped(why) => (&mut skipped, "skipped", why),
            CaseResult::Failed(failure) => (&mut failed, "FAILED", jobs::error_chain(&*failure)),
        };
        *count += 1;
        println!("{word:<8}{:<18}{seconds:>4} s  {seen}", case.name);
    }
    println!("{held} held, {failed} failed, {skipped} skipped");
    if failed > 0 {
        println!("what the cases wrote is kept in {}", folder.display());
        if args.folder.is_none() {
            drop(temporary.keep());
        }
    }
    Ok(failed == 0)
}

fn chosen(only: &[String]) -> Result<Vec<&'static Case>, Failure> {
    let is_chosen = |case: &&Case| only.is_empty() || only.iter().any(|name| case.name.starts_with(name.as_str()));
    if let Some(name) = only.iter().find(|name| !CASES.iter().any(|case| case.name.starts_with(name.as_str()))) {
        return Err(format!("there is no case `{name}`; `--list` shows all").into());
    }
    Ok(CASES.iter().filter(is_chosen).collect())
}
