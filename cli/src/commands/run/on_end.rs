//! Notifications about the end of a run: a command of the user, and a request to a URL.

mod account;
mod command;
mod webhook;

pub(crate) use account::Account;

use crate::{
    args,
    failure::{Failure, RunFailure},
};
use webhook::Webhook;

/// The notifications about the end of a run.
#[derive(Debug)]
pub(super) struct Hooks<'a> {
    command: Option<&'a str>,
    webhook: Option<Webhook>,
}

impl<'a> Hooks<'a> {
    /// Those that the command line names.
    ///
    /// # Errors
    /// A URL that is none, or certificates that cannot be read.
    pub(super) fn of(args: &'a args::Run) -> Result<Self, Failure> {
        let webhook = match &args.on_end_url {
            Some(url) => Some(Webhook::new(url, args.store.s3.ca.as_deref())?),
            None => None,
        };
        Ok(Self { command: args.on_end.as_deref(), webhook })
    }

    /// Notifies each of them. A notification that fails is a warning, and changes nothing.
    pub(super) fn notify(&self, account: &Account, ended: &Result<(), Failure>) {
        if let Some(command) = self.command {
            command::run(command, &account.sweep, ended);
        }
        if let Some(webhook) = &self.webhook {
            webhook.post(&account.in_json(ended));
        }
    }
}

/// The word, the exit code and the message of an end.
struct Words {
    word: &'static str,
    exit_code: u8,
    message: String,
}

impl Words {
    fn of(ended: &Result<(), Failure>) -> Self {
        match ended {
            Ok(()) => Self { word: "finished", exit_code: 0, message: String::new() },
            Err(failure) => {
                Self { word: word_of(failure), exit_code: failure.exit_code(), message: jobs::error_line(failure) }
            }
        }
    }
}

fn word_of(failure: &Failure) -> &'static str {
    match failure {
        Failure::Run(failure) => word_of_run(failure),
        Failure::Interrupted => "interrupted",
        Failure::Argument { .. }
        | Failure::File(_)
        | Failure::Input(_)
        | Failure::Init(_)
        | Failure::Finetune(_)
        | Failure::Merge(_)
        | Failure::Worker(_)
        | Failure::Stored(_)
        | Failure::Analysis(_)
        | Failure::Queue(_)
        | Failure::Watching(_)
        | Failure::K8s(_)
        | Failure::Doctor(_)
        | Failure::Store(_)
        | Failure::Panicked
        | Failure::Runtime(_) => "failed",
    }
}

fn word_of_run(failure: &RunFailure) -> &'static str {
    match failure {
        RunFailure::Jobs { .. } => "finished with failures",
        RunFailure::Stopped(_) | RunFailure::TooManyFailures { .. } => "stopped",
        RunFailure::Cancelled => "cancelled",
        RunFailure::Freeze(_)
        | RunFailure::Coordinator(_)
        | RunFailure::Evaluation(_)
        | RunFailure::TooManyJobs { .. }
        | RunFailure::NotWritten { .. }
        | RunFailure::Evaluated { .. }
        | RunFailure::Webhook { .. } => "failed",
    }
}
