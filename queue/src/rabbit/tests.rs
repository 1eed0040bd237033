//! Against a real broker, whose address `BOWLINE_TEST_AMQP_URL` names; skipped, in print, where it does not.

mod breaks;
mod broker;
mod contract;
mod foreign;
mod held_up;
mod private;
mod refusals;
mod restarts;
mod sweeps;
mod tls;
