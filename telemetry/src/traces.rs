//! Spans that go on in another process, as W3C's Trace Context has it.

use opentelemetry::{propagation::TextMapPropagator, trace::TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use std::collections::HashMap;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TRACE_PARENT: &str = "traceparent";

/// Where the trace of the current span goes on, as a `traceparent`; `None` where no spans are collected.
pub fn current_trace_parent() -> Option<String> {
    let context = Span::current().context();
    if !context.span().span_context().is_valid() {
        return None;
    }
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&context, &mut carrier);
    carrier.remove(TRACE_PARENT)
}

/// Makes `span`, before it is entered, a child of the span that `trace_parent` names. A text that names none is ignored.
pub fn follow_trace(span: &Span, trace_parent: &str) {
    let carrier = HashMap::from([(TRACE_PARENT.to_owned(), trace_parent.to_owned())]);
    let context = TraceContextPropagator::new().extract(&carrier);
    if context.span().span_context().is_valid()
        && let Err(error) = span.set_parent(context)
    {
        // Where no spans are collected, most likely.
        tracing::trace!(%error, "a span does not follow its trace");
    }
}
