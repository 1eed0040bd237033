use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};
use std::fmt;

/// One value of a metric, taken at a scrape.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The metric's name, without the suffix `_total` of counters. Samples of one name must be adjacent.
    pub name: &'static str,
    /// What it means.
    pub help: &'static str,
    /// The metric's type.
    pub kind: SampleKind,
    /// Labels, which distinguish samples of one name.
    pub labels: Vec<(&'static str, String)>,
    /// The number.
    pub value: f64,
}

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleKind {
    /// A number that only grows, from 0 at the start of the process.
    Counter,
    /// A number that goes up and down.
    Gauge,
}

impl Sample {
    /// A number that goes up and down, without labels.
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, kind: SampleKind::Gauge, labels: Vec::new(), value }
    }

    /// A number that only grows, without labels.
    pub fn counter(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { kind: SampleKind::Counter, ..Self::gauge(name, help, value) }
    }

    /// Adds a label.
    #[must_use]
    pub fn labelled(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((name, value.into()));
        self
    }
}

/// Takes samples at every scrape.
pub(crate) struct SampleCollector<F>(pub(crate) F);

impl<F> fmt::Debug for SampleCollector<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SampleCollector").finish_non_exhaustive()
    }
}

impl<F: Fn() -> Vec<Sample> + Send + Sync + 'static> Collector for SampleCollector<F> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for group in (self.0)().chunk_by(|a, b| a.name == b.name) {
            let Sample { name, help, kind, .. } = &group[0];
            match kind {
                SampleKind::Counter => {
                    let kind = ConstCounter::new(0.0).metric_type();
                    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
                    for Sample { labels, value, .. } in group {
                        ConstCounter::new(*value).encode(family.encode_family(&labels.as_slice())?)?;
                    }
                }
                SampleKind::Gauge => {
                    let kind = ConstGauge::new(0.0).metric_type();
                    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
                    for Sample { labels, value, .. } in group {
                        ConstGauge::new(*value).encode(family.encode_family(&labels.as_slice())?)?;
                    }
                }
            }
        }
        Ok(())
    }
}
