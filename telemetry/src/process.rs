use crate::Reading;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

/// What every process tells, under the names that Prometheus' own clients use.
pub(crate) fn readings() -> Vec<Reading> {
    let Ok(own) = sysinfo::get_current_pid() else { return Vec::new() };
    let mut system = System::new();
    let kinds = ProcessRefreshKind::nothing().with_memory().with_cpu();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, kinds);
    let Some(process) = system.process(own) else { return Vec::new() };
    vec![
        Reading::gauge("process_resident_memory_bytes", "Resident memory", process.memory() as f64),
        Reading::gauge("process_start_time_seconds", "Start, since 1970", process.start_time() as f64),
        Reading::counter(
            "process_cpu_seconds",
            "Time on processors, all threads",
            process.accumulated_cpu_time() as f64 / 1e3,
        ),
    ]
}
