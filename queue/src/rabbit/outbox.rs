use super::{
    RabbitSettings,
    fault::{Fault, LONGEST_DELAY, Outage, SHORTEST_DELAY},
    line::Line,
    link::Link,
    topology::Topology,
    wire::Letter,
};
use crate::QueueError;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use lapin::{
    Channel, Confirmation,
    message::{BasicReturnMessage, Delivery},
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until},
};

/// Messages that wait for the broker's confirmation at a time. It bounds memory, and what is sent twice after a break.
const WINDOW: usize = 1000;

/// How long the broker may take over a confirmation before the connection is taken for useless. It may take long where
/// a queue has just lost most of its replicas, and for ever where a connection broke without a word.
const CONFIRM_PATIENCE: Duration = Duration::from_secs(60);

/// Where messages are handed in that the broker must have.
///
/// They leave in the order in which [`send`](Self::send) was first polled. One whose connection breaks before it is
/// confirmed is sent again, so that it may arrive twice, and so does one whose caller has gone meanwhile. One that the
/// broker refuses to store is sent again later, and holds up no other.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    post: mpsc::UnboundedSender<Posted>,
}

/// The end that works an [`Outbox`] off.
pub(super) struct Postman {
    posted: mpsc::UnboundedReceiver<Posted>,
    link: Arc<Link>,
    topology: Topology,
    settings: Arc<RabbitSettings>,
    outage: Outage,
    /// Messages to be sent first, oldest first.
    backlog: VecDeque<Posted>,
}

#[derive(Debug)]
struct Posted {
    letter: Arc<Letter>,
    done: oneshot::Sender<Result<(), QueueError>>,
    /// How often the broker refused to store it.
    refusals: u32,
    /// When it was first found that the broker does not take it, though it is in reach.
    stuck_since: Option<Instant>,
}

/// How the use of a channel ended.
enum End {
    /// Nobody posts any more.
    Over,
    /// The connection, the channel or the queues failed.
    Failed(Fault),
    /// The broker was silent about some message for too long: the channel may be useless, or that message's queue.
    Silent,
}

impl Outbox {
    /// An outbox, and the end that somebody has to run.
    pub(super) fn new(link: &Arc<Link>, topology: &Topology, settings: &Arc<RabbitSettings>) -> (Self, Postman) {
        let (post, posted) = mpsc::unbounded_channel();
        let postman = Postman {
            posted,
            link: Arc::clone(link),
            topology: topology.clone(),
            settings: Arc::clone(settings),
            outage: Outage::new(settings.outage_limit),
            backlog: VecDeque::new(),
        };
        (Self { post }, postman)
    }

    /// Sends `letter`, and returns once the broker has taken it over.
    pub(super) async fn send(&self, letter: Letter) -> Result<(), QueueError> {
        let (done, outcome) = oneshot::channel();
        // At once, so that the order holds: a bounded channel may have its caller come again, and let others by. Each
        // message has a caller who waits, which is bound enough.
        let posted = Posted { letter: Arc::new(letter), done, refusals: 0, stuck_since: None };
        self.post.send(posted).map_err(|_| QueueError::SenderEnded)?;
        // The postman answers every message, unless it panics or its runtime ends.
        outcome.await.unwrap_or(Err(QueueError::SenderEnded))
    }
}

impl Postman {
    /// Sends what is posted, until nobody posts any more.
    pub(super) async fn run(mut self) {
        loop {
            if self.backlog.is_empty() {
                let Some(posted) = self.posted.recv().await else { return };
                self.backlog.push_back(posted);
            }
            let end = match self.open().await {
                Ok(line) => self.deliver(&line).await,
                Err(fault) => End::Failed(fault),
            };
            match end {
                End::Over => return,
                End::Failed(fault) => self.wait_out(&fault).await,
                End::Silent => self.go_through_backlog(),
            }
        }
    }

