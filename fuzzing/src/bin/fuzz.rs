//! `fuzz`: damaged inputs for all readers, for as long as one likes. `scripts/fuzz` builds and runs it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that a person runs")]

use clap::{Parser, Subcommand};
use fuzzing::{
    Session, Target,
    workshop::{Order, Tally, Workshop, run, work},
};
use std::{
    fs, io,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

#[derive(Debug, Parser)]
#[command(about = "Gives damaged inputs to all readers, and keeps those that break what must hold")]
struct Args {
    #[command(subcommand)]
    part: Option<Part>,
    /// Seconds for each target.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Only targets whose name begins so.
    #[arg(long, default_value = "")]
    target: String,
    /// The seed of the inputs; another one each time if it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Where inputs are kept that break something.
    #[arg(long, default_value = "fuzz-findings")]
    findings: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Reads files as inputs of a target, in this process.
    Read {
        /// The target.
        target: String,
        /// The files.
        files: Vec<PathBuf>,
    },
    /// The names of all targets.
    List,
    #[command(hide = true)]
    Child { target: String, seed: u64, milliseconds: u64, folder: PathBuf, findings: PathBuf },
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.part {
        Some(Part::List) => {
            Target::all().iter().for_each(|target| println!("{}", target.name));
            Ok(true)
        }
        Some(Part::Read { ref target, ref files }) => read(target, files),
        Some(Part::Child { target, seed, milliseconds, folder, findings }) => {
            let time = Duration::from_millis(milliseconds);
            work(&Order { target, seed, time, folder, findings }, io::stdout()).map(|()| true)
        }
        None => all(&args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn all(args: &Args) -> io::Result<bool> {
    let workshop = Workshop { program: std::env::current_exe()?, findings: args.findings.clone() };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = args.seed.unwrap_or(now.as_secs());
    println!("seed {seed}, {} s for each target", args.seconds);
    println!(
        "{:<22}{:>10}{:>10}{:>7}{:>8}{:>8}{:>10}{:>11}",
        "target", "inputs", "accepted", "kinds", "broken", "deaths", "peak MiB", "slowest ms"
    );
    let mut whole = Tally::default();
    for target in Target::all().iter().filter(|target| target.name.starts_with(&args.target)) {
        let tally = run(&workshop, target.name, seed, Duration::from_secs(args.seconds))?;
        show(target.name, tally);
        whole.add(tally);
    }
    show("all", whole);
    if !whole.is_clean() {
        println!("inputs that broke something lie in `{}`", workshop.findings.display());
    }
    Ok(whole.is_clean())
}

fn show(name: &str, tally: Tally) {
    let Tally { inputs, accepted, kinds, broken, deaths, peak_bytes, slowest_ms } = tally;
    let peak_mib = peak_bytes.div_ceil(1 << 20);
    println!("{name:<22}{inputs:>10}{accepted:>10}{kinds:>7}{broken:>8}{deaths:>8}{peak_mib:>10}{slowest_ms:>11}");
}

fn read(target: &str, files: &[PathBuf]) -> io::Result<bool> {
    let targets = Target::all();
    let target = targets.iter().find(|known| known.name == target);
    let target = target.ok_or_else(|| io::Error::other("no target has that name; `fuzz list` names all"))?;
    let folder = tempfile::tempdir()?;
    let mut session = Session::new(target, folder.path(), 0);
    let mut is_clean = true;
    for file in files {
        let input = fs::read(file)?;
        println!("{}: {:?}", file.display(), session.judge(&input));
        println!("  {:?}", (target.read)(folder.path(), &input).map(|content| content.len()));
        is_clean &= session.judge(&input).is_ok();
    }
    Ok(is_clean)
}
