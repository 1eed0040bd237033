use super::{Order, Tally};
use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// Address space of a child, in KiB. Much more than a reading may allocate: it is there for libraries in C and for
/// stacks, which the count of allocated bytes does not see.
const ADDRESS_SPACE_KIB: u64 = 8 << 20;

/// Bytes that are kept of the beginning and of the end of what a child said.
const SAID_BYTES: usize = 4000;

/// How children are started, and where what they find is kept.
#[derive(Debug)]
pub struct Workshop {
    /// The program that does an [`Order`], with the arguments of it behind `child`.
    pub program: PathBuf,
    /// Where inputs are kept of which something does not hold.
    pub findings: PathBuf,
}

/// Reads inputs of `target` for that long. A child that an input ends is followed by another, with the next seed.
///
/// # Errors
/// No child can be started.
pub fn run(workshop: &Workshop, target: &str, seed: u64, time: Duration) -> io::Result<Tally> {
    fs::create_dir_all(&workshop.findings)?;
    let begun = Instant::now();
    let mut tally = Tally::default();
    let mut seed = seed;
    while let Some(left) = time.checked_sub(begun.elapsed()).filter(|left| *left > Duration::from_millis(200)) {
        let folder = tempfile::tempdir()?;
        let order = Order {
            target: target.to_owned(),
            seed,
            time: left,
            folder: folder.path().to_owned(),
            findings: workshop.findings.clone(),
        };
        let (status, done) = child(workshop, &order)?;
        tally.add(done);
        if !status.success() {
            tally.deaths += 1;
            keep(&order, status)?;
        }
        seed += 1;
    }
    Ok(tally)
}

/// Runs one child to its end, and returns how it ended and its last report.
fn child(workshop: &Workshop, order: &Order) -> io::Result<(ExitStatus, Tally)> {
    let errors = File::create(order.folder.join("errors"))?;
    let mut child = Command::new("sh")
        .args(["-c", &format!("ulimit -c 0; ulimit -v {ADDRESS_SPACE_KIB}; exec \"$0\" \"$@\"")])
        .arg(&workshop.program)
        .args(["child", &order.target, &order.seed.to_string(), &order.time.as_millis().to_string()])
        .args([&order.folder, &order.findings])
        .env("RAYON_NUM_THREADS", "1")
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()?;
    let mut last = Tally::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            last = serde_json::from_str(&line?).unwrap_or(last);
        }
    }
    Ok((child.wait()?, last))
}

/// Keeps the input that ended a child, with what is known of its end.
fn keep(order: &Order, status: ExitStatus) -> io::Result<()> {
    let name = format!("{}-{}-death", order.target, order.seed);
    let signal = status.signal().map_or_else(|| status.to_string(), |signal| format!("signal {signal}"));
    fs::write(order.findings.join(format!("{name}.txt")), format!("{signal}\n{}", said(&order.folder.join("errors"))))?;
    match fs::copy(order.folder.join("input"), order.findings.join(&name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        copied => copied.map(drop),
    }
}

/// The beginning and the end of what a child said: what failed, and where.
fn said(path: &Path) -> String {
    let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    let start = text.ceil_char_boundary(text.len().saturating_sub(SAID_BYTES));
    let first = text.floor_char_boundary(start.min(SAID_BYTES));
    format!("{}\n{}", &text[..first], &text[start..])
}
