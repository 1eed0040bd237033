use super::Tally;
use crate::{Session, Target, cpu, session::without_names};
use std::{
    collections::HashSet,
    fs,
    io::{self, Write},
    path::PathBuf,
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

/// Processor time that one input may take: two readings and what belongs to them.
const MOST_CPU: Duration = Duration::from_secs(20);

/// Time that passes without an end of one input, where a reader waits for something.
const LONGEST: Duration = Duration::from_secs(300);

/// How often the parent receives the tally.
const EVERY: Duration = Duration::from_millis(500);

/// What a child is to do.
#[derive(Debug, Clone)]
pub struct Order {
    /// The target's name.
    pub target: String,
    /// The seed of the inputs.
    pub seed: u64,
    /// How long.
    pub time: Duration,
    /// A folder for the child alone. The input in hand lies in it as `input`.
    pub folder: PathBuf,
    /// Where inputs are kept of which something does not hold.
    pub findings: PathBuf,
}

/// Reads inputs until the time is over, and reports them to `parent` as lines of JSON.
///
/// # Errors
/// There is no such target, or a folder cannot be written to.
pub fn work(order: &Order, mut parent: impl Write) -> io::Result<()> {
    let targets = Target::all();
    let target = targets.iter().find(|target| target.name == order.target);
    let target = target.ok_or_else(|| io::Error::other(format!("no target is named `{}`", order.target)))?;
    let place = order.folder.join("read");
    fs::create_dir_all(&place)?;
    let mut session = Session::new(target, &place, order.seed);
    let mut tally = Tally::default();
    let mut known = HashSet::new();
    let watch = Watch::begin();
    let begun = Instant::now();
    let mut reported = begun;
    let mut waiting = session.seeds();
    while begun.elapsed() < order.time {
        let input = waiting.pop().unwrap_or_else(|| session.next_input());
        fs::write(order.folder.join("input"), &input)?;
        watch.next_input();
        tally.inputs += 1;
        match session.judge(&input) {
            Ok(read) => {
                tally.accepted += u64::from(read.is_accepted);
                tally.peak_bytes = tally.peak_bytes.max(read.peak_bytes as u64);
                tally.slowest_ms = tally.slowest_ms.max(read.took.as_millis() as u64);
            }
            Err(what) => {
                tally.broken += 1;
                if known.insert(without_names(&what)) {
                    let name = format!("{}-{}-{}", order.target, order.seed, tally.inputs);
                    fs::write(order.findings.join(&name), &input)?;
                    fs::write(order.findings.join(format!("{name}.txt")), what)?;
                }
            }
        }
        tally.kinds = session.kinds() as u64;
        if reported.elapsed() >= EVERY {
            reported = Instant::now();
            report(&mut parent, tally)?;
        }
    }
    report(&mut parent, tally)
}

fn report(parent: &mut impl Write, tally: Tally) -> io::Result<()> {
    serde_json::to_writer(&mut *parent, &tally)?;
    parent.write_all(b"\n")?;
    parent.flush()
}

/// Ends the process when one input takes too long.
struct Watch(Arc<Begun>);

/// When the reading of an input began.
#[derive(Default)]
struct Begun {
    cpu_ms: AtomicU64,
    since_ms: AtomicU64,
}

impl Watch {
    fn begin() -> Self {
        let begun = Arc::<Begun>::default();
        let watched = begun.clone();
        let started = Instant::now();
        thread::spawn(move || {
            loop {
                thread::sleep(Duration::from_millis(100));
                let used = cpu::used().saturating_sub(Duration::from_millis(watched.cpu_ms.load(Relaxed)));
                let passed = watched.since_ms.fetch_add(100, Relaxed);
                if used > MOST_CPU || Duration::from_millis(passed) > LONGEST {
                    let message =
                        format!("one input took {used:?} of processor time, {:?} in all\n", started.elapsed());
                    drop(io::stderr().write_all(message.as_bytes()));
                    process::abort();
                }
            }
        });
        Self(begun)
    }

    fn next_input(&self) {
        self.0.cpu_ms.store(cpu::used().as_millis() as u64, Relaxed);
        self.0.since_ms.store(0, Relaxed);
    }
}
