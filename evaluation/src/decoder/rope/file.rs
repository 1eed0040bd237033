//! What a configuration file says of the rotary frequencies, at up to three places.

use super::RopeScaling;
use crate::{ModelError, decoder::config::Check};
use serde::Deserialize;

/// `rope_scaling` or `rope_parameters`, as the file holds it.
#[derive(Deserialize, Default)]
pub(in crate::decoder) struct RopeFile {
    rope_type: Option<String>,
    /// What `rope_type` was called before transformers 4.43; later versions keep it beside the new name.
    r#type: Option<String>,
    rope_theta: Option<f32>,
    factor: Option<f32>,
    low_freq_factor: Option<f32>,
    high_freq_factor: Option<f32>,
    original_max_position_embeddings: Option<f32>,
}

/// The base of the rotary frequencies, and how they are stretched.
pub(in crate::decoder) struct Rotation {
    pub(in crate::decoder) theta: f32,
    pub(in crate::decoder) scaling: Option<RopeScaling>,
}

/// Reads `rope_theta`, `rope_scaling` and `rope_parameters`.
///
/// transformers 5 has everything in `rope_parameters`, and lets `rope_scaling` replace it; transformers 4 knows
/// `rope_theta` and `rope_scaling` alone. So whatever is stated twice has to be the same.
pub(in crate::decoder) fn rotation<'a>(
    check: Check<'_>,
    theta: Option<f32>,
    [scaling, parameters]: [&'a Option<RopeFile>; 2],
) -> Result<Rotation, ModelError> {
    let parts = [("rope_scaling", scaling), ("rope_parameters", parameters)];
    let there = |(name, part): (&'static str, &'a Option<RopeFile>)| {
        let part = part.as_ref().filter(|part| part.says_something())?;
        Some(Part { name, part })
    };
    let parts: Vec<Part<'_>> = parts.into_iter().filter_map(there).collect();
    Ok(Rotation { theta: one_theta(check, theta, &parts)?, scaling: one_scaling(check, &parts)? })
}

/// A part of the file that says something, with its key.
struct Part<'a> {
    name: &'static str,
    part: &'a RopeFile,
}

fn one_theta(check: Check<'_>, theta: Option<f32>, parts: &[Part<'_>]) -> Result<f32, ModelError> {
    let at_the_top = theta.map(|theta| ("rope_theta".to_owned(), theta));
    let below = parts.iter().filter_map(|Part { name, part }| Some((format!("{name}.rope_theta"), part.rope_theta?)));
    let thetas: Vec<(String, f32)> = at_the_top.into_iter().chain(below).collect();
    for (key, theta) in &thetas {
        check.positive(key, *theta)?;
    }
    // Without any, it is transformers' default.
    let Some((key, theta)) = thetas.first() else { return Ok(10_000.0) };
    match thetas.iter().find(|(_, other)| other.to_bits() != theta.to_bits()) {
        Some((other, wanted)) => {
            let expected = format!("`{wanted}` as `{other}` says, or only one of them");
            Err(check.refuse(key.as_str(), theta, &expected))
        }
        None => Ok(*theta),
    }
}

fn one_scaling(check: Check<'_>, parts: &[Part<'_>]) -> Result<Option<RopeScaling>, ModelError> {
    let scalings = parts.iter().map(|Part { name, part }| part.scaling(check, name)).collect::<Result<Vec<_>, _>>()?;
    if let [one, other] = parts
        && scalings[0] != scalings[1]
    {
        let pairs = one.part.entries().into_iter().zip(other.part.entries());
        let differing = pairs.map(|((key, found), (_, wanted))| (key, found, wanted));
        let (key, found, wanted) = differing.into_iter().find(|(_, found, wanted)| found != wanted).unwrap_or_default();
        let expected = format!("`{wanted}` as in `{}`, or only one of the two parts", other.name);
        return Err(check.refuse(format!("{}.{key}", one.name), found, &expected));
    }
    Ok(scalings.first().copied().flatten())
}

impl RopeFile {
    fn says_something(&self) -> bool {
        self.kind().is_some() || self.rope_theta.is_some() || self.stretches()
    }

    fn stretches(&self) -> bool {
        let factors = [self.factor, self.low_freq_factor, self.high_freq_factor, self.original_max_position_embeddings];
        factors.iter().any(Option::is_some)
    }

    fn kind(&self) -> Option<&str> {
        self.rope_type.as_deref().or(self.r#type.as_deref())
    }

    /// What decides the scaling, for people.
    fn entries(&self) -> [(&'static str, String); 5] {
        let number = |value: Option<f32>| value.map_or("null".to_owned(), |value| value.to_string());
        [
            ("rope_type", self.kind().unwrap_or("default").to_owned()),
            ("factor", number(self.factor)),
            ("low_freq_factor", number(self.low_freq_factor)),
            ("high_freq_factor", number(self.high_freq_factor)),
            ("original_max_position_embeddings", number(self.original_max_position_embeddings)),
        ]
    }

    /// The scaling that the part `name` describes, `None` for plain frequencies.
    fn scaling(&self, check: Check<'_>, name: &str) -> Result<Option<RopeScaling>, ModelError> {
        let key = |key: &str| format!("{name}.{key}");
        if let (Some(new), Some(old)) = (&self.rope_type, &self.r#type)
            && new != old
        {
            let expected = format!("`{new}` as `{name}.rope_type` says, or only one of them");
            return Err(check.refuse(key("type"), old, &expected));
        }
        match self.kind() {
            None if self.stretches() => return Err(check.refuse(key("rope_type"), "missing", "`llama3` or `default`")),
            None | Some("default") => return Ok(None),
            Some("llama3") => {}
            Some(other) => return Err(check.refuse(key("rope_type"), other, "`llama3` or `default`")),
        }
        let positive = |name: &str, value: Option<f32>| match value {
            Some(value) => check.positive(&key(name), value),
            None => Err(check.refuse(key(name), "missing", "a number above 0")),
        };
        let scaling = RopeScaling {
            factor: positive("factor", self.factor)?,
            low_freq_factor: positive("low_freq_factor", self.low_freq_factor)?,
            high_freq_factor: positive("high_freq_factor", self.high_freq_factor)?,
            original_positions: positive("original_max_position_embeddings", self.original_max_position_embeddings)?,
        };
        if scaling.high_freq_factor <= scaling.low_freq_factor {
            return Err(check.refuse(key("high_freq_factor"), scaling.high_freq_factor, "above `low_freq_factor`"));
        }
        Ok(Some(scaling))
    }
}
