use crate::{
    args::{self, Secret},
    failure::{DoctorFailure, Failure, InputFailure},
    local::{device, engine, inputs, runtime, without_device_memory},
    remote::{open_store, rabbit_settings},
    sweep_file::absolute,
    terminal,
};
use evaluation::{DeviceChoice, FamilyVisitor, Model, ModelFamily, ModelKind, PairTokenizer, TextLimits, TriedOut};
use jobs::{HubKind, InputRef, Precision};
use preflight::CheckError;
use queue::{RabbitCheck, RabbitQueue};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use url::Url;

/// `bowline doctor`: tests what a run needs.
pub(crate) fn run(args: &args::Doctor) -> Result<(), Failure> {
    let mut checks = vec![("device", check_device(args)), ("store", check_store(args))];
    if let Some(url) = &args.broker.queue {
        checks.push(("queue", check_queue(args, url)));
    }
    if let Some(base) = &args.base {
        checks.push(("model", check_model(args, base)));
    }
    let total = checks.len();
    let mut failed = 0;
    for (name, outcome) in checks {
        match outcome {
            Ok(text) => terminal::data(format_args!("{name:<8} ok      {text}")),
            Err(failure) => {
                failed += 1;
                terminal::data(format_args!("{name:<8} failed  {}", jobs::error_line(&failure)));
            }
        }
    }
    match failed {
        0 => Ok(()),
        failed => Err(Failure::Doctor(DoctorFailure::Checks { failed, total })),
    }
}

fn check_device(args: &args::Doctor) -> Result<String, Failure> {
    without_device_memory(&args.compute)?;
    Ok(engine(&args.compute, Arc::new(inputs(&args.store.s3)))?.device().to_owned())
}

fn check_store(args: &args::Doctor) -> Result<String, Failure> {
    let report = runtime()?.block_on(async {
        let store = open_store(&args.store).await?;
        Ok::<_, Failure>(store.check().await?)
    })?;
    if report.is_sound() {
        Ok(format!("{}: a second write of the same object is refused, as it must be", report.place))
    } else {
        Err(Failure::Doctor(DoctorFailure::UnsoundStore { place: report.place, is_conditional: report.is_conditional }))
    }
}

fn check_queue(args: &args::Doctor, url: &Secret) -> Result<String, Failure> {
    let settings = rabbit_settings(url, &args.broker.pool, args.store.s3.ca.as_ref(), None)?;
    let management = args.management.as_ref().map(|url| {
        let expected = "an address such as `http://host:15672`";
        Url::parse(url.reveal()).map_err(|_| Failure::Argument {
            argument: "--management",
            value: "…".to_owned(),
            expected,
        })
    });
    let check = RabbitCheck {
        management: management.transpose()?,
        job_limit: Some(if args.job_limit > 0 { Duration::from_secs(args.job_limit) } else { Duration::MAX }),
        sweeps: runtime()?.block_on(pool_sweeps(args)),
    };
    let report = runtime()?.block_on(RabbitQueue::check(settings, &check))?;
    let mut text =
        format!("{}, a message there and back in {:.0} ms", report.broker, report.round_trip.as_secs_f64() * 1e3);
    for queue in &report.queues {
        text += &format!("\n                 {}: {} wait, {} consumers", queue.name, queue.waiting, queue.consumers);
    }
    if let Err(reason) = &report.policies {
        text += &format!("\n                 policies cannot be looked at: {reason}");
    }
    for warning in &report.warnings {
        text += &format!("\n        warning  {warning}");
    }
    Ok(text)
}

/// The sweeps of the pool, which have queues of their own. The check of the store reports why it cannot be read.
async fn pool_sweeps(args: &args::Doctor) -> Vec<String> {
    let Ok(store) = open_store(&args.store).await else { return Vec::new() };
    store.pool_sweeps(&args.broker.pool.pool).await.unwrap_or_default()
}

fn check_model(args: &args::Doctor, base: &str) -> Result<String, Failure> {
    let reference = InputRef::parse(base, &absolute(Path::new(""))?, HubKind::Model);
    let wrong = |_| Failure::Argument { argument: "--base", value: base.to_owned(), expected: "a model" };
    let reference = reference.map_err(wrong)?;
    let located = inputs(&args.store.s3).model(&reference);
    let folder =
        located.map_err(|source| Failure::Input(InputFailure::Argument { argument: base.to_owned(), source }))?.path;
    let device = device(&args.compute.device)?;
    ModelKind::of(&folder)?.visit(TryOut { folder: &folder, device })
}

/// Opens a model and runs it twice: the first run warms up.
struct TryOut<'a> {
    folder: &'a Path,
    device: DeviceChoice,
}

impl FamilyVisitor for TryOut<'_> {
    type Output = Result<String, Failure>;

    fn visit<F: ModelFamily>(self) -> Self::Output {
        let start = Instant::now();
        let base = F::open(self.folder, self.device, Precision::default())?;
        let loaded = start.elapsed().as_secs_f64();
        base.try_out()?;
        let start = Instant::now();
        let TriedOut { count, unit } = base.try_out()?;
        let per_second = count as f64 / start.elapsed().as_secs_f64();
        let warning = match F::configuration(self.folder)?.text_limits() {
            Some(limits) => check_tokenizer(self.folder, limits)?,
            None => String::new(),
        };
        Ok(format!(
            "{}, {} matrices that adapters can reach; loaded in {loaded:.1} s, about {per_second:.0} {unit}/s{warning}",
            base.model().describe(),
            base.model().modules().len(),
        ))
    }
}

/// The line with what to know of a tokenizer, if there is something.
fn check_tokenizer(folder: &Path, limits: TextLimits) -> Result<String, Failure> {
    let tokenizer = PairTokenizer::open(&folder.join("tokenizer.json"), None)
        .map_err(|source| Failure::from(CheckError::Tokenizer(source)))?;
    let warning = tokenizer.check_vocabulary(limits.vocabulary).err();
    Ok(warning.map(|warning| format!("\n        warning  {warning}")).unwrap_or_default())
}
