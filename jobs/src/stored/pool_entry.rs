use crate::{Digest, PoolEntry, version::known};
use serde::{Deserialize, Serialize};

/// The entry of a sweep in its pool as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredPoolEntry {
    #[serde(deserialize_with = "known::<_, 1, { PoolEntry::VERSION }>")]
    version: u32,
    sweep: String,
    base: Digest,
    priority: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_workers: Option<u32>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    runs_commands: bool,
}

impl From<PoolEntry> for StoredPoolEntry {
    fn from(PoolEntry { sweep, base, priority, max_workers, runs_commands }: PoolEntry) -> Self {
        let version = if runs_commands { PoolEntry::VERSION } else { 1 };
        Self { version, sweep, base, priority, max_workers, runs_commands }
    }
}

impl From<StoredPoolEntry> for PoolEntry {
    fn from(stored: StoredPoolEntry) -> Self {
        let StoredPoolEntry { version: _, sweep, base, priority, max_workers, runs_commands } = stored;
        Self { sweep, base, priority, max_workers, runs_commands }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_stored_as_before() {
        let base = Digest::of(b"base");
        let text = format!(r#"{{"version":1,"sweep":"small","base":"{base}","priority":0}}"#);
        let entry = PoolEntry::new("small", base);
        assert_eq!(serde_json::to_string(&entry).unwrap(), text);
        assert_eq!(serde_json::from_str::<PoolEntry>(&text).unwrap(), entry);

        let limited = PoolEntry { priority: -2, max_workers: Some(3), ..entry };
        let text = format!(r#"{{"version":1,"sweep":"small","base":"{base}","priority":-2,"max_workers":3}}"#);
        assert_eq!(serde_json::to_string(&limited).unwrap(), text);
        assert_eq!(serde_json::from_str::<PoolEntry>(&text).unwrap(), limited);

        let command = PoolEntry { runs_commands: true, ..PoolEntry::new("small", base) };
        let text = format!(r#"{{"version":2,"sweep":"small","base":"{base}","priority":0,"runs_commands":true}}"#);
        assert_eq!(serde_json::to_string(&command).unwrap(), text);
        assert_eq!(serde_json::from_str::<PoolEntry>(&text).unwrap(), command);
    }
}
