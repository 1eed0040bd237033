use super::{Filter, Rgb};

/// Fractional bits of a weight: what an `i32` leaves beside eight bits of level and two of overshoot. PIL's choice.
const BITS: u32 = 22;

/// The weights of one output pixel: its first input pixel and a fixed-point weight for it and those after it.
struct Window {
    first: usize,
    weights: Vec<i32>,
}

/// Resizes as PIL does: along the rows and along the columns, each in fixed point, rounded and clipped to bytes in
/// between.
///
/// Rows are first, unless the image becomes lower, and that by more than twice as many pixels as it becomes narrower:
/// as in Pillow 13. Its forerunners always take the rows first, which differs by a few levels in such tall images.
///
/// # Numerics
/// With `s = max(in / out, 1)`, output pixel `i` weighs input `j` by `f((j − c + ½) / s)`, `c = (i + ½) · in / out`,
/// over the inputs within the filter's reach times `s` of `c`; weights are divided by their sum in `f64` and rounded to
/// 22 bits.
pub(super) fn resample(image: Rgb, height: u32, width: u32, filter: Filter) -> Rgb {
    if rows_are_first([image.height, image.width], [height, width]) {
        along_columns(along_rows(image, width, filter), height, filter)
    } else {
        along_rows(along_columns(image, height, filter), width, filter)
    }
}

/// Whether rows are resized before columns, of an image with the first height and width that gets the second.
pub(super) fn rows_are_first(from: [u32; 2], to: [u32; 2]) -> bool {
    let [lower, narrower] = [0, 1].map(|axis| i64::from(from[axis]) - i64::from(to[axis]));
    lower <= 0 || lower <= 2 * narrower
}

fn along_rows(image: Rgb, width: u32, filter: Filter) -> Rgb {
    if width == image.width {
        return image;
    }
    let windows = windows(image.width, width, filter);
    let mut pixels = Vec::with_capacity(3 * image.height as usize * windows.len());
    for row in image.pixels.chunks_exact(3 * image.width as usize) {
        for Window { first, weights } in &windows {
            let mut sums = [1i32 << (BITS - 1); 3];
            for (pixel, weight) in row[3 * first..].chunks_exact(3).zip(weights) {
                sums.iter_mut().zip(pixel).for_each(|(sum, level)| *sum += i32::from(*level) * weight);
            }
            pixels.extend(sums.map(level));
        }
    }
    Rgb { width, height: image.height, pixels }
}

fn along_columns(image: Rgb, height: u32, filter: Filter) -> Rgb {
    if height == image.height {
        return image;
    }
    let stride = 3 * image.width as usize;
    let mut pixels = Vec::with_capacity(stride * height as usize);
    let mut sums = vec![0; stride];
    for Window { first, weights } in windows(image.height, height, filter) {
        sums.fill(1i32 << (BITS - 1));
        for (row, weight) in image.pixels[stride * first..].chunks_exact(stride).zip(weights) {
            sums.iter_mut().zip(row).for_each(|(sum, level)| *sum += i32::from(*level) * weight);
        }
        pixels.extend(sums.iter().copied().map(level));
    }
    Rgb { width: image.width, height, pixels }
}

fn level(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}

fn windows(from: u32, to: u32, filter: Filter) -> Vec<Window> {
    let ratio = f64::from(from) / f64::from(to);
    let stretch = ratio.max(1.0);
    let reach = filter.reach() * stretch;
    let window = |i: u32| {
        let centre = (f64::from(i) + 0.5) * ratio;
        // The casts cut towards zero, and negative values to zero.
        let first = (centre - reach + 0.5) as usize;
        let end = ((centre + reach + 0.5) as usize).min(from as usize);
        let weights: Vec<f64> =
            (first..end).map(|j| filter.weight((j as f64 - centre + 0.5) * (1.0 / stretch))).collect();
        let sum: f64 = weights.iter().sum();
        let fixed = |weight: &f64| (weight / sum * f64::from(1u32 << BITS)).round() as i32;
        Window { first, weights: weights.iter().map(fixed).collect() }
    };
    (0..to).map(window).collect()
}

impl Filter {
    /// How far the filter reaches, in input pixels, where nothing shrinks.
    fn reach(self) -> f64 {
        match self {
            Self::Lanczos => 3.0,
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        let x = x.abs();
        match self {
            Self::Bilinear => (1.0 - x).max(0.0),
            Self::Lanczos if x < 3.0 => sinc(x) * sinc(x / 3.0),
            Self::Bicubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5,
            Self::Lanczos | Self::Bicubic => 0.0,
        }
    }
}

fn sinc(x: f64) -> f64 {
    let x = x * std::f64::consts::PI;
    if x.abs() < f64::MIN_POSITIVE { 1.0 } else { x.sin() / x }
}
