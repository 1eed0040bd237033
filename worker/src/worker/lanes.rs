//! How a worker takes jobs: one at a time, or in two lanes that take turns at the device.
//!
//! A worker that [looks ahead](Worker::looking_ahead) has two lanes. Each takes a job, looks it up, waits for the device, computes,
//! stores and acknowledges, so that one lane looks up its job and stores its result while the other computes. What that may cost
//! others is bounded:
//! - A worker holds two jobs at most, and takes one ahead only while jobs take less than a second.
//! - A job that was taken ahead goes back, uncounted, when the one before it takes longer than two seconds, or when the worker is
//!   told to end.
//! - A job that was lost before is alone in its worker's hands. A worker that dies therefore costs a job that it held beside the
//!   one that computed, or was being stored, one loss at most in that job's life: from then on it is alone as well.

use super::{Ended, Worker, handle::Parted, pace::Pace};
use crate::WorkerError;
use queue::{Delivery, JobConsumer};
use std::pin::{Pin, pin};

/// What came of asking for a job.
enum Asked {
    Job(Box<Delivery>),
    /// Things have changed: the lane begins anew.
    Again,
    Ended(Ended),
}

/// Which lane of a worker it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// The one that takes every job, where jobs are long.
    Main,
    /// The one that looks ahead.
    Ahead,
}

impl Worker {
    pub(super) async fn take_jobs(
        &self,
        mut drain: Pin<&mut (impl Future<Output = ()> + Send)>,
        mut now: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Result<Ended, WorkerError> {
        let pace = Pace::default();
        let mut working = pin!(self.lanes(&pace));
        let mut is_draining = false;
        let mut is_leaving = false;
        loop {
            tokio::select! {
                biased;
                () = &mut now, if !is_leaving => {
                    (is_leaving, is_draining) = (true, true);
                    pace.leave.request();
                    pace.closing.request();
                }
                () = &mut drain, if !is_draining => {
                    is_draining = true;
                    pace.closing.request();
                }
                ended = &mut working => return ended,
            }
            self.pulse.drains();
        }
    }

    /// Works in all lanes, until the first of them ends and the others have followed.
    async fn lanes(&self, pace: &Pace) -> Result<Ended, WorkerError> {
        let Some(ahead) = &self.ahead else { return self.lane(&*self.queue, Lane::Main, pace).await };
        let mut main = pin!(self.lane(&*self.queue, Lane::Main, pace));
        let mut ahead = pin!(self.lane(&**ahead, Lane::Ahead, pace));
        let (first, last) = tokio::select! {
            biased;
            first = &mut main => (end_others(first, pace), ahead.await),
            first = &mut ahead => (end_others(first, pace), main.await),
        };
        let first = first?;
        last.map(|_| first)
    }

    async fn lane(&self, queue: &dyn JobConsumer, lane: Lane, pace: &Pace) -> Result<Ended, WorkerError> {
        let mut waits_for_device = true;
        loop {
            let is_ahead = match lane {
                Lane::Main => pace.is_brisk() && !waits_for_device,
                Lane::Ahead => true,
            };
            let device = tokio::select! {
                biased;
                () = pace.closing.requested() => return Ok(self.stops()),
                device = pace.device(), if !is_ahead || waits_for_device => (!is_ahead).then_some(device),
                () = pace.brisk(), if is_ahead && !waits_for_device => None,
            };
            waits_for_device = false;
            if device.is_none() && !pace.is_brisk() {
                continue;
            }
            let delivery = match self.ask(queue, pace, device.is_some()).await? {
                Asked::Job(delivery) => *delivery,
                Asked::Again => continue,
                Asked::Ended(ended) => return Ok(ended),
            };
            let is_work = delivery.job().spec.check_semantics().is_ok();
            let parted = self.handle(delivery, device, pace).await?;
            if pace.closing.is_requested() {
                return Ok(self.stops());
            }
            // What went back comes again at once where nothing else waits.
            waits_for_device = parted == Parted::GaveBack;
            // Jobs that are left to others do not count as work: they may come by for ever.
            if is_work {
                pace.worked();
            }
        }
    }

    async fn ask(&self, queue: &dyn JobConsumer, pace: &Pace, has_device: bool) -> Result<Asked, WorkerError> {
        tokio::select! {
            biased;
            () = pace.closing.requested() => Ok(Asked::Ended(self.stops())),
            // A broker that is out of reach hands out no job either: that is its own limit's matter.
            () = pace.idle(self.limits.idle) => {
                if self.queue.is_connected() {
                    return Ok(Asked::Ended(Ended::Idle));
                }
                pace.worked();
                Ok(Asked::Again)
            }
            () = pace.slow(), if !has_device => Ok(Asked::Again),
            next = queue.next() => Ok(match next? {
                Some(delivery) => Asked::Job(Box::new(delivery)),
                None => Asked::Ended(Ended::QueueClosed),
            }),
        }
    }

    /// The worker has been told to stop, and takes no more jobs.
    fn stops(&self) -> Ended {
        self.pulse.drains();
        Ended::Stopped
    }
}

/// Has the other lane follow one that has ended. After an error it gives back what it computes: the worker ends soon.
fn end_others(first: Result<Ended, WorkerError>, pace: &Pace) -> Result<Ended, WorkerError> {
    if first.is_err() {
        pace.leave.request();
    }
    pace.closing.request();
    first
}
