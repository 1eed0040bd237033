use crate::{Sweep, SweepError};
use serde::{Deserialize, Serialize};

/// The number format in which the model is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32-bit floating point.
    #[default]
    F32,
    /// bfloat16.
    Bf16,
    /// 16-bit floating point.
    F16,
}

impl Precision {
    /// Its name in sweep files.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }
}

/// What a sweep file says of the number format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrecisionChoice {
    /// The one that suits the device. Jobs name a precision, so that it is replaced before a sweep is frozen.
    Auto,
    /// 32-bit floating point.
    #[default]
    F32,
    /// bfloat16.
    Bf16,
    /// 16-bit floating point.
    F16,
}

/// Where the jobs of a sweep are computed, as far as a precision depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// On a processor.
    Processor,
    /// On a GPU.
    Gpu,
}

impl PrecisionChoice {
    /// The precision that is stated; `None` for `auto`.
    pub fn stated(self) -> Option<Precision> {
        match self {
            Self::Auto => None,
            Self::F32 => Some(Precision::F32),
            Self::Bf16 => Some(Precision::Bf16),
            Self::F16 => Some(Precision::F16),
        }
    }

    /// Whether it is the usual one, which sweeps don't spell out.
    pub(crate) fn is_f32(&self) -> bool {
        *self == Self::F32
    }
}

impl From<Precision> for PrecisionChoice {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::Bf16 => Self::Bf16,
            Precision::F16 => Self::F16,
        }
    }
}

impl Sweep {
    /// The precision on a device: `auto` is `f32` on a processor. On a GPU it is `f16` for images, whose steps are eight times
    /// finer than those of `bf16`, and `bf16` for texts, whose numbers may exceed the range of `f16`.
    pub fn precision_on(&self, device: DeviceKind) -> Precision {
        let has_texts = self.tasks.iter().any(|task| task.text().is_some());
        self.evaluation.precision.stated().unwrap_or(match device {
            DeviceKind::Processor => Precision::F32,
            DeviceKind::Gpu if has_texts => Precision::Bf16,
            DeviceKind::Gpu => Precision::F16,
        })
    }

    /// The same sweep with a stated precision in place of `auto`. `device` is `None` where other machines compute the jobs.
    ///
    /// # Errors
    /// The precision is `auto`, and the device is not known.
    pub fn with_stated_precision(mut self, device: Option<DeviceKind>) -> Result<Self, SweepError> {
        let precision = match (self.evaluation.precision.stated(), device) {
            (Some(stated), _) => stated,
            (None, Some(device)) => self.precision_on(device),
            (None, None) => {
                let problem = "is `auto`, which depends on the device, and other machines compute the jobs: state `f32`, `bf16` \
                               or `f16`";
                return Err(SweepError::invalid("evaluation.precision", problem));
            }
        };
        self.evaluation.precision = precision.into();
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_depends_on_the_device_and_nothing_else_does() {
        for precision in [Precision::F32, Precision::Bf16, Precision::F16] {
            assert_eq!(PrecisionChoice::from(precision).stated(), Some(precision));
            let json = serde_json::to_string(&PrecisionChoice::from(precision)).unwrap();
            assert_eq!(json, serde_json::to_string(&precision).unwrap());
            assert_eq!(json, format!("\"{}\"", precision.name()));
        }
        assert_eq!(PrecisionChoice::Auto.stated(), None);
    }

    #[test]
    fn a_sweep_without_a_known_device_needs_a_stated_precision() {
        let sweep = |precision: &str| {
            let text = format!(
                "name: s\nbase: base\ntasks: [{{name: mnist, adapter: a, data: d, head: h}}]\n\
                 evaluation: {{precision: {precision}}}\nrecipe: {{preset: ties}}\n"
            );
            Sweep::from_yaml(&text, std::path::Path::new("/sweeps"), &[]).unwrap()
        };
        let auto = sweep("auto");
        let on = |device| auto.clone().with_stated_precision(device).map(|sweep| sweep.evaluation.precision);
        assert_eq!(on(Some(DeviceKind::Gpu)).unwrap(), PrecisionChoice::F16);
        assert_eq!(on(Some(DeviceKind::Processor)).unwrap(), PrecisionChoice::F32);
        let refused = on(None).unwrap_err().to_string();
        assert!(refused.starts_with("`evaluation.precision` is `auto`, which depends on the device"), "{refused}");
        for stated in ["f32", "bf16", "f16"] {
            assert_eq!(sweep(stated).with_stated_precision(None).unwrap(), sweep(stated));
        }
    }
}
