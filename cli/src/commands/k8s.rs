mod render;

use crate::{args, failure::Failure};

/// `bowline k8s`: renders Kubernetes manifests.
pub(crate) fn run(args: &args::K8s) -> Result<(), Failure> {
    match &args.command {
        args::K8sCommand::Render(args) => render::run(args),
    }
}
