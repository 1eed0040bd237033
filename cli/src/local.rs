//! What every command needs of this machine: inputs, device, runtime.

use crate::{
    args::{self, ComputeArgs, S3Args},
    failure::{Failure, FinetuneFailure, WorkerFailure},
    remote::s3_settings,
    terminal,
};
use evaluation::DeviceChoice;
use inputs::{Artefacts, Inputs, ObjectSettings, S3Remote};
use jobs::DeviceKind;
use std::{env, path::PathBuf, sync::Arc};
use store::{RequestLimits, S3Settings};
use sysinfo::System;
use tokio::runtime::Runtime;
use worker::{CommandSettings, Engine, EngineSettings};

/// Attempts at a request by a command that does not depend on the answer.
const ATTEMPTS_AT_HAND: usize = 3;

/// The inputs of a worker: paths are read below its roots alone, for jobs come from elsewhere.
pub(crate) fn worker_inputs(args: &args::Worker, artefacts: &Arc<Artefacts>) -> Result<Inputs, Failure> {
    let roots = if args.roots.is_empty() { vec![".".into()] } else { args.roots.clone() };
    let absolute = |root: PathBuf| {
        root.canonicalize().map_err(|source| Failure::Worker(WorkerFailure::Root { path: root.clone(), source }))
    };
    let roots = roots.into_iter().map(absolute).collect::<Result<Vec<_>, _>>()?;
    let listed = |names: &[String]| (!names.is_empty()).then(|| names.to_vec());
    let settings = with_artefacts(inputs_settings(&args.store.s3), artefacts);
    Ok(Inputs::new(inputs::Settings {
        roots: Some(roots),
        buckets: listed(&args.buckets),
        repositories: listed(&args.repositories),
        ..settings
    }))
}

/// The same, with what other jobs made: it lies in the cache of objects.
fn with_artefacts(settings: inputs::Settings, artefacts: &Arc<Artefacts>) -> inputs::Settings {
    let cache = settings.objects.as_ref().map(|objects| objects.cache.clone());
    let artefacts = cache.map(|cache| ObjectSettings { remote: Arc::clone(artefacts) as Arc<_>, cache });
    inputs::Settings { artefacts, ..settings }
}

/// The inputs of a command that has jobs computed here; `artefacts` are those of its store.
pub(crate) fn inputs_beside_a_store(s3: &S3Args, artefacts: &Arc<Artefacts>) -> Inputs {
    Inputs::new(with_artefacts(inputs_settings(s3), artefacts))
}

/// The inputs of a command, from the hub's usual variable.
pub(crate) fn inputs(s3: &S3Args) -> Inputs {
    Inputs::new(inputs_settings(s3))
}

/// The same for a command that reports unreachable inputs, and does not wait for them.
pub(crate) fn inputs_at_hand(s3: &S3Args) -> Inputs {
    let mut settings = inputs_settings(s3);
    settings.attempts = Some(ATTEMPTS_AT_HAND);
    if let Some(objects) = &mut settings.objects {
        let s3 = s3_settings(s3);
        let limits = RequestLimits { attempts: ATTEMPTS_AT_HAND as u32, ..s3.limits };
        objects.remote = Arc::new(S3Remote::new(S3Settings { limits, ..s3 }));
    }
    Inputs::new(settings)
}

#[expect(clippy::disallowed_methods, reason = "the binary is where the environment is read")]
fn inputs_settings(s3: &S3Args) -> inputs::Settings {
    let offline = env::var("HF_HUB_OFFLINE").unwrap_or_default();
    let is_offline = ["1", "ON", "YES", "TRUE"].contains(&offline.to_uppercase().as_str());
    // Without a home folder there is no cache: objects are refused then, and the error names the option for a cache.
    let cache = s3.input_cache.clone().or_else(|| {
        let user = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let user = user.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
        Some(user?.join("bowline/inputs"))
    });
    let objects = cache.map(|cache| ObjectSettings { remote: Arc::new(S3Remote::new(s3_settings(s3))), cache });
    inputs::Settings { is_offline, objects, ..inputs::Settings::default() }
}

/// Keeps this process from AVX-512 if the environment says so, to see what a processor without it computes.
pub(crate) fn choose_instructions() -> Result<(), Failure> {
    match env::var_os("BOWLINE_WITHOUT_AVX512").unwrap_or_default().to_string_lossy().as_ref() {
        "" | "0" => Ok(()),
        "1" => {
            evaluation::without_avx512();
            Ok(())
        }
        other => Err(Failure::Argument {
            argument: "BOWLINE_WITHOUT_AVX512",
            value: other.to_owned(),
            expected: "`1` or `0`",
        }),
    }
}

