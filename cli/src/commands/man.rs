use crate::{
    args::{self, Args},
    failure::{Failure, FileFailure},
    terminal,
};
use clap::CommandFactory;
use std::fs;

/// `bowline man`: a manual page for `bowline` and for each of its commands.
pub(crate) fn run(args: &args::Man) -> Result<(), Failure> {
    let written = fs::create_dir_all(&args.out).and_then(|()| clap_mangen::generate_to(Args::command(), &args.out));
    written.map_err(|source| Failure::File(FileFailure::Write { path: args.out.clone(), source }))?;
    terminal::note(format_args!("the pages are in {}; `man -l {0}/bowline.1` shows the first", args.out.display()));
    Ok(())
}
