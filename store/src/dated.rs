use std::time::Duration;

/// When an object was written and when it was read, both by the clock of the store.
///
/// The clocks of writers may differ, but a store has one clock: ages are measured by the store's clock alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// When the object was last written: milliseconds since 1970, UTC. S3 counts in whole seconds.
    pub at_ms: u64,
    /// When it was read, by the same clock.
    pub now_ms: u64,
}

/// What was read, and when it was written, if the store knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dated<T> {
    /// What was read.
    pub content: T,
    /// When it was written.
    pub written: Option<Written>,
}

impl<T> Dated<T> {
    /// How long ago it was written, by the store's clock. If the store does not know that, `stamped_ms`, the writer's
    /// own time stamp, is compared with `now_ms`, the reader's clock.
    pub fn age(&self, stamped_ms: u64, now_ms: u64) -> Duration {
        let (at_ms, now_ms) = self.written.map_or((stamped_ms, now_ms), |written| (written.at_ms, written.now_ms));
        Duration::from_millis(now_ms.saturating_sub(at_ms))
    }

    /// How far the clock of the writer, which stamped it with `stamped_ms`, is ahead of the store's clock. Negative if
    /// it is behind; `None` if the store does not know when the object was written. The duration of the write makes the
    /// clock look behind.
    pub fn skew_ms(&self, stamped_ms: u64) -> Option<i64> {
        let ahead = i128::from(stamped_ms) - i128::from(self.written?.at_ms);
        Some(i64::try_from(ahead).unwrap_or(if ahead > 0 { i64::MAX } else { i64::MIN }))
    }

    /// The same of another content.
    pub(crate) fn try_map<U, E>(self, map: impl FnOnce(T) -> Result<U, E>) -> Result<Dated<U>, E> {
        Ok(Dated { content: map(self.content)?, written: self.written })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_by_the_clock_of_the_store_and_by_others_only_where_it_has_none() {
        let written = Some(Written { at_ms: 10_000, now_ms: 12_000 });
        let dated = Dated { content: (), written };
        assert_eq!(dated.age(1, u64::MAX), Duration::from_secs(2));
        assert_eq!((dated.skew_ms(4_000), dated.skew_ms(10_500)), (Some(-6_000), Some(500)));
        assert_eq!(dated.skew_ms(u64::MAX), Some(i64::MAX));
        let undated = Dated { content: (), written: None };
        assert_eq!((undated.age(1_000, 4_000), undated.skew_ms(1)), (Duration::from_secs(3), None));
        assert_eq!(undated.age(4_000, 1_000), Duration::ZERO);
    }
}
