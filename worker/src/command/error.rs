use jobs::{Blame, ByteSize};
use std::{io, path::PathBuf, time::Duration};

/// Why a command came to no scores.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The worker runs no commands.
    #[error(
        "the job runs a command of the sweep (`evaluation.command`), and this worker was started without `--allow-commands`"
    )]
    NotAllowed,
    /// The program cannot be started.
    #[error("cannot start `{program}` of `evaluation.command`")]
    Start {
        /// The program.
        program: String,
        /// What the system says.
        source: io::Error,
    },
    /// The system does not say how the command goes.
    #[error("cannot follow the command of `evaluation.command`")]
    Follow(#[source] io::Error),
    /// A file of its folder cannot be written or read.
    #[error("cannot {what} `{}` for the command", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// An adapter brings a head, and merges have none.
    #[error(
        "the adapter of `{task}` brings a head (`modules_to_save`), and a merge that `evaluation.command` gets has none: take adapters \
         without heads, or evaluate without a command"
    )]
    Head {
        /// The adapter's task.
        task: String,
    },
    /// Its memory cannot be limited here.
    #[error("`evaluation.memory` cannot be kept on this system: the memory of processes is known on Linux alone")]
    UnknownMemory,
    /// It took too long.
    #[error("the command took longer than `evaluation.timeout`, {} s, and was ended; {tail}", .limit.as_secs())]
    TimedOut {
        /// The limit.
        limit: Duration,
        /// The end of what it printed.
        tail: String,
    },
    /// It took too much memory.
    #[error(
        "the command held {} of memory, more than `evaluation.memory`, {}, and was ended; {tail}",
        ByteSize(*found),
        ByteSize(*limit)
    )]
    TooMuchMemory {
        /// Bytes that it held.
        found: u64,
        /// The limit.
        limit: u64,
        /// The end of what it printed.
        tail: String,
    },
    /// It asks for another attempt.
    #[error("the command ended with exit code 75, which asks for another attempt; {tail}")]
    TryAgain {
        /// The end of what it printed.
        tail: String,
    },
    /// It failed.
    #[error("the command ended with exit code {code}; {tail}")]
    Failed {
        /// The exit code.
        code: i32,
        /// The end of what it printed.
        tail: String,
    },
    /// A signal that the worker did not send ended it.
    #[error("the command was ended by signal {signal}{}; {tail}", if *signal == KILL { ", as the system does when memory runs out" } else { "" })]
    Signal {
        /// The signal.
        signal: i32,
        /// The end of what it printed.
        tail: String,
    },
    /// Its answer cannot be scores of the job.
    #[error("the command's answer (`BOWLINE_OUTPUT`) cannot be used: {fault}; {tail}")]
    Output {
        /// What is wrong with it. Readers of records show a message and not its cause, so this one says all.
        fault: OutputFault,
        /// The end of what it printed.
        tail: String,
    },
}

/// `SIGKILL`.
const KILL: i32 = 9;

/// What is wrong with the answer of a command.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OutputFault {
    /// There is none.
    #[error("the file is missing")]
    Missing,
    /// It is no regular file.
    #[error("it is no file")]
    NoFile,
    /// It is too large.
    #[error("it has more than {} MiB", .0 >> 20)]
    TooLarge(u64),
    /// It is no JSON of the expected form.
    #[error("{0}")]
    Form(String),
    /// It has other tasks than were asked for.
    #[error("it has scores of {found}, and {expected} was asked for")]
    Tasks {
        /// The tasks with scores.
        found: String,
        /// The tasks that were asked for.
        expected: String,
    },
    /// The numbers of a task cannot be.
    #[error("task `{task}` {problem}")]
    Task {
        /// The task.
        task: String,
        /// The rest of the sentence.
        problem: String,
    },
}