    /// A channel that confirms, with the queues that messages go to.
    async fn open(&self) -> Result<Line, Fault> {
        let line = self.link.channel().await?;
        line.attend(async {
            self.topology.declare(&line, &self.settings).await?;
            Ok(line.confirm_select(ConfirmSelectOptions::default()).await?)
        })
        .await?;
        Ok(line)
    }

    /// Sends over `line` until something goes wrong, or nobody posts any more.
    async fn deliver(&mut self, line: &Line) -> End {
        let mut round = Round::default();
        let (mut is_open, mut is_silent) = (true, false);
        loop {
            while round.has_room()
                && let Some(posted) = self.backlog.pop_front()
            {
                round.send(line, posted);
            }
            if round.is_over() || (!is_open && round.is_empty()) {
                break;
            }
            let due = round.next_due();
            tokio::select! {
                Some((number, outcome)) = round.flying.next() => match round.land(number, outcome) {
                    Landed::Stored => self.outage.over(),
                    Landed::Refused(posted) => self.try_later(posted, &mut round),
                    Landed::Returned(returned) => self.take_back(number, *returned, &mut round),
                    Landed::Failed => {}
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() && round.has_room() => {
                    self.backlog.extend(round.take_due());
                }
                posted = self.posted.recv(), if is_open && round.has_room() => match posted {
                    Some(posted) => self.backlog.push_back(posted),
                    None => is_open = false,
                },
                () = sleep(CONFIRM_PATIENCE), if !round.sent.is_empty() => if !self.link.is_blocked().await {
                    is_silent = true;
                    break;
                },
                fault = line.lost(), if !round.sent.is_empty() => round.breaks(fault),
                // Nothing is on the way and nobody posts any more.
                else => break,
            }
        }
        // In the order in which they were posted, before all that came later.
        let refused = round.refused.into_iter().map(|(_, posted)| posted);
        for posted in refused.chain(round.sent.into_values().rev()) {
            self.backlog.push_front(posted);
        }
        match round.fault {
            Some(fault) => End::Failed(fault),
            None if is_silent => End::Silent,
            None => End::Over,
        }
    }

    /// Takes back a message that reached no queue.
    ///
    /// The queue of a sweep that has ended is deleted. What comes later goes to the pool's queue, where workers drop what is not
    /// wanted any more. Other queues are made anew.
    fn take_back(&mut self, number: u64, returned: BasicReturnMessage, round: &mut Round) {
        if self.topology.declares(returned.delivery.routing_key.as_str()) {
            round.take_back(number, returned);
            // The next round declares the queue again.
            round.fail(Fault::new("a queue is missing"));
        } else {
            tracing::debug!(queue = %returned.delivery.routing_key, "a queue is gone; its message goes to the pool's");
            self.backlog.extend(round.redirect(number, returned, &self.topology.jobs));
        }
    }

    /// Keeps a message that the broker would not store for later, or gives it up.
    fn try_later(&self, posted: Posted, round: &mut Round) {
        let address = &self.settings.address;
        let Some(mut posted) = self.unless_stuck(posted) else { return };
        let delay = SHORTEST_DELAY.saturating_mul(1 << posted.refusals.min(16)).min(LONGEST_DELAY);
        tracing::warn!(%address, queue = posted.letter.queue, ?delay, "{NOT_STORED}; trying again");
        posted.refusals += 1;
        round.refused.push((Instant::now() + delay, posted));
    }

    /// Goes over what the broker was silent about, before it is sent once more.
    fn go_through_backlog(&mut self) {
        let (address, patience) = (&self.settings.address, CONFIRM_PATIENCE);
        tracing::warn!(%address, waiting = self.backlog.len(), ?patience, "the broker confirms nothing; sending again");
        let backlog = mem::take(&mut self.backlog);
        self.backlog = backlog.into_iter().filter_map(|posted| self.unless_stuck(posted)).collect();
    }

    /// Gives a message up that the broker, though in reach, has not taken for as long as an outage may last.
    fn unless_stuck(&self, mut posted: Posted) -> Option<Posted> {
        let tried = posted.stuck_since.get_or_insert_with(Instant::now).elapsed();
        if tried < self.settings.outage_limit {
            return Some(posted);
        }
        // A caller who has gone needs no answer.
        _ = posted.done.send(Err(unreachable(&self.settings, tried, NOT_STORED)));
        None
    }

    /// Waits before the next attempt; past the limit, gives up on all that is posted.
    async fn wait_out(&mut self, fault: &Fault) {
        let address = &self.settings.address;
        if let Some(delay) = self.outage.failed() {
            tracing::warn!(%address, reason = %fault.reason, ?delay, waiting = self.backlog.len(), "publishing failed; trying again");
            return sleep(delay).await;
        }
        // All at first: a caller who hears of it may post again at once, and that deserves an attempt.
        let mut given_up = mem::take(&mut self.backlog);
        given_up.extend(std::iter::from_fn(|| self.posted.try_recv().ok()));
        for posted in given_up {
            // A caller who has gone needs no answer.
            _ = posted.done.send(Err(unreachable(&self.settings, self.outage.lasted(), &fault.reason)));
        }
    }
}

/// The broker has been out of reach for too long.
pub(super) fn unreachable(settings: &RabbitSettings, tried: Duration, last: &str) -> QueueError {
    QueueError::Unreachable { address: settings.address.to_string(), tried, last: last.to_owned() }
}

type Outcome = Result<Confirmation, lapin::Error>;

/// The broker's queue has no room, or no leader.
const NOT_STORED: &str = "the broker did not store a message";

/// What became of a message.
enum Landed {
    /// The broker has it.
    Stored,
    /// The broker would not store it; the channel is well.
    Refused(Posted),
    /// It reached no queue; the channel is well.
    Returned(Box<BasicReturnMessage>),
    /// Something is wrong with the channel.
    Failed,
}

/// The messages sent over one channel.
#[derive(Default)]
struct Round {
    /// What is not confirmed, by the order of sending.
    sent: BTreeMap<u64, Posted>,
    flying: FuturesUnordered<BoxFuture<'static, (u64, Outcome)>>,
    count: u64,
    /// What the broker would not store, and when to send it again.
    refused: Vec<(Instant, Posted)>,
    /// What went wrong. Nothing is sent any more then.
    fault: Option<Fault>,
    is_broken: bool,
}

impl Round {
    fn has_room(&self) -> bool {
        self.fault.is_none() && self.sent.len() < WINDOW
    }

