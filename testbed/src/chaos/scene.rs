use super::{
    Fault,
    deck::Deck,
    edits::{self, Edited, edit},
    reference::Reference,
    round::meddler,
};
use crate::{
    Broker, Coordinators, Crew, Failure, Signal,
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

/// Everything that faults are done to.
pub(super) struct Scene<'a> {
    pub(super) broker: &'a mut Broker,
    pub(super) proxy: &'a Proxy,
    pub(super) bucket: HttpFaults,
    pub(super) crew: &'a Crew,
    pub(super) coordinators: &'a Coordinators,
    pub(super) reference: &'a Reference,
    /// The cluster as one sees it who goes by the side of proxy and bucket faults.
    pub(super) aside: Cluster,
    pub(super) deck: Deck,
    pub(super) struck: BTreeMap<Fault, u32>,
    /// The file that jobs read.
    pub(super) input: &'a SimInput,
    /// How long that file stays changed: longer than a job takes, so that all that run then read the changed file.
    pub(super) changed: Duration,
    /// The stored results that were changed.
    pub(super) edited: Vec<Edited>,
}

/// How long connections stand still, or the broker is out of reach.
const STILL: Duration = Duration::from_millis(2500);

/// How long a stored result to change is waited for.
const STORED: Duration = Duration::from_secs(20);

/// Jobs that are published a second time, and messages that hold none.
const EXTRAS: usize = 10;

impl Scene<'_> {
    /// Deals the next fault and does it: `false` when there is none left.
    pub(super) async fn go_on(&mut self) -> Result<bool, Failure> {
        let Some((pause, fault)) = self.deck.deal() else { return Ok(false) };
        sleep(pause).await;
        tracing::info!(%fault, "strikes");
        self.strike(fault).await?;
        *self.struck.entry(fault).or_default() += 1;
        Ok(true)
    }

    /// Ends all that is still going wrong.
    pub(super) fn heal(&self) {
        self.bucket.end();
        self.proxy.resume();
        self.proxy.come_up();
    }

    async fn strike(&mut self, fault: Fault) -> Result<(), Failure> {
        let number = self.deck.number();
        match fault {
            Fault::KillsWorker => self.crew.signal(number, Signal::Kill),
            Fault::KillsCrew => self.crew.signal_all(Signal::Kill),
            Fault::DrainsWorker => self.crew.signal(number, Signal::Term),
            Fault::HurriesWorker => {
                self.crew.signal(number, Signal::Term);
                sleep(Duration::from_millis(20)).await;
                self.crew.signal(number, Signal::Term);
            }
            Fault::RestartsBroker => self.broker.restart().await?,
            Fault::CrashesBroker => self.broker.crash().await?,
            Fault::CutsConnections => self.proxy.cut(),
            Fault::StallsConnections => {
                self.proxy.pause();
                sleep(STILL).await;
                self.proxy.resume();
            }
            Fault::PartsFromBroker => {
                self.proxy.go_down();
                sleep(STILL).await;
                self.proxy.come_up();
            }
            Fault::KillsCoordinator => self.coordinators.kill(number),
            Fault::DoublesCoordinator => self.coordinators.add()?,
            Fault::DoublesJobs => self.double_jobs(number).await?,
            Fault::SmugglesMessages => self.smuggle().await?,
            Fault::PurgesJobs => {
                let purged = meddler(&self.aside, &self.reference.outcome.sweep).await?.purge().await?;
                tracing::info!(purged, "threw jobs away");
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
            bucket => self.spoil_bucket(bucket),
        }
        Ok(())
    }

    fn spoil_bucket(&self, fault: Fault) {
        let (failing, down) = (HttpFault::Answers(500, "InternalError"), HttpFault::Answers(503, "SlowDown"));
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
            Fault::BucketForgetsAnswers => {
                self.bucket.strike(15, "PUT", "/results/", HttpFault::CutsAfterwards);
                self.bucket.strike(15, "PUT", "", HttpFault::AnswersAfterwards(500, "InternalError"));
            }
            // More than all the attempts that the clients make by themselves.
            _ => self.bucket.strike(300, "", "", down),
        }
    }

    /// Publishes jobs of the sweep once more, done or not.
    async fn double_jobs(&self, from: usize) -> Result<(), Failure> {
        let (queue, jobs) =
            (self.aside.queue_of("meddler", &self.reference.outcome.sweep).await?, self.reference.jobs());
        for job in jobs.iter().cycle().skip(from % jobs.len().max(1)).take(EXTRAS) {
            queue.publish(job, &self.reference.outcome.sweep).await?;
        }
        Ok(())
    }

    /// Changes a stored result to something that it cannot be; waits for one if there is none yet.
    async fn edit_result(&mut self, number: usize) -> Result<(), Failure> {
        let bucket = edits::open(&self.aside).await?;
        let start = Instant::now();
        while start.elapsed() < STORED {
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

    async fn smuggle(&self) -> Result<(), Failure> {
        let meddler = meddler(&self.aside, &self.reference.outcome.sweep).await?;
        for number in 0..EXTRAS {
            let message = match number % 3 {
                0 => "not of Bowline at all".to_owned(),
                1 => r#"{"version": 99, "sweep": "later", "colour": "red"}"#.to_owned(),
                _ => r#"{"version": 1, "sweep": "s", "job": {"version": 1}}"#.to_owned(),
            };
            meddler.publish(message.as_bytes()).await?;
        }
        Ok(())
    }
}
