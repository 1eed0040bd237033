//! `bowline sweeps`: lists the sweeps in a store, shows one, and removes them.

pub(crate) mod list;
mod remove;
mod show;

use crate::{
    args::{self, SweepsCommand},
    failure::Failure,
    local::runtime,
};

pub(crate) fn run(args: &args::Sweeps) -> Result<(), Failure> {
    let runtime = runtime()?;
    match &args.command {
        SweepsCommand::List(args) => runtime.block_on(list::list(args)),
        SweepsCommand::Show(args) => runtime.block_on(show::show(args)),
        SweepsCommand::Remove(args) => runtime.block_on(remove::remove(args)),
    }
}
