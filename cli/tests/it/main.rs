//! The binary as a person or a script meets it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails here should stop at once")]
#![expect(clippy::print_stdout, reason = "a test that is skipped should say so")]

mod adapters;
mod analyze;
mod authoring;
mod axes;
mod bad_input;
mod beforehand;
mod bowline;
mod by_inputs;
mod check;
mod clocks;
mod cluster;
mod commands;
mod conditions;
mod docs;
mod ending;
mod export;
mod finetune;
mod hub;
mod in_use;
mod init;
mod k8s;
mod live_run;
mod mistakes;
mod older_store;
mod pools;
mod precision;
mod process;
mod published;
mod revisions;
mod serve;
mod show;
mod signals;
mod stored;
mod sweeps;
mod texts;
mod training;
mod tutorial;
mod vision8;
mod watching;
mod webhook;
mod winner;