/// An engine with the settings of the command line.
pub(crate) fn engine(compute: &ComputeArgs, inputs: Arc<Inputs>) -> Result<Engine, Failure> {
    let settings = EngineSettings {
        device: device(&compute.device)?,
        threads: compute.threads,
        image_bytes: compute.image_memory.saturating_mul(1 << 20),
        cache: compute.example_cache.clone(),
        memory_bytes: Some(free_memory()),
    };
    if settings.threads == Some(0) {
        let argument = "--threads";
        let value = "0".to_owned();
        return Err(Failure::Argument { argument, value, expected: "a positive number" });
    }
    if let Some(threads) = settings.threads {
        // Merges outside the engine use the same number. An existing thread pool already has it.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    }
    if settings.device == DeviceChoice::Cpu {
        without_device_memory(compute)?;
    }
    let commands = compute.allow_commands.then(|| CommandSettings { environment: env::vars_os().collect() });
    let engine = Engine::new(settings, inputs)
        .map_err(|source| Failure::Worker(WorkerFailure::Device { device: compute.device.clone(), source }))?;
    let engine = engine.with_commands(commands);
    Ok(match compute.device_memory {
        Some(mebibytes) => engine.with_device_memory(mebibytes.saturating_mul(1 << 20)),
        None => engine,
    })
}

/// Refuses `--device-memory` where no data is kept on a GPU.
pub(crate) fn without_device_memory(compute: &ComputeArgs) -> Result<(), Failure> {
    match compute.device_memory {
        None => Ok(()),
        Some(mebibytes) => Err(Failure::Argument {
            argument: "--device-memory",
            value: mebibytes.to_string(),
            expected: "no such option: nothing is kept on a GPU here; it goes with `--device cuda:N`, where jobs are computed",
        }),
    }
}

/// The threads of a command that computes without an engine.
pub(crate) fn pool(threads: Option<usize>) -> Result<rayon::ThreadPool, Failure> {
    if threads == Some(0) {
        let argument = "--threads";
        let value = "0".to_owned();
        return Err(Failure::Argument { argument, value, expected: "a positive number" });
    }
    let threads = threads.or_else(System::physical_core_count).unwrap_or(1);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    Ok(pool.map_err(FinetuneFailure::Threads)?)
}

/// Bytes that this process may still allocate: the free memory of the machine, or of its control group.
pub(crate) fn free_memory() -> u64 {
    let mut system = System::new();
    system.refresh_memory();
    // File cache counts against a group's limit, but is released when memory is needed.
    let group = system.cgroup_limits().map_or(u64::MAX, |limits| limits.total_memory.saturating_sub(limits.rss));
    system.available_memory().min(group)
}

/// The device that `--device auto` is: what this program was built for decides it, and no GPU that fails at the moment. Else a run
/// that resumes could compute on another device than before, in other numbers.
fn automatic_device() -> &'static str {
    if evaluation::has_cuda() { "cuda:0" } else { "cpu" }
}

/// Puts a device in the place of `--device auto`, and says which it is where this process computes.
pub(crate) fn choose_device(compute: &mut ComputeArgs, computes_here: bool) {
    if compute.device != "auto" {
        return;
    }
    compute.device = automatic_device().to_owned();
    if computes_here {
        let built = if evaluation::has_cuda() { "with" } else { "without" };
        terminal::note(format_args!(
            "note: `--device auto` is `{}`: this program is built {built} CUDA",
            compute.device
        ));
    }
}

/// Puts the processor in the place of `--device auto` for a training, which runs nowhere else.
pub(crate) fn train_on_processor(compute: &mut ComputeArgs) {
    if compute.device == "auto" {
        compute.device = "cpu".to_owned();
        terminal::note("note: `--device auto` is `cpu`: adapters are trained on the processor");
    }
}

/// Reads `--device`.
pub(crate) fn device(text: &str) -> Result<DeviceChoice, Failure> {
    let wrong = || Failure::Argument {
        argument: "--device",
        value: text.to_owned(),
        expected: "`auto`, `cpu`, `cuda` or `cuda:N`",
    };
    match text.split_once(':') {
        None if text == "cpu" => Ok(DeviceChoice::Cpu),
        None if text == "cuda" => Ok(DeviceChoice::Cuda(0)),
        Some(("cuda", number)) => number.parse().map(DeviceChoice::Cuda).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

/// What a precision depends on.
pub(crate) fn device_kind(device: DeviceChoice) -> DeviceKind {
    match device {
        DeviceChoice::Cpu => DeviceKind::Processor,
        DeviceChoice::Cuda(_) => DeviceKind::Gpu,
    }
}

/// An async runtime for input and output. Jobs are computed on threads of their own.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(Failure::Runtime)
}
