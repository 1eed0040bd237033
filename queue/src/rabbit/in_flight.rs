use super::{fault::Fault, pending_publish::PendingPublish, wire::Message};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use lapin::{
    Channel, Confirmation,
    message::{BasicReturnMessage, Delivery},
    options::BasicPublishOptions,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};
use tokio::time::Instant;

/// The maximal number of unconfirmed messages. It bounds memory, and the number of messages that are published twice
/// after a break.
const MAX_UNCONFIRMED: usize = 1000;

type Confirmed = Result<Confirmation, lapin::Error>;

/// The broker's answer to one message.
pub(super) enum Answer {
    /// The broker has stored it.
    Stored,
    /// The broker refused to store it. The channel is not affected.
    Refused(PendingPublish),
    /// It reached no queue. The channel is not affected.
    Returned { number: u64, message: Box<BasicReturnMessage> },
    /// The channel failed.
    ChannelFailed,
}

/// A message that the broker refused to store, and when to publish it again.
struct Refused {
    due: Instant,
    message: PendingPublish,
}

/// The messages that were published over one channel and are not confirmed.
#[derive(Default)]
pub(super) struct InFlight {
    /// By the order of publishing.
    unconfirmed: BTreeMap<u64, PendingPublish>,
    confirmations: FuturesUnordered<BoxFuture<'static, (u64, Confirmed)>>,
    /// How many messages were published over this channel.
    count: u64,
    refused: Vec<Refused>,
    /// The first failure of the channel. Nothing is published after it.
    fault: Option<Fault>,
    is_broken: bool,
}

impl InFlight {
    /// Whether another message may be published.
    pub(super) fn has_room(&self) -> bool {
        self.fault.is_none() && self.room() > 0
    }

    /// How many further messages may be unconfirmed.
    pub(super) fn room(&self) -> usize {
        MAX_UNCONFIRMED.saturating_sub(self.unconfirmed.len())
    }

    /// Whether no message waits for the broker, or for its next attempt.
    pub(super) fn is_empty(&self) -> bool {
        self.unconfirmed.is_empty() && self.refused.is_empty()
    }

    pub(super) fn has_unconfirmed(&self) -> bool {
        !self.unconfirmed.is_empty()
    }

    /// Whether the channel is of no more use: it broke, or it failed and the last confirmation has arrived.
    pub(super) fn is_over(&self) -> bool {
        self.is_broken || (self.fault.is_some() && self.confirmations.is_empty())
    }

    /// When the next refused message is published again.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.refused.iter().map(|refused| refused.due).min()
    }

    /// Takes out the refused messages that are due.
    pub(super) fn take_due(&mut self) -> impl Iterator<Item = PendingPublish> {
        let now = Instant::now();
        self.refused.extract_if(.., move |refused| refused.due <= now).map(|refused| refused.message)
    }

    /// Keeps a refused message until `due`.
    pub(super) fn keep_until(&mut self, due: Instant, message: PendingPublish) {
        self.refused.push(Refused { due, message });
    }

    pub(super) fn publish(&mut self, channel: &Channel, pending: PendingPublish) {
        let number = self.count;
        self.count += 1;
        let channel = channel.clone();
        let message = Arc::clone(&pending.message);
        let mut publishing = async move {
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let queue = message.queue.as_str().into();
            let sending = channel.basic_publish("".into(), queue, options, &message.body, message.properties.clone());
            let confirmed = match sending.await {
                Ok(confirmation) => confirmation.await,
                Err(error) => Err(error),
            };
            (number, confirmed)
        }
        .boxed();
        self.unconfirmed.insert(number, pending);
        // The first poll puts the message into the channel. It happens here, so that messages keep their order.
        match (&mut publishing).now_or_never() {
            Some(confirmed) => self.confirmations.push(std::future::ready(confirmed).boxed()),
            None => self.confirmations.push(publishing),
        }
    }

    /// Waits for the broker's next answer. `None` if no message is unconfirmed. Cancel safe.
    pub(super) async fn next_answer(&mut self) -> Option<Answer> {
        let (number, confirmed) = self.confirmations.next().await?;
        Some(self.note(number, confirmed))
    }

    fn note(&mut self, number: u64, confirmed: Confirmed) -> Answer {
        match confirmed {
            Ok(Confirmation::Ack(None)) => {
                if let Some(pending) = self.unconfirmed.remove(&number) {
                    pending.finish(Ok(()));
                }
                return Answer::Stored;
            }
            Ok(Confirmation::Nack(None)) => {
                if let Some(pending) = self.unconfirmed.remove(&number) {
                    return Answer::Refused(pending);
                }
            }
            Ok(Confirmation::Ack(Some(message)) | Confirmation::Nack(Some(message))) => {
                return Answer::Returned { number, message: Box::new(message) };
            }
            Ok(Confirmation::NotRequested) => self.fail(Fault::new("the channel does not confirm")),
            Err(error) => self.channel_broke(error.into()),
        }
        Answer::ChannelFailed
    }

    /// Keeps a returned message unconfirmed, so that it is published again over the next channel.
    ///
    /// If the broker confirms several messages at once, the client may attach the returned message to the confirmation
    /// of another one, and report this one as stored. Therefore the returned message itself is kept, beside the one
    /// that it was attached to.
    pub(super) fn keep_returned(&mut self, number: u64, returned: BasicReturnMessage) {
        let Delivery { routing_key, properties, data, .. } = returned.delivery;
        let is_own = self.unconfirmed.get(&number).is_some_and(|pending| pending.is(routing_key.as_str(), &data));
        if !is_own {
            let message = Message { queue: routing_key.to_string(), body: data, properties };
            self.unconfirmed.insert(self.count, PendingPublish::without_caller(message));
            self.count += 1;
        }
    }

    /// Takes out a returned message, to be published to `queue`. As in [`keep_returned`](Self::keep_returned), it may
    /// be attached to the confirmation of another message, which is published again as well.
    pub(super) fn redirect(&mut self, number: u64, returned: BasicReturnMessage, queue: &str) -> Vec<PendingPublish> {
        let Delivery { routing_key, properties, data, .. } = returned.delivery;
        let known = self.unconfirmed.remove(&number);
        let is_own = known.as_ref().is_some_and(|pending| pending.is(routing_key.as_str(), &data));
        let message = Message { queue: queue.to_owned(), body: data, properties };
        match known {
            Some(pending) if is_own => vec![pending.with_message(message)],
            other => other.into_iter().chain([PendingPublish::without_caller(message)]).collect(),
        }
    }

    /// Notes that the channel broke: no more confirmations will arrive.
    pub(super) fn channel_broke(&mut self, fault: Fault) {
        self.is_broken = true;
        self.fail(fault);
    }

    /// Notes a failure of the channel. The confirmations of published messages may still arrive.
    pub(super) fn fail(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// Puts all messages in front of `backlog`: the unconfirmed ones in their order, then the refused ones. Returns
    /// the failure.
    pub(super) fn return_to(self, backlog: &mut VecDeque<PendingPublish>) -> Option<Fault> {
        let refused = self.refused.into_iter().map(|refused| refused.message);
        for pending in refused.chain(self.unconfirmed.into_values().rev()) {
            backlog.push_front(pending);
        }
        self.fault
    }
}
