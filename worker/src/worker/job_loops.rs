//! How a worker takes jobs: in one loop, or in two loops that take turns at the device.
//!
//! A worker that [looks ahead](Worker::looking_ahead) has two job loops. Each takes a job, looks it up, waits for the
//! device, computes, stores and acknowledges, so that one loop looks up its job and stores its result while the other
//! one computes. The cost for other workers is bounded:
//! - A worker holds at most two jobs. It takes a job ahead while jobs take less than a second, or from the last
//!   tenth (at most a second) of the time that the last job took on, for a second.
//! - A job that was taken ahead is returned, uncounted, if it waits for longer than two seconds while another one computes,
//!   or if the worker drains.
//! - A job that was lost before is alone in its worker. If a worker dies, the second job that it held therefore counts
//!   at most one loss in its life: from then on, it is alone as well.

use super::{Worker, WorkerEnd, handle::Handled, loop_state::LoopState};
use crate::WorkerError;
use queue::{Delivery, JobConsumer};
use std::pin::{Pin, pin};

/// The outcome of a request for a job.
enum Received {
    Job(Box<Delivery>),
    /// The conditions have changed: the loop starts again.
    Again,
    End(WorkerEnd),
}

/// The role of a job loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LoopRole {
    /// It takes all jobs while jobs are long.
    Main,
    /// It takes jobs only ahead.
    LookAhead,
}

impl Worker {
    /// Runs the job loops until they end. `drain` and `now` are the two levels of a shutdown.
    pub(super) async fn take_jobs(
        &self,
        mut drain: Pin<&mut (impl Future<Output = ()> + Send)>,
        mut now: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Result<WorkerEnd, WorkerError> {
        let state = LoopState::default();
        let mut loops = pin!(self.job_loops(&state));
        // A future that is done must not be polled again.
        let mut is_drain_done = false;
        let mut is_now_done = false;
        loop {
            tokio::select! {
                biased;
                () = &mut now, if !is_now_done => {
                    is_now_done = true;
                    is_drain_done = true;
                    state.interrupt.cancel();
                }
                () = &mut drain, if !is_drain_done => {
                    is_drain_done = true;
                    state.draining.cancel();
                }
                end = &mut loops => return end,
            }
            self.heartbeat.set_draining();
        }
    }

    /// Runs all job loops until the first one ends, and then until the others have ended as well.
    async fn job_loops(&self, state: &LoopState) -> Result<WorkerEnd, WorkerError> {
        let Some(ahead) = &self.ahead else { return self.job_loop(&*self.queue, LoopRole::Main, state).await };
        let mut main = pin!(self.job_loop(&*self.queue, LoopRole::Main, state));
        let mut ahead = pin!(self.job_loop(&**ahead, LoopRole::LookAhead, state));
        tokio::select! {
            biased;
            first = &mut main => {
                end_other_loop(&first, state);
                both(first, ahead.await)
            }
            first = &mut ahead => {
                end_other_loop(&first, state);
                both(first, main.await)
            }
        }
    }

    async fn job_loop(
        &self,
        queue: &dyn JobConsumer,
        role: LoopRole,
        state: &LoopState,
    ) -> Result<WorkerEnd, WorkerError> {
        // A job is taken ahead only after the device was free once: so the loops take turns.
        let mut waits_for_device = true;
        loop {
            let device = tokio::select! {
                biased;
                () = state.draining.cancelled() => return Ok(self.stopped()),
                () = state.ahead_opens(), if !waits_for_device => None,
                device = state.device_without_jobs(), if role == LoopRole::Main => Some(device),
                // A loop that only looks ahead waits until the device is free, and does not keep it.
                _device = state.device(), if role == LoopRole::LookAhead && waits_for_device => None,
            };
            waits_for_device = false;
            if device.is_none() && !state.is_ahead_open() {
                continue;
            }
            let waiting = device.as_ref().map(|_| state.wait_with_device());
            let delivery = match self.receive(queue, state, device.is_some()).await? {
                Received::Job(delivery) => *delivery,
                Received::Again => continue,
                Received::End(end) => return Ok(end),
            };
            drop(waiting);
            let is_able = self.unable(delivery.job()).is_none();
            let handled = self.handle(delivery, device, state).await?;
            if state.draining.is_cancelled() {
                return Ok(self.stopped());
            }
            // If nothing else waits, the queue delivers a returned job again at once.
            waits_for_device = handled == Handled::Returned;
            // Deferred jobs may be delivered for ever, so they do not keep an idle worker alive.
            if is_able {
                state.restart_idle_time();
            }
        }
    }

    /// Waits for a job from the queue.
    async fn receive(
        &self,
        queue: &dyn JobConsumer,
        state: &LoopState,
        has_device: bool,
    ) -> Result<Received, WorkerError> {
        tokio::select! {
            biased;
            () = state.draining.cancelled() => Ok(Received::End(self.stopped())),
            () = state.idle(self.limits.idle) => {
                if self.queue.is_connected() {
                    return Ok(Received::End(WorkerEnd::Idle));
                }
                // An unreachable broker delivers no job either. It has a limit of its own.
                state.restart_idle_time();
                Ok(Received::Again)
            }
            () = state.ahead_closes(), if !has_device => Ok(Received::Again),
            next = queue.next() => Ok(match next? {
                Some(delivery) => Received::Job(Box::new(delivery)),
                None => Received::End(WorkerEnd::QueueClosed),
            }),
        }
    }

    /// The end of a worker that received a shutdown signal.
    fn stopped(&self) -> WorkerEnd {
        self.heartbeat.set_draining();
        WorkerEnd::Stopped
    }
}

/// Ends the other loop after one has ended. After an error, the worker ends soon, so a running computation stops.
fn end_other_loop(first: &Result<WorkerEnd, WorkerError>, state: &LoopState) {
    if first.is_err() {
        state.interrupt.cancel();
    } else {
        state.draining.cancel();
    }
}

/// The end of a worker whose loops ended like this: the first error, or the end of the first loop.
fn both(first: Result<WorkerEnd, WorkerError>, last: Result<WorkerEnd, WorkerError>) -> Result<WorkerEnd, WorkerError> {
    let first = first?;
    last.map(|_| first)
}
