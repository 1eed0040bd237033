use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use std::{
    borrow::Cow,
    fmt::Debug,
    io::{self, IsTerminal, Write},
    str,
};
use tracing::{field::Field, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    field::MakeExt,
    filter::Targets,
    fmt::{
        self, FormatFields,
        format::{Writer, debug_fn},
    },
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// The crates whose spans are exported.
const TRACED: [&str; 3] = ["bowline", "coordinator", "worker"];

/// How log events are written to standard error.
#[derive(Debug, Clone)]
pub struct Logs {
    /// Which events are written, in the syntax of `RUST_LOG`.
    pub filter: String,
    /// The format of an event.
    pub format: Format,
    /// Whether lines begin with the time. JSON always has it.
    pub has_time: bool,
    /// Whether lines name the module.
    pub has_target: bool,
    /// Escapes untrusted text for a line of the log. Its result holds no control characters.
    pub escape: fn(&str) -> Cow<'_, str>,
    /// Removes secrets from a whole event.
    pub conceal: fn(&str) -> Cow<'_, str>,
}

/// The format of a log event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// A line for people.
    #[default]
    Lines,
    /// A JSON object on a line of its own, with the fields of the spans around it (`sweep`, `job`, `attempt`).
    Json,
}

/// Why spans cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum TracingError {
    /// OpenTelemetry's environment variables are invalid.
    #[error("the OTLP exporter cannot be set up from the `OTEL_…` variables")]
    Exporter(#[from] ExporterBuildError),
}

/// Keeps logs and the export of spans running. Sends the remaining spans when it is dropped.
#[derive(Debug)]
pub struct TracingGuard {
    spans: Option<SdkTracerProvider>,
}

impl TracingGuard {
    /// Writes the events of this process as `logs` says. If `service` names a service, spans go to a collector over
    /// OTLP (HTTP, protobuf), as OpenTelemetry's usual variables say: `OTEL_EXPORTER_OTLP_ENDPOINT`,
    /// `OTEL_TRACES_SAMPLER`, ….
    ///
    /// Call it once per process, outside of any runtime.
    ///
    /// # Errors
    /// An environment variable is invalid. No events are written then.
    ///
    /// # Panics
    /// A subscriber of `tracing` was installed before.
    pub fn start(logs: Logs, service: Option<String>) -> Result<Self, TracingError> {
        let spans = service.map(provider).transpose()?;
        let tracer = spans.as_ref().map(|provider| provider.tracer("bowline"));
        // The exporter's own requests must not become spans.
        let traced = Targets::new().with_targets(TRACED.map(|target| (target, LevelFilter::INFO)));
        let spans_layer = tracer
            .map(|tracer| tracing_opentelemetry::layer().with_tracer(tracer).with_threads(false).with_filter(traced));
        tracing_subscriber::registry().with(log_layer(logs)).with(spans_layer).init();
        Ok(Self { spans })
    }
}

impl Drop for TracingGuard {
    fn drop(&mut self) {
        if let Some(provider) = &self.spans
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

fn log_layer(logs: Logs) -> Box<dyn Layer<Registry> + Send + Sync> {
    let Logs { filter, format, has_time, has_target, escape, conceal } = logs;
    let lines = fmt::layer()
        .with_writer(move || Concealing { conceal })
        // A closed standard error must not end the process.
        .log_internal_errors(false)
        .with_target(has_target);
    let filter = EnvFilter::new(filter);
    match format {
        // JSON escapes by itself.
        Format::Json => lines.json().flatten_event(true).with_current_span(false).with_filter(filter).boxed(),
        Format::Lines => {
            let lines = lines.with_ansi(io::stderr().is_terminal()).fmt_fields(fields(escape));
            if has_time { lines.with_filter(filter).boxed() } else { lines.without_time().with_filter(filter).boxed() }
        }
    }
}

/// Fields as `tracing` usually writes them, with untrusted text escaped.
fn fields(escape: fn(&str) -> Cow<'_, str>) -> impl for<'writer> FormatFields<'writer> + Send + Sync + 'static {
    debug_fn(move |writer: &mut Writer<'_>, field: &Field, value: &dyn Debug| {
        let text = std::format!("{value:?}");
        match field.name() {
            "message" => write!(writer, "{}", escape(&text)),
            name => write!(writer, "{}={}", name.trim_start_matches("r#"), escape(&text)),
        }
    })
    .delimited(" ")
}

/// Writes one event to standard error, without secrets.
struct Concealing {
    conceal: fn(&str) -> Cow<'_, str>,
}

impl Write for Concealing {
    /// Writes a whole event: `tracing` never splits one.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        match str::from_utf8(event) {
            Ok(text) => io::stderr().lock().write_all((self.conceal)(text).as_bytes())?,
            Err(_) => io::stderr().lock().write_all(event)?,
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

fn provider(service: String) -> Result<SdkTracerProvider, TracingError> {
    let exporter = SpanExporter::builder().with_http().build()?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version).with_service_name(service).build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_field_holds_makes_no_line_of_its_own() {
        let kept = Kept::default();
        let writer = kept.clone();
        let escape = |text: &str| Cow::Owned(text.escape_debug().to_string());
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(fields(escape))
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone())
            .finish();
        let forged = "x\n2026-01-01T00:00:00Z  INFO FORGED LINE\u{1b}[2J";
        tracing::subscriber::with_default(subscriber, || {
            let _span = tracing::info_span!("job", sweep = forged).entered();
            tracing::warn!(reason = %forged, count = 3, "a message was refused: {forged}");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains('\u{1b}') && text.contains("count=3") && text.contains(r"reason=x\n2026"), "{text}");
    }
}