impl CommandError {
    /// Whether another attempt may succeed: the command says so, or the machine may have been at fault.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::TryAgain { .. } | Self::TimedOut { .. } | Self::Follow(_) => true,
            Self::Signal { signal, .. } => *signal == KILL,
            Self::NotAllowed
            | Self::Start { .. }
            | Self::File { .. }
            | Self::UnknownMemory
            | Self::TooMuchMemory { .. }
            | Self::Head { .. }
            | Self::Failed { .. }
            | Self::Output { .. } => false,
        }
    }

    /// Whether it is a fault of the worker, which ends after some of these in a row. A program that is missing is not: nobody has
    /// seen it before, so that its name may be wrong on all machines.
    pub fn is_own_fault(&self) -> bool {
        match self {
            Self::NotAllowed => true,
            Self::Start { .. }
            | Self::UnknownMemory
            | Self::Follow(_)
            | Self::File { .. }
            | Self::Head { .. }
            | Self::TimedOut { .. }
            | Self::TooMuchMemory { .. }
            | Self::TryAgain { .. }
            | Self::Failed { .. }
            | Self::Signal { .. }
            | Self::Output { .. } => false,
        }
    }

    /// Whether the number of attempts alone says how often it is tried, and not which machines are there: what the command does
    /// takes long, and is most often the same everywhere.
    pub fn counts_attempts(&self) -> bool {
        match self {
            Self::TimedOut { .. } | Self::TooMuchMemory { .. } | Self::TryAgain { .. } | Self::Signal { .. } => true,
            Self::NotAllowed
            | Self::Start { .. }
            | Self::UnknownMemory
            | Self::Follow(_)
            | Self::File { .. }
            | Self::Head { .. }
            | Self::Failed { .. }
            | Self::Output { .. } => false,
        }
    }

    /// Whether the failure belongs to the job or to the machine.
    ///
    /// Files are those of the worker's own folder. Limits are no part of a job's identity: a failure at one of them says nothing
    /// of the job once the limit is raised.
    pub fn blame(&self) -> Blame {
        let is_of_machine = match self {
            Self::Start { .. } | Self::UnknownMemory | Self::File { .. } | Self::TooMuchMemory { .. } => true,
            Self::NotAllowed
            | Self::Follow(_)
            | Self::TimedOut { .. }
            | Self::TryAgain { .. }
            | Self::Head { .. }
            | Self::Failed { .. }
            | Self::Signal { .. }
            | Self::Output { .. } => self.is_retryable() || self.is_own_fault(),
        };
        if is_of_machine { Blame::Machine } else { Blame::Job }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_command_does_is_of_the_job_and_what_the_machine_lacks_is_of_the_machine() {
        let tail = String::new;
        let signal = |signal| CommandError::Signal { signal, tail: tail() };
        let start = || CommandError::Start { program: "python".to_owned(), source: io::Error::from_raw_os_error(2) };
        for (error, is_retryable, blame) in [
            (CommandError::Failed { code: 1, tail: tail() }, false, Blame::Job),
            (CommandError::TooMuchMemory { found: 2, limit: 1, tail: tail() }, false, Blame::Machine),
            (CommandError::Output { fault: OutputFault::Missing, tail: tail() }, false, Blame::Job),
            (signal(11), false, Blame::Job),
            (signal(9), true, Blame::Machine),
            (CommandError::TryAgain { tail: tail() }, true, Blame::Machine),
            (CommandError::TimedOut { limit: Duration::ZERO, tail: tail() }, true, Blame::Machine),
            (start(), false, Blame::Machine),
            (CommandError::NotAllowed, false, Blame::Machine),
        ] {
            assert_eq!(error.is_retryable(), is_retryable, "{error}");
            assert_eq!(error.blame(), blame, "{error}");
        }
        assert!(CommandError::NotAllowed.is_own_fault() && !CommandError::TryAgain { tail: tail() }.is_own_fault());
        assert!(!start().is_own_fault(), "a misspelt program ends no worker");
    }

    #[test]
    fn a_killed_command_says_what_the_reason_may_be() {
        let text = |signal| CommandError::Signal { signal, tail: "it printed nothing".to_owned() }.to_string();
        let killed = "the command was ended by signal 9, as the system does when memory runs out; it printed nothing";
        assert_eq!(text(9), killed);
        assert_eq!(text(6), "the command was ended by signal 6; it printed nothing");
    }
}
