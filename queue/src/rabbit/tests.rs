//! Tests against the real broker at the address in `BOWLINE_TEST_AMQP_URL`. Without the variable they are skipped, and
//! print this.

mod breaks;
mod broker;
mod contract;
mod full_dead_letter_queue;
mod other_messages;
mod private;
mod refusals;
mod restarts;
mod sweeps;
mod tls;
