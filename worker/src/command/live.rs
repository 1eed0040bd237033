//! The commands that run in this process, so that none outlives it.

use parking_lot::Mutex;
use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

/// How long the folders of commands may take to be deleted when the process ends.
const DELETING: Duration = Duration::from_secs(5);

/// The commands of this process.
pub(super) static LIVE: Live = Live::new();

/// Ends all commands that run in this process, lets none start any more, and waits briefly until their folders are deleted. A
/// program calls this before it exits: a thread that waits for a command does not hold up the end of `main`.
pub fn end_commands() {
    LIVE.end(DELETING);
}

/// The commands of a process.
#[derive(Debug)]
pub(super) struct Live(Mutex<State>);

#[derive(Debug)]
struct State {
    /// The leaders of groups that were not waited for, so that their ids belong to nothing else.
    leaders: BTreeSet<i32>,
    folders: usize,
    has_ended: bool,
}

impl Live {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(State { leaders: BTreeSet::new(), folders: 0, has_ended: false }))
    }

    /// Starts a group with `start`, which returns its leader; `None` once the process ends.
    pub(super) fn start<T, E>(&self, start: impl FnOnce() -> Result<(T, i32), E>) -> Option<Result<T, E>> {
        // Held during the start: a group that nobody knows would not be ended.
        let mut state = self.0.lock();
        if state.has_ended {
            return None;
        }
        Some(start().map(|(started, leader)| {
            state.leaders.insert(leader);
            started
        }))
    }

    /// Forgets a group. Call it before its leader is waited for.
    pub(super) fn forget(&self, leader: i32) {
        self.0.lock().leaders.remove(&leader);
    }

    /// Whether the process ends.
    pub(super) fn has_ended(&self) -> bool {
        self.0.lock().has_ended
    }

    fn end(&self, patience: Duration) {
        let mut state = self.0.lock();
        state.has_ended = true;
        state.leaders.iter().for_each(|leader| super::group::end(*leader));
        drop(state);
        let deadline = Instant::now() + patience;
        while self.0.lock().folders > 0 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Counts a folder of a command, until it is dropped.
#[derive(Debug)]
pub(super) struct LiveFolder;

impl LiveFolder {
    pub(super) fn new() -> Self {
        LIVE.0.lock().folders += 1;
        Self
    }
}

impl Drop for LiveFolder {
    fn drop(&mut self) {
        LIVE.0.lock().folders -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        os::unix::process::{CommandExt, ExitStatusExt},
        process::Command,
    };

    #[test]
    fn the_end_of_the_process_ends_its_commands_and_no_other_one_starts() {
        let live = Live::new();
        let start = || {
            let child = Command::new("sleep").arg("1000").process_group(0).spawn()?;
            let leader = i32::try_from(child.id()).map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>((child, leader))
        };
        let mut child = live.start(start).unwrap().unwrap();
        live.end(Duration::ZERO);
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert!(live.has_ended() && live.start(start).is_none());
    }
}
