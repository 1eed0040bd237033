//! Handles one delivery, from taking it to settling it. The [decision](super::decision) says what happens with it; this
//! file waits for the device and carries the decision out.

use super::{
    Worker,
    lookup::Lookup,
    loop_state::{Device, Exclusive, LoopState},
};
use crate::{JobError, WorkerError, metrics::Outcome};
use queue::Delivery;
use std::time::{Duration, Instant};
use store::StoreError;
use tokio::time::sleep;
use tracing::{Instrument, debug, info_span, warn};

/// A job that was taken ahead is returned once it has waited this long for the device although nothing computes: the other loop
/// may wait for the store.
const MAX_DEVICE_WAIT: Duration = Duration::from_secs(10);

/// How a job loop ended with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handled {
    /// It was settled.
    Settled,
    /// It was taken ahead, and went back before its turn.
    Returned,
}

/// The turn of a job to compute.
pub(super) struct Turn<'a> {
    device: Device<'a>,
    /// A job that was lost before is alone in its worker.
    exclusive: Option<Exclusive<'a>>,
}

impl Worker {
    /// Handles a delivery. With `device` it is its turn to compute; without, the job was taken ahead.
    pub(super) async fn handle(
        &self,
        delivery: Delivery,
        device: Option<Device<'_>>,
        state: &LoopState,
    ) -> Result<Handled, WorkerError> {
        let job = delivery.id();
        let attempt = delivery.attempt();
        let span = info_span!("job", sweep = delivery.sweep(), job = %job.short(), attempt);
        if let Some(follow) = self.follow_trace
            && let Some(parent) = delivery.trace_parent()
        {
            follow(&span, parent);
        }
        let held = state.hold();
        let handled = self.handle_held(delivery, device, state).instrument(span).await;
        drop(held);
        match handled {
            // The queue returns the job, to this worker or another one, which finds its result.
            Err(WorkerError::Queue(error)) if error.is_retryable() => {
                warn!(job = %job.short(), %error, "cannot settle the job; the queue returns it");
                Ok(Handled::Settled)
            }
            handled => handled,
        }
    }

    async fn handle_held(
        &self,
        delivery: Delivery,
        device: Option<Device<'_>>,
        state: &LoopState,
    ) -> Result<Handled, WorkerError> {
        // A job for another worker is not computed here, so it does not wait for the device.
        if self.unable(delivery.job()).is_some() {
            let lookup = self.look_up(&delivery).await;
            return self.carry_out(delivery, lookup, None, state).await.map(|()| Handled::Settled);
        }
        let job = delivery.id();
        let handled = if delivery.losses() > 0 {
            self.handle_alone(delivery, device, state).await
        } else if let Some(device) = device {
            let lookup = self.look_up(&delivery).await;
            self.mark_started(&delivery, &lookup);
            let turn = Turn { device, exclusive: None };
            self.carry_out(delivery, lookup, Some(turn), state).await.map(|()| Handled::Settled)
        } else {
            self.handle_ahead(delivery, state).await
        };
        self.heartbeat.job_settled(job);
        handled
    }

    /// Handles a job that was lost before. It is alone in this worker, because it may end the process.
    async fn handle_alone(
        &self,
        delivery: Delivery,
        device: Option<Device<'_>>,
        state: &LoopState,
    ) -> Result<Handled, WorkerError> {
        let Some(device) = device.or_else(|| state.free_device()) else {
            return self.return_unstarted(delivery).await;
        };
        let exclusive = state.exclude_others();
        tokio::select! {
            biased;
            () = state.draining.cancelled() => return self.return_unstarted(delivery).await,
            () = state.alone() => {}
        }
        let lookup = self.look_up(&delivery).await;
        // Not before the lookup: of several workers that hold copies of a lost job, each would wait for the others for
        // ever.
        self.mark_started(&delivery, &lookup);
        let turn = Turn { device, exclusive: Some(exclusive) };
        self.carry_out(delivery, lookup, Some(turn), state).await.map(|()| Handled::Settled)
    }

