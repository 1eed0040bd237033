//! The time of a server's clock.

use crate::Written;
use aws_sdk_s3::{
    config::{ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeDeserializationInterceptorContextRef},
    error::BoxError,
    primitives::{DateTime, DateTimeFormat},
};
use parking_lot::Mutex;
use std::sync::Arc;

/// Keeps the `Date` of an answer, which the client does not hand on.
#[derive(Debug, Clone, Default)]
pub(super) struct DateOfAnswer(Arc<Mutex<Option<DateTime>>>);

impl DateOfAnswer {
    /// When an object was written that the answer says was last modified then; `None` if the answer has no date.
    pub(super) fn written(&self, modified: &DateTime) -> Option<Written> {
        let now = self.0.lock().as_ref().and_then(ms_of)?;
        Some(Written { at_ms: ms_of(modified)?, now_ms: now })
    }
}

fn ms_of(time: &DateTime) -> Option<u64> {
    u64::try_from(time.to_millis().ok()?).ok()
}

impl Intercept for DateOfAnswer {
    fn name(&self) -> &'static str {
        "the date of the answer"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, DateTimeFormat::HttpDate).ok());
        *self.0.lock() = date;
        Ok(())
    }
}
