use crate::{
    args::{self, Args},
    failure::Failure,
    terminal,
};
use clap::CommandFactory;

/// `bowline completions`: a script with which a shell completes commands and options.
pub(crate) fn run(args: &args::Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "bowline", &mut script);
    terminal::styled_data(String::from_utf8_lossy(&script).trim_end());
    Ok(())
}
