//! Rotary position embedding: which angle each pair of a head's numbers turns by.

mod file;

pub(super) use file::{RopeFile, Rotation, rotation};

use super::config::DecoderConfig;

/// Llama 3's stretching of the rotary frequencies: `rope_type` `llama3`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RopeScaling {
    /// What long wavelengths are stretched by.
    pub factor: f32,
    /// Wavelengths above `original_positions / low_freq_factor` are stretched whole.
    pub low_freq_factor: f32,
    /// Wavelengths below `original_positions / high_freq_factor` are left alone.
    pub high_freq_factor: f32,
    /// Longest text before the stretching, in tokens.
    pub original_positions: f32,
}

/// Cosines and sines of the first positions, `[positions, head_width / 2]` each.
pub(crate) struct Rope {
    pub(crate) cos: Vec<f32>,
    pub(crate) sin: Vec<f32>,
    pub(crate) half: usize,
}

impl Rope {
    /// Angles `position · frequency`, in `f32` as in transformers.
    pub(crate) fn new(config: &DecoderConfig, positions: usize) -> Self {
        let frequencies = config.rope_frequencies();
        let angles = (0..positions).flat_map(|position| frequencies.iter().map(move |f| position as f32 * f));
        let (sin, cos) = angles.map(|angle| f64::from(angle).sin_cos()).map(|(s, c)| (s as f32, c as f32)).unzip();
        Self { cos, sin, half: frequencies.len() }
    }

    /// The cosines and sines of one position.
    pub(crate) fn at(&self, position: usize) -> (&[f32], &[f32]) {
        let range = position * self.half..(position + 1) * self.half;
        (&self.cos[range.clone()], &self.sin[range])
    }
}

impl DecoderConfig {
    /// The rotary frequencies, `rope_theta^(-2i / head_width)` for pair `i` of a head, in radians per position.
    ///
    /// With `llama3` scaling, a frequency whose wavelength is above `original / low_freq_factor` is divided by
    /// `factor`, one below `original / high_freq_factor` stays, and between the two lies a blend, linear in `original /
    /// wavelength`.
    ///
    /// # Numerics
    /// `f32`, as in transformers.
    ///
    /// # Source
    /// transformers, `modeling_rope_utils.py`, `_compute_llama3_parameters`.
    pub fn rope_frequencies(&self) -> Vec<f32> {
        let plain = |pair: usize| 1.0 / self.rope_theta.powf((2 * pair) as f32 / self.head_width as f32);
        let scaled = |frequency| self.rope_scaling.map_or(frequency, |scaling| scaling.apply(frequency));
        (0..self.head_width / 2).map(plain).map(scaled).collect()
    }
}

impl RopeScaling {
    fn apply(&self, frequency: f32) -> f32 {
        let wavelength = 2.0 * std::f32::consts::PI / frequency;
        let low = self.low_freq_factor;
        let high = self.high_freq_factor;
        if wavelength < self.original_positions / high {
            return frequency;
        }
        if wavelength > self.original_positions / low {
            return frequency / self.factor;
        }
        let share = (self.original_positions / wavelength - low) / (high - low);
        (1.0 - share) * frequency / self.factor + share * frequency
    }
}
