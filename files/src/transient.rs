use std::io::ErrorKind;

/// Whether an error of the operating system may pass without a person doing anything.
///
/// The system was busy, out of memory, or could not reach a network. A file that is missing, damaged or forbidden stays
/// so. This is the only list of such errors: `inputs`, `evaluation` and `store` decide by it whether they try again.
pub fn is_transient(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Interrupted
            | ErrorKind::TimedOut
            | ErrorKind::WouldBlock
            | ErrorKind::ResourceBusy
            | ErrorKind::OutOfMemory
            | ErrorKind::StaleNetworkFileHandle
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionRefused
            | ErrorKind::NotConnected
            | ErrorKind::NetworkDown
            | ErrorKind::NetworkUnreachable
            | ErrorKind::HostUnreachable
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_system_is_transient_and_a_missing_or_damaged_file_is_not() {
        for kind in [ErrorKind::ResourceBusy, ErrorKind::StaleNetworkFileHandle, ErrorKind::ConnectionRefused] {
            assert!(is_transient(kind), "{kind:?}");
        }
        for kind in [
            ErrorKind::NotFound,
            ErrorKind::PermissionDenied,
            ErrorKind::IsADirectory,
            ErrorKind::InvalidData,
            ErrorKind::UnexpectedEof,
            ErrorKind::StorageFull,
            ErrorKind::Other,
        ] {
            assert!(!is_transient(kind), "{kind:?}");
        }
    }
}
