//! The queue between the coordinator and the workers.
//!
//! [`JobPublisher`] is the coordinator's role and [`JobConsumer`] a worker's. A worker holds a [`Delivery`] until it
//! settles it. [`MemoryQueue`] implements both roles within one process; [`RabbitQueue`] connects machines. A message
//! is a hint: only the store knows what is done. Delivery is therefore at least once, and a job that arrives twice
//! does no harm. Every backend passes the rules of the `contract` module (feature `contract`).

mod consumer;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod delivery;
mod error;
mod memory;
#[cfg(any(test, feature = "contract"))]
pub mod proxy;
mod publisher;
mod rabbit;
mod source;

pub use consumer::JobConsumer;
pub use delivery::{DeadLetter, Delivery};
pub use error::QueueError;
pub use memory::MemoryQueue;
pub use publisher::JobPublisher;
pub use rabbit::{
    AddressError, Policy, PoolName, PoolNameError, QueueReport, RabbitAddress, RabbitCheck, RabbitConsumer,
    RabbitQueue, RabbitReport, RabbitSettings, WIRE_VERSION,
};
#[cfg(any(test, feature = "contract"))]
pub use rabbit::{FaultInjector, MessageCounts, message_body, read_message};
pub use source::{Backlog, JobSource};
