//! RabbitMQ as the queue: durable quorum queues, one for the jobs of each sweep and a set per pool of workers.
//! `docs/rabbitmq.md` describes them for operators.

mod acknowledger;
mod address;
mod announcements;
mod announcer;
mod buffer;
mod bursts;
mod channel;
mod check;
mod connection;
mod consumer;
mod consumer_task;
mod deferred;
mod fault;
#[cfg(any(test, feature = "contract"))]
mod fault_injector;
mod in_flight;
#[cfg(any(test, feature = "contract"))]
mod messages;
mod outage;
mod outbox;
mod pending_delivery;
mod pending_publish;
mod publisher_task;
mod queue;
mod removal;
mod retry_consumer;
mod sender;
mod settings;
mod subscription;
#[cfg(test)]
mod tests;
mod topology;
mod wire;

pub use address::{AddressError, RabbitAddress};
pub use check::{Policy, QueueReport, RabbitCheck, RabbitReport};
pub use consumer::RabbitConsumer;
#[cfg(any(test, feature = "contract"))]
pub use fault_injector::{FaultInjector, MessageCounts};
#[cfg(any(test, feature = "contract"))]
pub use messages::{message_body, read_message};
pub use queue::RabbitQueue;
pub use settings::{PoolName, PoolNameError, RabbitSettings};
pub use wire::WIRE_VERSION;