    /// Whether nothing is on its way, nor will be.
    fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.refused.is_empty()
    }

    fn next_due(&self) -> Option<Instant> {
        self.refused.iter().map(|(due, _)| *due).min()
    }

    fn take_due(&mut self) -> impl Iterator<Item = Posted> {
        let now = Instant::now();
        self.refused.extract_if(.., move |(due, _)| *due <= now).map(|(_, posted)| posted)
    }

    /// Whether nothing more can be learnt: the channel broke, or the last confirmation after a fault is in.
    fn is_over(&self) -> bool {
        self.is_broken || (self.fault.is_some() && self.flying.is_empty())
    }

    fn send(&mut self, channel: &Channel, posted: Posted) {
        let (number, channel, letter) = (self.count, channel.clone(), Arc::clone(&posted.letter));
        self.count += 1;
        let mut flight = async move {
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let queue = letter.queue.as_str().into();
            let sending = channel.basic_publish("".into(), queue, options, &letter.body, letter.properties.clone());
            let outcome = match sending.await {
                Ok(confirmation) => confirmation.await,
                Err(error) => Err(error),
            };
            (number, outcome)
        }
        .boxed();
        self.sent.insert(number, posted);
        // The first poll puts the message into the channel: here, so that messages keep their order.
        match (&mut flight).now_or_never() {
            Some(landed) => self.flying.push(std::future::ready(landed).boxed()),
            None => self.flying.push(flight),
        }
    }

