//! What happens when a mapped file has lost the pages that are read: the system sends SIGBUS, and the process ends with
//! the file's name and an exit code that says to run it again.

use std::{
    io,
    os::unix::ffi::OsStrExt,
    path::Path,
    ptr,
    sync::atomic::{AtomicU8, AtomicUsize, Ordering},
};

/// The exit code of a process that lost the pages of a mapped file: safe to run again.
pub const LOST_PAGES_EXIT_CODE: u8 = 75;

/// Maps that are named at a time. A model has a few files, a job a map for each data set.
const SLOTS: usize = 512;

/// Bytes of a path that are shown; of longer ones the end.
const NAME: usize = 256;

const BEFORE: &[u8] = b"\nerror: `";
const AFTER: &[u8] = b"` was truncated, or its disk failed, while it was in use\n\n\
    hint: nothing of the job in hand is stored; restore the file, and run the same command again\n";

static MAPS: [Slot; SLOTS] = [const { Slot::new() }; SLOTS];

/// A map in the table, which a signal handler reads without a lock.
///
/// `start` is 0 in a free slot, and 1 while it is filled. A slot stays filled while a byte of its map is read, so that
/// the slot which holds a faulting address never changes while the handler reads it.
struct Slot {
    start: AtomicUsize,
    end: AtomicUsize,
    length: AtomicUsize,
    name: [AtomicU8; NAME],
}

impl Slot {
    const fn new() -> Self {
        Self {
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            length: AtomicUsize::new(0),
            name: [const { AtomicU8::new(0) }; NAME],
        }
    }

    fn take(&self) -> bool {
        self.start.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    fn fill(&self, map: &[u8], path: &Path) {
        let name = path.as_os_str().as_bytes();
        let shown = &name[name.len().saturating_sub(NAME)..];
        for (to, byte) in self.name.iter().zip(shown) {
            // Nothing in a name may act on a terminal.
            to.store(if byte.is_ascii_control() { b'?' } else { *byte }, Ordering::Relaxed);
        }
        self.length.store(shown.len(), Ordering::Relaxed);
        let start = map.as_ptr() as usize;
        self.end.store(start + map.len(), Ordering::Relaxed);
        self.start.store(start, Ordering::Release);
    }

    fn holds(&self, address: usize) -> bool {
        let start = self.start.load(Ordering::Acquire);
        start > 1 && start <= address && address < self.end.load(Ordering::Relaxed)
    }
}

/// The place of a map in the table, until it is dropped. A map that finds no room is not named.
pub(crate) struct Listed(Option<&'static Slot>);

impl Listed {
    pub(crate) fn new(map: &[u8], path: &Path) -> Self {
        let slot = MAPS.iter().find(|slot| slot.take());
        if let Some(slot) = slot {
            slot.fill(map, path);
        }
        Self(slot)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        if let Some(slot) = self.0 {
            slot.start.store(0, Ordering::Release);
        }
    }
}

/// Makes the loss of a mapped page end the process with [`LOST_PAGES_EXIT_CODE`] and a message that names the file. For
/// a binary's `main`: it concerns the whole process.
///
/// # Errors
/// The system does not take the handler.
#[expect(unsafe_code, reason = "the standard library has no signal handlers")]
pub fn end_on_lost_pages() -> io::Result<()> {
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_bus_error;
    // SAFETY: the structure is plain numbers, of which zeros are valid; the handler has the type that `SA_SIGINFO` asks
    // for, and calls nothing but what may be called in a handler.
    let taken = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut())
    };
    if taken == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[expect(unsafe_code, reason = "what may be done in a signal handler are calls of the system")]
extern "C" fn on_bus_error(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the system hands over a valid structure, which has an address for this signal.
    let address = unsafe { (*info).si_addr() } as usize;
    let Some(slot) = MAPS.iter().find(|slot| slot.holds(address)) else {
        // Not one of our files: the system acts as without a handler as soon as the instruction is repeated. SAFETY:
        // restores the default.
        unsafe { libc::signal(libc::SIGBUS, libc::SIG_DFL) };
        return;
    };
    let mut text = [0; BEFORE.len() + NAME + AFTER.len()];
    let length = message(slot, &mut text);
    // SAFETY: the pointer is that of an array, of which at most `length` bytes are read; then the process ends at once,
    // and nothing is unwound. What cannot be written is lost.
    unsafe {
        libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), length);
        libc::_exit(libc::c_int::from(LOST_PAGES_EXIT_CODE))
    }
}

/// Writes the message about the map of `slot`, and says how many bytes it has.
fn message(slot: &Slot, to: &mut [u8]) -> usize {
    let name = slot.name.iter().map(|byte| byte.load(Ordering::Relaxed)).take(slot.length.load(Ordering::Relaxed));
    let bytes = BEFORE.iter().copied().chain(name).chain(AFTER.iter().copied());
    to.iter_mut().zip(bytes).map(|(to, byte)| *to = byte).count()
}
