mod render;

use crate::{args, failure::Failure};

/// `bowline k8s`: what a cluster is given.
pub(crate) fn run(args: &args::K8s) -> Result<(), Failure> {
    match &args.command {
        args::K8sCommand::Render(args) => render::run(args),
    }
}
