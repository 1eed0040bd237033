//! What share of a core's peak the image tower computes at, in `f32` and in `bf16`.
//!
//! `cargo bench --workspace --bench peak`, on x86-64 with AVX-512 and Linux. One thread; the time is the processor time of the thread, the
//! least of several runs, so that other work on the machine counts little. The peak is a loop of multiply-adds in registers, run in
//! turns with the tower. Weights are made up: only shapes matter.

#![expect(clippy::unwrap_used, reason = "what fails here should stop at once")]
#![expect(clippy::print_stdout, reason = "a program that prints what it measures")]

#[cfg(target_arch = "x86_64")]
#[path = "peak/loops.rs"]
mod loops;
#[path = "made/towers.rs"]
mod towers;

use candle_core::Device;
use evaluation::{ImageModel, Watch};
use jobs::Precision;
use towers::{MINI8, Shape, VIT_B_32, prepare};

/// Runs of the tower and of the loop, in turns.
const ROUNDS: usize = 8;

fn main() {
    // The thread that measures is the only one of this pool.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().unwrap();
    println!("| tower | precision | images/s of one thread | GFLOP/s | of `f32`'s peak | of its own peak |");
    println!("|---|---|---|---|---|---|");
    for (name, shape) in [("mini8", MINI8), ("ViT-B/32", VIT_B_32)] {
        for precision in [Precision::F32, Precision::Bf16] {
            println!("| {name} | `{}` | {} |", precision.name(), pool.install(|| measured(shape, precision)));
        }
    }
}

/// Operations a second, the best of all rounds.
#[derive(Debug, Clone, Copy)]
struct Speeds {
    tower: f64,
    /// The loop in `f32`.
    single: f64,
    /// The loop in the precision of the tower.
    own: f64,
}

fn measured(shape: Shape, precision: Precision) -> String {
    let (model, embedded) = prepare(shape, |folder| ImageModel::open_in(folder, &Device::Cpu, precision));
    let flops = (shape.images as u64 * model.config().feature_flops()) as f64;
    let mut best = Speeds { tower: 0.0, single: f64::NAN, own: f64::NAN };
    for _ in 0..ROUNDS {
        best.single = best.single.max(peak(Precision::F32));
        best.own = best.own.max(peak(precision));
        let seconds = processor_seconds(|| drop(model.features(&embedded, &Watch::default()).unwrap()));
        best.tower = best.tower.max(flops / seconds);
    }
    let Speeds { tower, single, own } = best;
    let images = tower / model.config().feature_flops() as f64;
    format!("{images:.1} | {:.1} | {:.1} % | {:.1} %", tower / 1e9, 100.0 * tower / single, 100.0 * tower / own)
}

/// Operations a second of a loop in registers; not a number where the processor has no such loop.
#[cfg(target_arch = "x86_64")]
fn peak(precision: Precision) -> f64 {
    let Some(run) = loops::of(precision) else { return f64::NAN };
    let mut operations = 0.0;
    let seconds = processor_seconds(|| operations = run());
    operations / seconds
}

#[cfg(not(target_arch = "x86_64"))]
fn peak(_: Precision) -> f64 {
    f64::NAN
}

/// The processor time that the calling thread takes for something.
fn processor_seconds(work: impl FnOnce()) -> f64 {
    let before = processor_nanoseconds();
    work();
    (processor_nanoseconds() - before) as f64 / 1e9
}

/// The processor time of the calling thread so far. `/proc` has it as well, but only up to the last tick of the scheduler.
fn processor_nanoseconds() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    #[expect(unsafe_code, reason = "a call of the C library")]
    // SAFETY: `time` is a place for what the call writes.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0, "threads have a clock of their own on Linux");
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
