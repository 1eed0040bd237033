use super::{
    channel::WatchedChannel,
    connection::BrokerConnection,
    fault::Fault,
    in_flight::{Answer, InFlight},
    outage::{LONGEST_DELAY, Outage, SHORTEST_DELAY, unreachable},
    pending_publish::PendingPublish,
    settings::RabbitSettings,
    topology::Topology,
};
use futures_util::FutureExt;
use lapin::{message::BasicReturnMessage, options::ConfirmSelectOptions};
use std::{collections::VecDeque, mem, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

/// How long the broker may confirm nothing before the channel is replaced. It may take long if a queue has just lost
/// most of its replicas, and for ever if a connection broke silently.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(60);

/// The broker's queue is full or has no leader.
const NOT_STORED: &str = "the broker did not store a message";

/// The task that publishes the messages of an [`Outbox`](super::outbox::Outbox).
pub(super) struct PublisherTask {
    messages: mpsc::UnboundedReceiver<PendingPublish>,
    connection: Arc<BrokerConnection>,
    topology: Topology,
    settings: Arc<RabbitSettings>,
    outage: Outage,
    /// Messages to publish before those of the outbox, oldest first.
    backlog: VecDeque<PendingPublish>,
}

/// How the use of a channel ended.
enum End {
    /// The outbox was dropped, and all its messages are confirmed.
    Finished,
    /// The connection, the channel or the queues failed.
    Failed(Fault),
    /// The broker confirmed nothing for too long: either the channel or the queue of a message is out of order.
    Unconfirmed,
}

impl PublisherTask {
    pub(super) fn new(
        messages: mpsc::UnboundedReceiver<PendingPublish>,
        connection: &Arc<BrokerConnection>,
        topology: &Topology,
        settings: &Arc<RabbitSettings>,
    ) -> Self {
        Self {
            messages,
            connection: Arc::clone(connection),
            topology: topology.clone(),
            settings: Arc::clone(settings),
            outage: Outage::new(settings.outage_limit),
            backlog: VecDeque::new(),
        }
    }

    /// Publishes until the outbox is dropped.
    pub(super) async fn run(mut self) {
        loop {
            if self.backlog.is_empty() {
                let Some(pending) = self.messages.recv().await else { return };
                self.backlog.push_back(pending);
            }
            let end = match self.open().await {
                Ok(channel) => self.publish_over(&channel).await,
                Err(fault) => End::Failed(fault),
            };
            match end {
                End::Finished => return,
                End::Failed(fault) => self.wait_or_give_up(&fault).await,
                End::Unconfirmed => self.drop_expired(),
            }
        }
    }

    /// Opens a channel in confirm mode, and declares the queues.
    async fn open(&self) -> Result<WatchedChannel, Fault> {
        let channel = self.connection.channel().await?;
        channel
            .run(async {
                self.topology.declare(&channel, &self.settings).await?;
                Ok(channel.confirm_select(ConfirmSelectOptions::default()).await?)
            })
            .await?;
        Ok(channel)
    }

    /// Publishes over `channel` until it fails, or until the outbox is dropped.
    async fn publish_over(&mut self, channel: &WatchedChannel) -> End {
        let mut in_flight = InFlight::default();
        let mut is_open = true;
        let mut is_unconfirmed = false;
        loop {
            while in_flight.has_room()
                && let Some(pending) = self.backlog.pop_front()
            {
                in_flight.publish(channel, pending);
            }
            if in_flight.is_over() || (!is_open && in_flight.is_empty()) {
                break;
            }
            let due = in_flight.next_due();
            let has_room = in_flight.has_room();
            let has_unconfirmed = in_flight.has_unconfirmed();
            tokio::select! {
                Some(answer) = in_flight.next_answer() => {
                    self.handle(answer, &mut in_flight);
                    // The broker confirms many messages at once. One iteration for each would cost more than the
                    // message.
                    while let Some(Some(answer)) = in_flight.next_answer().now_or_never() {
                        self.handle(answer, &mut in_flight);
                    }
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() && has_room => {
                    self.backlog.extend(in_flight.take_due());
                }
                pending = self.messages.recv(), if is_open && has_room => match pending {
                    Some(pending) => {
                        self.backlog.push_back(pending);
                        let more = std::iter::from_fn(|| self.messages.try_recv().ok());
                        self.backlog.extend(more.take(in_flight.room()));
                    }
                    None => is_open = false,
                },
                () = sleep(CONFIRM_TIMEOUT), if has_unconfirmed => if !self.connection.is_blocked().await {
                    is_unconfirmed = true;
                    break;
                },
                fault = channel.lost(), if has_unconfirmed => in_flight.channel_broke(fault),
                // Nothing is unconfirmed, and the outbox was dropped.
                else => break,
            }
        }
        // Before all messages that came later.
        match in_flight.return_to(&mut self.backlog) {
            Some(fault) => End::Failed(fault),
            None if is_unconfirmed => End::Unconfirmed,
            None => End::Finished,
        }
    }

    fn handle(&mut self, answer: Answer, in_flight: &mut InFlight) {
        match answer {
            Answer::Stored => self.outage.over(),
            Answer::Refused(pending) => self.retry_later(pending, in_flight),
            Answer::Returned { number, message } => self.handle_returned(number, *message, in_flight),
            Answer::ChannelFailed => {}
        }
    }

    /// Handles a message that reached no queue.
    ///
    /// The queue of a sweep is deleted when the sweep ends. Later messages go to the queue of the pool, where workers
    /// drop the jobs that no sweep wants. All other queues are declared again.
    fn handle_returned(&mut self, number: u64, returned: BasicReturnMessage, in_flight: &mut InFlight) {
        if self.topology.declares(returned.delivery.routing_key.as_str()) {
            in_flight.keep_returned(number, returned);
            // The next channel declares the queue again.
            in_flight.fail(Fault::new("a queue is missing"));
        } else {
            let queue = &returned.delivery.routing_key;
            tracing::debug!(%queue, "a queue was deleted; its message goes to the queue of the pool");
            self.backlog.extend(in_flight.redirect(number, returned, &self.topology.jobs));
        }
    }

    /// Keeps a message that the broker refused to store for another attempt, or gives it up.
    fn retry_later(&self, pending: PendingPublish, in_flight: &mut InFlight) {
        let address = &self.settings.address;
        let Some(mut pending) = self.unless_expired(pending) else { return };
        let delay = SHORTEST_DELAY.saturating_mul(1 << pending.refusals.min(16)).min(LONGEST_DELAY);
        tracing::warn!(%address, queue = pending.message.queue, ?delay, "{NOT_STORED}; trying again");
        pending.refusals += 1;
        in_flight.keep_until(Instant::now() + delay, pending);
    }

    /// Drops the messages that the broker has not confirmed for too long, before the others are published again.
    fn drop_expired(&mut self) {
        let address = &self.settings.address;
        tracing::warn!(
            %address,
            waiting = self.backlog.len(),
            timeout = ?CONFIRM_TIMEOUT,
            "the broker confirms nothing; publishing again"
        );
        let backlog = mem::take(&mut self.backlog);
        self.backlog = backlog.into_iter().filter_map(|pending| self.unless_expired(pending)).collect();
    }

    /// Gives up a message that a reachable broker has not accepted for as long as an outage may last.
    fn unless_expired(&self, mut pending: PendingPublish) -> Option<PendingPublish> {
        let tried = pending.refused_for();
        if tried < self.settings.outage_limit {
            return Some(pending);
        }
        pending.finish(Err(unreachable(&self.settings, tried, NOT_STORED)));
        None
    }

    /// Waits before the next attempt. Past the limit, gives up all messages.
    async fn wait_or_give_up(&mut self, fault: &Fault) {
        let address = &self.settings.address;
        if let Some(delay) = self.outage.failed() {
            let waiting = self.backlog.len();
            tracing::warn!(%address, reason = %fault.reason, ?delay, waiting, "publishing failed; trying again");
            return sleep(delay).await;
        }
        // Collects all messages before the first answer: a caller that gets the error may publish again at once, and
        // that message must be tried.
        let mut given_up = mem::take(&mut self.backlog);
        given_up.extend(std::iter::from_fn(|| self.messages.try_recv().ok()));
        for pending in given_up {
            pending.finish(Err(unreachable(&self.settings, self.outage.duration(), &fault.reason)));
        }
    }
}
