use files::is_transient;
use std::{error::Error, io};

/// Whether an error, or one that caused it, says that the system was busy, out of memory or out of reach: states that
/// end without a person doing anything. A file that is missing, damaged or forbidden stays so.
pub fn may_pass(error: &(dyn Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(cause) = error {
        if cause.downcast_ref::<io::Error>().is_some_and(|cause| is_transient(cause.kind())) {
            return true;
        }
        // A device that is out of memory, or that failed under way. Other errors of candle are wrong calls.
        if let Some(candle_core::Error::Cuda(_)) = cause.downcast_ref::<candle_core::Error>().map(innermost) {
            return true;
        }
        error = cause.source();
    }
    false
}

/// The error inside what candle wraps around it without making it a source.
fn innermost(error: &candle_core::Error) -> &candle_core::Error {
    use candle_core::Error::{Context, WithBacktrace, WithPath};
    match error {
        Context { inner, .. } | WithPath { inner, .. } | WithBacktrace { inner, .. } => innermost(inner),
        error => error,
    }
}

/// The error without the backtraces that candle puts into its message, when `RUST_BACKTRACE` asks for some.
pub(crate) fn without_backtrace(error: candle_core::Error) -> candle_core::Error {
    use candle_core::Error::{Context, WithBacktrace, WithPath};
    match error {
        WithBacktrace { inner, .. } => without_backtrace(*inner),
        Context { inner, context } => Context { inner: Box::new(without_backtrace(*inner)), context },
        WithPath { inner, path } => WithPath { inner: Box::new(without_backtrace(*inner)), path },
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DataError, HeadError, ModelError};
    use std::io::ErrorKind;

    #[test]
    fn no_message_holds_a_backtrace() {
        let backtrace = || Box::new(std::backtrace::Backtrace::force_capture());
        let inner = Box::new(candle_core::Error::Msg("no such tensor".to_owned()));
        let wrapped =
            candle_core::Error::WithBacktrace { inner, backtrace: backtrace() }.with_path("model.safetensors");
        let wrapped = candle_core::Error::WithBacktrace { inner: Box::new(wrapped), backtrace: backtrace() };
        let message = without_backtrace(wrapped).to_string();
        assert!(message.contains("no such tensor") && message.lines().count() == 1, "{message}");
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (kind, wanted) in [
            (ErrorKind::Interrupted, true),
            (ErrorKind::TimedOut, true),
            (ErrorKind::StaleNetworkFileHandle, true),
            (ErrorKind::OutOfMemory, true),
            (ErrorKind::NotFound, false),
            (ErrorKind::PermissionDenied, false),
            (ErrorKind::InvalidData, false),
            (ErrorKind::UnexpectedEof, false),
            (ErrorKind::NotADirectory, false),
        ] {
            let error = || io::Error::from(kind);
            let data = DataError::Read { path: "x".into(), source: error() };
            let model = || ModelError::Read { path: "x".into(), source: error() };
            let found = [data.is_retryable(), model().is_retryable(), HeadError::Text(model()).is_retryable()];
            assert_eq!(found, [wanted; 3], "{kind:?}");
            let head = HeadError::Io { path: "x".into(), source: error() };
            assert_eq!(head.is_retryable(), wanted, "{kind:?}");
        }
    }

    #[test]
    fn a_reader_that_passes_the_systems_error_on_is_understood() {
        let nested = |kind: ErrorKind| DataError::Format {
            path: "x".into(),
            kind: "parquet",
            source: Box::new(parquet::errors::ParquetError::External(Box::new(io::Error::from(kind)))),
        };
        assert!(nested(ErrorKind::StaleNetworkFileHandle).is_retryable());
        assert!(!nested(ErrorKind::UnexpectedEof).is_retryable(), "the file is damaged");
    }

    #[test]
    fn a_device_that_fails_may_recover_but_a_wrong_call_stays_wrong() {
        let cuda = candle_core::Error::Cuda("CUDA_ERROR_OUT_OF_MEMORY".into());
        let wrapped = candle_core::Error::Cuda("CUDA_ERROR_OUT_OF_MEMORY".into()).context("a forward");
        assert!(ModelError::from(cuda).is_retryable());
        assert!(ModelError::from(wrapped).is_retryable());
        assert!(!ModelError::from(candle_core::Error::Msg("shape mismatch".into())).is_retryable());
        let none = ModelError::from(candle_core::Error::NotCompiledWithCudaSupport);
        assert!(!none.is_retryable(), "this build will never have the device");
        assert!(!ModelError::Cancelled.is_retryable());
    }
}
