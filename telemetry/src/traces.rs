//! Traces that continue in another process, in the format of W3C Trace Context.

use opentelemetry::{propagation::TextMapPropagator, trace::TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use std::collections::HashMap;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TRACE_PARENT: &str = "traceparent";

/// The `traceparent` of the current span, for another process; `None` if no spans are collected.
pub fn current_trace_parent() -> Option<String> {
    let context = Span::current().context();
    if !context.span().span_context().is_valid() {
        return None;
    }
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&context, &mut carrier);
    carrier.remove(TRACE_PARENT)
}

/// Makes `span` a child of the span that `trace_parent` names. Call it before `span` is entered. An invalid text is
/// ignored.
pub fn follow_trace(span: &Span, trace_parent: &str) {
    let carrier = HashMap::from([(TRACE_PARENT.to_owned(), trace_parent.to_owned())]);
    let context = TraceContextPropagator::new().extract(&carrier);
    if context.span().span_context().is_valid()
        && let Err(error) = span.set_parent(context)
    {
        // Most likely no spans are collected.
        tracing::trace!(%error, "a span was not attached to its trace");
    }
}
