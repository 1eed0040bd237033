use super::{
    Fault,
    edits::{self, Edited, edit},
    reference::Reference,
    round::fault_injector,
    schedule::FaultSchedule,
};
use crate::{
    Broker, Coordinators, Failure, Signal, WorkerFleet,
    args::{ANSWER_LIMIT, Cluster},
    sim::SimInput,
};
use queue::{JobPublisher, proxy::Proxy};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use store::testing::{HttpFault, HttpFaults};
use tokio::time::sleep;

/// Everything that faults are injected into.
pub(super) struct Targets<'a> {
    pub(super) broker: &'a mut Broker,
    pub(super) proxy: &'a Proxy,
    pub(super) bucket: HttpFaults,
    pub(super) fleet: &'a WorkerFleet,
    pub(super) coordinators: &'a Coordinators,
    pub(super) reference: &'a Reference,
    /// The cluster without the proxy.
    pub(super) direct: Cluster,
    pub(super) schedule: FaultSchedule,
    pub(super) injected: BTreeMap<Fault, u32>,
    /// The file that jobs read.
    pub(super) input: &'a SimInput,
    /// How long that file stays changed. It is longer than a job takes, so that every running job reads the changed
    /// file.
    pub(super) changed: Duration,
    /// The stored results that were changed.
    pub(super) edited: Vec<Edited>,
}

/// How long connections stall, or the broker is unreachable.
const OUTAGE: Duration = Duration::from_millis(2500);

/// How long to wait for a stored result that can be changed.
const RESULT_TIMEOUT: Duration = Duration::from_secs(20);

/// The number of jobs that are published again, and of messages that hold no job.
const EXTRA_MESSAGES: usize = 10;

impl Targets<'_> {
    /// Injects the next fault. `false` if none is left.
    pub(super) async fn inject_next(&mut self) -> Result<bool, Failure> {
        let Some((pause, fault)) = self.schedule.next_fault() else { return Ok(false) };
        sleep(pause).await;
        tracing::info!(%fault, "injects a fault");
        self.inject(fault).await?;
        *self.injected.entry(fault).or_default() += 1;
        Ok(true)
    }

    /// Ends all active faults.
    pub(super) fn end_faults(&self) {
        self.bucket.end();
        self.proxy.resume();
        self.proxy.come_up();
    }

    async fn inject(&mut self, fault: Fault) -> Result<(), Failure> {
        let number = self.schedule.number();
        match fault {
            Fault::KillsWorker => self.fleet.signal(number, Signal::Kill),
            Fault::KillsAllWorkers => self.fleet.signal_all(Signal::Kill),
            Fault::DrainsWorker => self.fleet.signal(number, Signal::Term),
            Fault::StopsWorkerAtOnce => {
                self.fleet.signal(number, Signal::Term);
                sleep(Duration::from_millis(20)).await;
                self.fleet.signal(number, Signal::Term);
            }
            Fault::RestartsBroker => self.broker.restart().await?,
            Fault::KillsBroker => self.broker.crash().await?,
            Fault::CutsConnections => self.proxy.cut(),
            Fault::StallsConnections => {
                self.proxy.pause();
                sleep(OUTAGE).await;
                self.proxy.resume();
            }
            Fault::DisconnectsBroker => {
                self.proxy.go_down();
                sleep(OUTAGE).await;
                self.proxy.come_up();
            }
            Fault::KillsCoordinator => self.coordinators.kill(number),
            Fault::StartsSecondCoordinator => self.coordinators.add()?,
            Fault::PublishesJobsTwice => self.double_jobs(number).await?,
            Fault::PublishesForeignMessages => self.publish_foreign_messages().await?,
            Fault::PurgesJobs => {
                let purged = fault_injector(&self.direct, &self.reference.outcome.sweep).await?.purge().await?;
                tracing::info!(purged, "purged the queue");
            }
            Fault::EditsResult => self.edit_result(number).await?,
            Fault::RewritesInput => {
                self.input.rewrite()?;
                sleep(self.changed).await;
                self.input.restore()?;
            }
            Fault::TruncatesInput => {
                self.input.truncate()?;
                sleep(self.changed).await;
                self.input.restore()?;
            }
            Fault::ReplacesInput => {
                self.input.replace()?;
                sleep(self.changed).await;
                self.input.put_back()?;
            }
            bucket => self.inject_bucket_fault(bucket),
        }
        Ok(())
    }

    fn inject_bucket_fault(&self, fault: Fault) {
        let failing = HttpFault::Answers(500, "InternalError");
        let down = HttpFault::Answers(503, "SlowDown");
        match fault {
            Fault::BucketFails => {
                self.bucket.strike(30, "", "", failing);
                self.bucket.strike(30, "", "", down);
            }
            Fault::BucketConflicts => {
                let conflict = HttpFault::Answers(409, "ConditionalRequestConflict");
                self.bucket.strike(20, "PUT", "/results/", conflict);
            }
            Fault::BucketStalls => {
                let late = ANSWER_LIMIT + Duration::from_millis(500);
                self.bucket.strike(6, "", "", HttpFault::IsSlow(late));
            }
            Fault::BucketLosesResponses => {
                self.bucket.strike(15, "PUT", "/results/", HttpFault::CutsAfterwards);
                self.bucket.strike(15, "PUT", "", HttpFault::AnswersAfterwards(500, "InternalError"));
            }
            // `BucketIsDown`: more failures than the clients retry by themselves.
            _ => self.bucket.strike(300, "", "", down),
        }
    }

    /// Publishes jobs of the sweep again, whether they are done or not.
    async fn double_jobs(&self, from: usize) -> Result<(), Failure> {
        let queue = self.direct.queue_of("fault_injector", &self.reference.outcome.sweep).await?;
        let jobs = self.reference.jobs();
        for job in jobs.iter().cycle().skip(from % jobs.len().max(1)).take(EXTRA_MESSAGES) {
            queue.publish(job, &self.reference.outcome.sweep).await?;
        }
        Ok(())
    }

    /// Changes a stored result to an impossible one. Waits until a result is stored.
    async fn edit_result(&mut self, number: usize) -> Result<(), Failure> {
        let bucket = edits::open(&self.direct).await?;
        let start = Instant::now();
        while start.elapsed() < RESULT_TIMEOUT {
            let jobs = self.reference.results.keys().copied();
            let from = number % self.reference.results.len().max(1);
            let fresh = jobs.clone().skip(from).chain(jobs.take(from));
            let fresh = fresh.filter(|job| self.edited.iter().all(|edited| edited.job != *job));
            if let Some(edited) = edit(&bucket, fresh, number).await? {
                self.edited.push(edited);
                return Ok(());
            }
            sleep(self.changed).await;
        }
        Err("no result was stored that could be changed".into())
    }

    async fn publish_foreign_messages(&self) -> Result<(), Failure> {
        let fault_injector = fault_injector(&self.direct, &self.reference.outcome.sweep).await?;
        for number in 0..EXTRA_MESSAGES {
            let message = match number % 3 {
                0 => "not of Bowline at all".to_owned(),
                1 => r#"{"version": 99, "sweep": "later", "colour": "red"}"#.to_owned(),
                _ => r#"{"version": 1, "sweep": "s", "job": {"version": 1}}"#.to_owned(),
            };
            fault_injector.publish(message.as_bytes()).await?;
        }
        Ok(())
    }
}
