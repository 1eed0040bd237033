use super::{
    Factors, Form, Lift, Spectrum,
    core::{self, Bases, CoreBases},
    input::Input,
    knots, matrix,
};
use crate::{
    linalg::{self, NoConvergence},
    methods::{Cover, DcMerge, MeanBases, NoMean, Smoothing, compress, geodesic_mean},
};
use faer::Mat;
use jobs::{Axis, Mask, Sigma, SigmaCut, SmoothingRule, Space};

/// All tasks' updates of one weight in a space.
pub(super) struct Coordinates {
    pub(super) form: Form,
    pub(super) lift: Lift,
    /// The norms of the tasks' updates, where the task matrices have others.
    pub(super) norms: Option<Vec<f64>>,
    /// The singular values of the stacked B that belong to the left basis, if it is theirs.
    pub(super) output_sigma: Vec<f64>,
    /// The task matrices before they are rounded, of spaces whose bases are those of stacked factors.
    pub(super) exact: Option<Vec<Mat<f64>>>,
    pub(super) spectrum: Spectrum,
}

impl From<Form> for Coordinates {
    fn from(form: Form) -> Self {
        Self {
            form,
            lift: Lift::default(),
            norms: None,
            output_sigma: Vec::new(),
            exact: None,
            spectrum: Spectrum::default(),
        }
    }
}

impl From<CoreBases> for Coordinates {
    fn from(mut bases: CoreBases) -> Self {
        let spectrum = bases.spectrum;
        let output_sigma = std::mem::take(&mut bases.output_sigma);
        let (form, exact) = bases.into_form();
        Self { spectrum, output_sigma, exact: Some(exact), ..form.into() }
    }
}

impl Coordinates {
    /// The coordinates of `input` in `space`; `kept` counts the singular triplets of each task that `dc` takes.
    pub(super) fn new(input: &Input<'_>, space: Space, kept: &[usize]) -> Result<Self, NoMean> {
        let coordinates = match space {
            Space::Full => matrix::full(&input.modules).into(),
            Space::Knots { axis, cut, sigma } => Self::in_knots(input, axis, cut, sigma)?,
            Space::Core => core::joint(input.shape, &input.factors(), Bases::Svd)?.into(),
            Space::CoreQr => core::joint(input.shape, &input.factors(), Bases::Qr)?.into(),
            Space::CoreGeodesic => Self::between_bases(input)?,
            Space::Compressed { rank, balance } => Self::compressed(input, rank as usize, balance)?,
            Space::Dc { smoothing, rule, mask, cover_rank: _ } => {
                let settings = match rule {
                    SmoothingRule::Average => DcMerge { rule: Smoothing::Average, strength: smoothing },
                    SmoothingRule::Linear => DcMerge { rule: Smoothing::Linear, strength: smoothing },
                    SmoothingRule::None => DcMerge { rule: Smoothing::Average, strength: 0.0 },
                };
                Self::covered(input, kept, settings, mask)?
            }
        };
        Ok(coordinates)
    }

    fn in_knots(input: &Input<'_>, axis: Axis, cut: SigmaCut, sigma: Sigma) -> Result<Self, NoConvergence> {
        let [rows, cols] = input.shape;
        let joint = match axis {
            Axis::Columns => knots::joint([rows, cols], input.factors(), cut, sigma)?,
            Axis::Rows => {
                let swap = |factors: Factors| Factors { b: factors.at, at: factors.b };
                let factors = input.factors().into_iter().map(|factors| factors.map(swap)).collect();
                knots::joint([cols, rows], factors, cut, sigma)?
            }
        };
        let form = match axis {
            Axis::Columns => Form::Columns { basis: joint.basis.into(), parts: joint.parts },
            Axis::Rows => Form::Rows { basis: joint.basis.transposed().into(), parts: joint.parts },
        };
        let lift = Lift { row_scale: joint.row_scale, blocks: None };
        Ok(Self { lift, spectrum: joint.spectrum, ..form.into() })
    }

    /// Compress-then-Merge: the bases of a rank that keep the most of all tasks, within those of the core.
    fn compressed(input: &Input<'_>, rank: usize, balance: f64) -> Result<Self, NoConvergence> {
        let core = core::joint(input.shape, &input.factors(), Bases::Svd)?;
        let norms = norms(&core.parts);
        let compressed = compress(&core.parts, rank, balance)?;
        if !compressed.has_converged {
            let rounds = compressed.rounds;
            tracing::warn!(matrix = %input.name, rounds, "the bases of `compressed` did not come to rest");
        }
        let bases = core.within(&compressed.left, &compressed.right, compressed.cores);
        Ok(Self { norms: Some(norms), ..bases.into() })
    }

    /// DC-Merge: whitened bases of all tasks' directions, within those of the core.
    fn covered(input: &Input<'_>, kept: &[usize], settings: DcMerge, mask: Mask) -> Result<Self, NoConvergence> {
        let core = core::joint(input.shape, &input.factors(), Bases::Svd)?;
        let norms = norms(&core.parts);
        let cover = Cover::new(&core.parts, kept, settings)?;
        let blocks = (mask == Mask::Block).then(|| cover.bounds.clone());
        let bases = core.within(&cover.left, &cover.right, cover.cores);
        Ok(Self { norms: Some(norms), lift: Lift { row_scale: None, blocks }, ..bases.into() })
    }

    /// The bases in the middle of those of all tasks that have the module.
    fn between_bases(input: &Input<'_>) -> Result<Self, NoMean> {
        let factors = input.factors();
        let norms = norms(&core::joint(input.shape, &factors, Bases::Svd)?.parts);
        let inside = |bases: &MeanBases, task: &Factors| {
            let outputs = linalg::product(bases.left.transpose(), task.b.as_ref());
            let inputs = linalg::product(bases.right.transpose(), task.at.as_ref());
            linalg::product(outputs.as_ref(), inputs.transpose())
        };
        let present: Vec<&Factors> = factors.iter().flatten().collect();
        let bases = geodesic_mean(&present, &vec![1.0; present.len()])?;
        let none = || Mat::zeros(bases.left.ncols(), bases.right.ncols());
        let parts = factors.iter().map(|task| task.as_ref().map_or_else(none, |task| inside(&bases, task))).collect();
        let kept = bases.left.ncols();
        let spectrum = Spectrum { kept, ..Spectrum::default() };
        let bases = CoreBases { left: bases.left, right: bases.right, parts, output_sigma: Vec::new(), spectrum };
        Ok(Self { norms: Some(norms), ..bases.into() })
    }
}

fn norms(parts: &[Mat<f64>]) -> Vec<f64> {
    parts.iter().map(|part| part.norm_l2()).collect()
}
