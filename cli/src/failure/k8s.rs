use super::code;
use std::path::PathBuf;

/// Why Kubernetes manifests cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum K8sFailure {
    /// A folder that is no overlay of `k8s/`.
    #[error("`{}` is no overlay: there is no `{}`", folder.display(), missing.join("kustomization.yaml").display())]
    Overlay { folder: PathBuf, missing: PathBuf },
    /// A sweep file names something that does not exist in a cluster.
    #[error("`{}` names `{place}` under `{key}`, which lies beside the file on this machine alone", path.display())]
    LocalPlace { path: PathBuf, key: String, place: String },
    /// A sweep file that is too large for a ConfigMap.
    #[error("`{}` has {bytes} bytes, more than the {most} that a ConfigMap holds", path.display())]
    LargeSweep { path: PathBuf, bytes: usize, most: usize },
    /// A folder that holds another kustomization.
    #[error("`{}` is not a sweep's: it is left as it is", path.display())]
    OtherKustomization { path: PathBuf },
    /// Kustomize did not build.
    #[error("`{program}` cannot build the overlay: {reason}")]
    Kustomize { program: &'static str, reason: String },
    /// There is no kustomize.
    #[error("neither `kubectl` nor `kustomize` can be started")]
    NoKustomize,
}

impl K8sFailure {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::NoKustomize => code::UNAVAILABLE,
            Self::Overlay { .. }
            | Self::LocalPlace { .. }
            | Self::LargeSweep { .. }
            | Self::OtherKustomization { .. }
            | Self::Kustomize { .. } => code::BAD_INPUT,
        }
    }

    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::LocalPlace { .. } => Some(
                "put it where pods reach it: `hf://owner/name`, `s3://bucket/prefix`, or the absolute path of a volume that they mount",
            ),
            Self::OtherKustomization { .. } => Some("give `--write` a folder of its own"),
            Self::NoKustomize => Some("install one of them, or take the kustomization with `--write DIR`"),
            Self::Overlay { .. } => {
                Some("an overlay is a folder such as `k8s/overlays/example`, with `settings/` in it")
            }
            Self::LargeSweep { .. } | Self::Kustomize { .. } => None,
        }
    }
}
