use crate::Sample;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

/// Samples of every process, under the names that Prometheus' own clients use.
pub(crate) fn samples() -> Vec<Sample> {
    let Ok(own) = sysinfo::get_current_pid() else { return Vec::new() };
    let mut system = System::new();
    let kinds = ProcessRefreshKind::nothing().with_memory().with_cpu();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, kinds);
    let Some(process) = system.process(own) else { return Vec::new() };
    vec![
        Sample::gauge("process_resident_memory_bytes", "Resident memory", process.memory() as f64),
        Sample::gauge("process_start_time_seconds", "Start, since 1970", process.start_time() as f64),
        Sample::counter("process_cpu_seconds", "CPU time of all threads", process.accumulated_cpu_time() as f64 / 1e3),
    ]
}