    /// Takes in what became of a message.
    fn land(&mut self, number: u64, outcome: Outcome) -> Landed {
        match outcome {
            Ok(Confirmation::Ack(None)) => {
                if let Some(posted) = self.sent.remove(&number) {
                    // A caller who has gone needs no answer.
                    _ = posted.done.send(Ok(()));
                }
                return Landed::Stored;
            }
            Ok(Confirmation::Nack(None)) => {
                if let Some(posted) = self.sent.remove(&number) {
                    return Landed::Refused(posted);
                }
            }
            Ok(Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned))) => {
                return Landed::Returned(Box::new(returned));
            }
            Ok(Confirmation::NotRequested) => self.fail(Fault::new("the channel does not confirm")),
            Err(error) => self.breaks(error.into()),
        }
        Landed::Failed
    }

    /// Takes back a message that reached no queue.
    ///
    /// Where the broker confirms several at once, the client may hand the one that came back to another of them, and
    /// take this one for arrived. So what came back is sent again itself, beside the one it was handed to.
    fn take_back(&mut self, number: u64, returned: BasicReturnMessage) {
        let Delivery { routing_key, properties, data, .. } = returned.delivery;
        let is_same = |letter: &Letter| letter.queue == routing_key.as_str() && letter.body == data;
        let is_own = self.sent.get(&number).is_some_and(|posted| is_same(&posted.letter));
        if !is_own {
            let letter = Letter { queue: routing_key.to_string(), body: data, properties };
            // Nobody waits for it: its caller was told that it arrived.
            let posted =
                Posted { letter: Arc::new(letter), done: oneshot::channel().0, refusals: 0, stuck_since: None };
            self.sent.insert(self.count, posted);
            self.count += 1;
        }
    }

    /// Takes out a message that reached no queue, to be sent to `queue` instead. As in [`take_back`](Self::take_back), the one
    /// that it was handed to may be another, which is sent again as well.
    fn redirect(&mut self, number: u64, returned: BasicReturnMessage, queue: &str) -> Vec<Posted> {
        let Delivery { routing_key, properties, data, .. } = returned.delivery;
        let known = self.sent.remove(&number);
        let is_own = known
            .as_ref()
            .is_some_and(|posted| posted.letter.queue == routing_key.as_str() && posted.letter.body == data);
        let letter = Arc::new(Letter { queue: queue.to_owned(), body: data, properties });
        match known {
            Some(posted) if is_own => vec![Posted { letter, ..posted }],
            other => {
                // Nobody waits for it: its caller was told that it arrived.
                let orphan = Posted { letter, done: oneshot::channel().0, refusals: 0, stuck_since: None };
                other.into_iter().chain([orphan]).collect()
            }
        }
    }

    fn breaks(&mut self, fault: Fault) {
        self.is_broken = true;
        self.fail(fault);
    }

    fn fail(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::wire, *};
    use crate::{contract::job, delivery::Ticket};

    #[tokio::test]
    async fn without_a_postman_a_message_is_refused_and_does_not_wait() {
        let settings = Arc::new(RabbitSettings::new("amqp://localhost".parse().unwrap()));
        let topology = Topology::of(&settings.pool);
        let link = Arc::new(Link::new(&settings, "testing").unwrap());
        let (outbox, mut postman) = Outbox::new(&link, &topology, &settings);
        let letter = || wire::letter(&Ticket::first(job(1), "tests"), &topology.jobs);
        let ends = async {
            drop(postman.posted.recv().await);
            drop(postman);
        };
        let (taken, ()) = tokio::join!(outbox.send(letter()), ends);
        for outcome in [taken, outbox.send(letter()).await] {
            assert!(matches!(outcome, Err(QueueError::SenderEnded)), "{outcome:?}");
        }
    }
}
