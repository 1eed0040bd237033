use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};
use std::fmt;

/// One number, read when somebody asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The metric's name, without the suffix `_total` of counters. Readings of one name come one after the other.
    pub name: &'static str,
    /// What it means.
    pub help: &'static str,
    /// Whether it may fall.
    pub kind: Kind,
    /// What tells it from others of its name.
    pub labels: Vec<(&'static str, String)>,
    /// The number.
    pub value: f64,
}

/// Whether a number may fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, from 0 at the start of the process.
    Counter,
    /// It goes up and down.
    Gauge,
}

impl Reading {
    /// A number that goes up and down, without labels.
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, kind: Kind::Gauge, labels: Vec::new(), value }
    }

    /// A number that only grows, without labels.
    pub fn counter(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { kind: Kind::Counter, ..Self::gauge(name, help, value) }
    }

    /// The same, told from others of its name by one label more.
    #[must_use]
    pub fn labelled(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((name, value.into()));
        self
    }
}

/// Numbers that are read at every scrape.
pub(crate) struct Readings<F>(pub(crate) F);

impl<F> fmt::Debug for Readings<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readings").finish_non_exhaustive()
    }
}

impl<F: Fn() -> Vec<Reading> + Send + Sync + 'static> Collector for Readings<F> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for group in (self.0)().chunk_by(|a, b| a.name == b.name) {
            let Reading { name, help, kind, .. } = &group[0];
            match kind {
                Kind::Counter => {
                    let kind = ConstCounter::new(0.0).metric_type();
                    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
                    for Reading { labels, value, .. } in group {
                        ConstCounter::new(*value).encode(family.encode_family(&labels.as_slice())?)?;
                    }
                }
                Kind::Gauge => {
                    let kind = ConstGauge::new(0.0).metric_type();
                    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
                    for Reading { labels, value, .. } in group {
                        ConstGauge::new(*value).encode(family.encode_family(&labels.as_slice())?)?;
                    }
                }
            }
        }
        Ok(())
    }
}
