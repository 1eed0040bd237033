//! `bowline`: sweeps over LoRA merges, from a sweep file to the winning adapter.

mod adapters;
mod analysed;
mod args;
mod card;
mod clock;
mod commands;
mod failed;
#[warn(clippy::wildcard_enum_match_arm)]
mod failure;
mod interrupt;
mod local;
mod pools;
mod progress;
mod ready;
mod remote;
mod report;
mod revised;
mod runner;
mod similarity;
mod sweep_file;
mod terminal;
#[cfg(test)]
mod testing;
mod training;
mod unfinished;
mod variants;
mod watching;

use args::{Args, Command};
use clap::Parser;
use failure::Failure;
use local::{choose_device, train_on_processor};
use std::{panic, process::ExitCode};
use terminal::Role;

/// Threads of a worker allocate side by side, and glibc keeps what each of them frees apart.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Queue, store and hub share it; two of them in one process would panic at the first connection.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        terminal::note("warning: another TLS provider was installed before");
    }
    if let Err(error) = files::end_on_lost_pages() {
        terminal::note(format_args!(
            "warning: files that are truncated while they are in use will not be named: {error}"
        ));
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return ExitCode::from(terminal::usage(&error)),
    };
    let role = match args.command {
        Command::Worker(_) => Role::Worker,
        Command::Run(_) => Role::Run,
        Command::Init(_)
        | Command::Plan(_)
        | Command::Status(_)
        | Command::Watch(_)
        | Command::Serve(_)
        | Command::Cancel(_)
        | Command::Sweeps(_)
        | Command::Show(_)
        | Command::Finish(_)
        | Command::Failures(_)
        | Command::Finetune(_)
        | Command::Merge(_)
        | Command::Evaluate(_)
        | Command::Check(_)
        | Command::Heads(_)
        | Command::Analyze(_)
        | Command::Export(_)
        | Command::Doctor(_)
        | Command::Probe(_)
        | Command::K8s(_)
        | Command::Schema(_)
        | Command::Completions(_)
        | Command::Man(_) => Role::Other,
    };
    terminal::set_look(args.color, args.quiet);
    let guard = terminal::init_logging(args.verbose, args.log_format, role);
    let ended = guard.and_then(|guard| {
        // The hook has printed what and where by the time a panic arrives here.
        let computed = || local::choose_instructions().and_then(|()| run(args.command));
        let ended = panic::catch_unwind(computed).unwrap_or(Err(Failure::Panicked));
        // A thread that runs a command is not waited for, and the command would outlive it.
        worker::end_commands();
        // Sends the last spans.
        drop(guard);
        ended
    });
    match ended.and_then(|()| terminal::check_stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal::error(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Init(args) => commands::init::run(&args),
        Command::Run(mut args) => {
            choose_device(&mut args.compute, args.publish.queue.is_none());
            commands::run::run(&args)
        }
        Command::Plan(args) => commands::plan::run(&args),
        Command::Worker(mut args) => {
            choose_device(&mut args.compute, true);
            commands::worker::run(&args)
        }
        Command::Status(args) => commands::status::run(&args),
        Command::Watch(args) => commands::watch::run(&args),
        Command::Serve(args) => commands::serve::run(&args),
        Command::Cancel(args) => commands::cancel::run(&args),
        Command::Sweeps(args) => commands::sweeps::run(&args),
        Command::Show(args) => commands::show::run(&args),
        Command::Finish(mut args) => {
            choose_device(&mut args.compute, args.publish.queue.is_none());
            commands::finish::run(&args)
        }
        Command::Failures(args) => commands::failures::run(&args),
        Command::Finetune(mut args) => {
            train_on_processor(&mut args.compute);
            commands::finetune::run(&args)
        }
        Command::Merge(args) => commands::merge::run(&args),
        Command::Evaluate(mut args) => {
            choose_device(&mut args.compute, true);
            commands::evaluate::run(&args)
        }
        Command::Check(mut args) => {
            choose_device(&mut args.compute, true);
            commands::check::run(&args)
        }
        Command::Heads(args) => commands::heads::run(&args),
        Command::Analyze(args) => commands::analyze::run(&args),
        Command::Doctor(mut args) => {
            choose_device(&mut args.compute, true);
            commands::doctor::run(&args)
        }
        Command::Export(args) => commands::export::run(&args),
        Command::Probe(args) => commands::probe::run(&args),
        Command::K8s(args) => commands::k8s::run(&args),
        Command::Schema(args) => commands::schema::run(&args),
        Command::Completions(args) => commands::completions::run(&args),
        Command::Man(args) => commands::man::run(&args),
    }
}
