//! Measures a device: whether it answers as the processor does, and how fast image towers and merges are on it.
//!
//! ```sh
//! cargo run --release --example device_speed -- cuda:0 --mini8 examples/mini8 --peaks 37.4,149.7
//! ```
//!
//! Prints lines of JSON, one for each measurement. `--mini8` compares the answers for its eight tasks with those of the processor,
//! `--nli6` with `--goldens` logits of texts with those of the reference, `--peaks` gives the card's peaks in TFLOP/s, in f32 and in 16 bits, and `--small` takes small models alone. `scripts/bench-cuda` runs
//! it; without a GPU, `cpu` shows that it works.

#![expect(clippy::print_stdout, reason = "the measurements are what it is for")]

mod check;
mod speed;
mod texts;
mod tower;

use evaluation::{DeviceChoice, open_device};
use std::{error::Error, path::PathBuf};

/// Why a measurement ended.
type Failure = Box<dyn Error>;

/// What is asked for.
struct Args {
    device: DeviceChoice,
    mini8: Option<PathBuf>,
    nli6: Option<PathBuf>,
    /// The reference's logits for nli6.
    goldens: Option<PathBuf>,
    /// In f32 and in 16 bits, in operations a second.
    peaks: Option<[f64; 2]>,
    is_small: bool,
}

fn main() -> Result<(), Failure> {
    let args = Args::read()?;
    let device = open_device(args.device)?;
    if let Some(folder) = &args.mini8 {
        check::mini8(folder, &device)?;
    }
    match (&args.nli6, &args.goldens) {
        (Some(folder), Some(goldens)) => texts::nli6(folder, goldens, &device)?,
        (None, None) => {}
        (Some(_), None) | (None, Some(_)) => return Err("`--nli6` and `--goldens` need each other".into()),
    }
    for shape in tower::SHAPES.iter().filter(|shape| shape.is_small || !args.is_small) {
        speed::tower(shape, &device, args.peaks)?;
    }
    Ok(())
}

impl Args {
    fn read() -> Result<Self, Failure> {
        let mut words = std::env::args().skip(1);
        let device = DeviceChoice::Cpu;
        let mut args = Self { device, mini8: None, nli6: None, goldens: None, peaks: None, is_small: false };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("`{word}` needs a value"));
            match word.as_str() {
                "cpu" => args.device = DeviceChoice::Cpu,
                "--mini8" => args.mini8 = Some(value()?.into()),
                "--nli6" => args.nli6 = Some(value()?.into()),
                "--goldens" => args.goldens = Some(value()?.into()),
                "--small" => args.is_small = true,
                "--peaks" => args.peaks = Some(peaks(&value()?)?),
                other => {
                    let number = other.strip_prefix("cuda:").and_then(|number| number.parse().ok());
                    let unknown = || format!("`{other}` is no device and no option; expected `cpu` or `cuda:N`");
                    args.device = DeviceChoice::Cuda(number.ok_or_else(unknown)?);
                }
            }
        }
        Ok(args)
    }
}

fn peaks(text: &str) -> Result<[f64; 2], Failure> {
    let wrong = || format!("`--peaks` is `{text}`, expected two numbers of TFLOP/s such as `37.4,149.7`");
    let (full, half) = text.split_once(',').ok_or_else(wrong)?;
    Ok([full.parse::<f64>()? * 1e12, half.parse::<f64>()? * 1e12])
}