    /// Looks up a job that was taken ahead while another job computes, then waits for the device. The lookup then costs
    /// no time.
    async fn handle_ahead(&self, delivery: Delivery, state: &LoopState) -> Result<Handled, WorkerError> {
        let taken = tokio::time::Instant::now();
        let lookup = tokio::select! {
            biased;
            () = state.draining.cancelled() => return self.return_unstarted(delivery).await,
            () = state.ahead_overdue(taken) => return self.return_unstarted(delivery).await,
            () = self.preempted(delivery.sweep()) => return self.return_unstarted(delivery).await,
            lookup = self.look_up(&delivery) => lookup,
        };
        if !matches!(lookup, Ok(Lookup::Compute)) {
            return self.carry_out(delivery, lookup, None, state).await.map(|()| Handled::Settled);
        }
        let device = tokio::select! {
            biased;
            () = state.draining.cancelled() => return self.return_unstarted(delivery).await,
            () = self.preempted(delivery.sweep()) => return self.return_unstarted(delivery).await,
            device = state.device() => device,
            () = sleep(MAX_DEVICE_WAIT) => return self.return_unstarted(delivery).await,
            () = state.ahead_overdue(taken) => return self.return_unstarted(delivery).await,
        };
        self.mark_started(&delivery, &lookup);
        let turn = Turn { device, exclusive: None };
        self.carry_out(delivery, lookup, Some(turn), state).await.map(|()| Handled::Settled)
    }

    /// Waits until the jobs of another sweep go before those of `sweep`. A job that was taken ahead would otherwise be
    /// computed first.
    async fn preempted(&self, sweep: &str) {
        match &self.queue_selector {
            Some(selector) => selector.preempted(sweep).await,
            None => std::future::pending().await,
        }
    }

    /// Shows in the heartbeat that this worker computes the job, if it does.
    fn mark_started(&self, delivery: &Delivery, lookup: &Result<Lookup, StoreError>) {
        if matches!(lookup, Ok(Lookup::Compute)) {
            self.heartbeat.job_started(delivery.job(), delivery.sweep(), delivery.attempt());
        }
    }

    /// Returns a job that was not started: neither an attempt nor a loss.
    async fn return_unstarted(&self, delivery: Delivery) -> Result<Handled, WorkerError> {
        debug!("a job that was taken ahead is returned");
        self.counted(Outcome::GivenBack, delivery.give_back()).await.map(|()| Handled::Returned)
    }

    /// Settles a delivery as it was decided. Computing takes a turn.
    async fn carry_out(
        &self,
        delivery: Delivery,
        lookup: Result<Lookup, StoreError>,
        turn: Option<Turn<'_>>,
        state: &LoopState,
    ) -> Result<(), WorkerError> {
        match (lookup, turn) {
            (Err(source), _) => {
                let error = WorkerError::store_failed(delivery.job(), source);
                Err(self.return_and_end(delivery, error).await)
            }
            // The turn ends after the settlement: a job that was lost before is alone until then.
            (Ok(Lookup::Settle(settlement)), _turn) => self.settle(delivery, settlement).await,
            (Ok(Lookup::Compute), Some(turn)) => self.compute_and_finish(delivery, turn, state).await,
            (Ok(Lookup::Compute), None) => self.return_unstarted(delivery).await.map(|_| ()),
        }
    }

    /// Computes a job, stores what came of it, and settles the delivery.
    async fn compute_and_finish(
        &self,
        delivery: Delivery,
        turn: Turn<'_>,
        state: &LoopState,
    ) -> Result<(), WorkerError> {
        let Turn { device, exclusive } = turn;
        let job = delivery.job().clone();
        let losses = delivery.losses();
        let taken = Instant::now();
        if let Some(waited) = delivery.waited() {
            self.metrics.waited(waited);
        }
        let attempted = self.attempt_timed(&job, delivery.sweep(), state).await;
        let mut device = Some(device);
        if attempted.hangs {
            // The device is not free, and the other loop must not wait for it.
            state.draining.cancel();
        } else if exclusive.is_none() {
            // The other loop computes while this one stores. A job that is alone keeps the device until it is settled.
            device = None;
        }
        // The losses of a leg that rests are forgotten, and so are the machines of them.
        // The losses of a leg that rests are forgotten, and so are the machines of them.
        let mut is_over = attempted.outcome.is_ok();
        let finished = match (attempted.outcome, attempted.stops_at) {
            (Err(JobError::Rests(state)), Some(stops_at)) => {
                if self.keep_in_time(&job, &state, stops_at).await {
                    let rested = self.rest(delivery).await;
                    is_over = rested.is_ok();
                    rested
                } else {
                    self.counted(Outcome::GivenBack, delivery.give_back()).await
                }
            }
            (outcome @ Err(JobError::Rests(_)), None) => {
                let rested = self.finish(delivery, &job, outcome, taken).await;
                is_over = rested.is_ok();
                rested
            }
            (outcome, _) => self.finish(delivery, &job, outcome, taken).await,
        };
        self.delete_trials_after(&job, losses, is_over, &finished).await;
        drop(exclusive);
        drop(device);
        if !attempted.hangs {
            return finished;
        }
        // Whether the message was settled or not: the device is not free, and the next job would wait until its time is
        // up.
        if let Err(error) = finished {
            warn!(%error, "cannot settle the job that does not stop; the queue returns it");
        }
        Err(WorkerError::Hangs(job.id()))
    }
}
