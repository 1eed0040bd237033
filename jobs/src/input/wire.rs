//! References as messages and stored documents have them, before a look at whether they keep to the rules.

use super::{HubKind, HubRef, InputRefError, S3Ref, rules};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireHubRef {
    kind: HubKind,
    repository: String,
    #[serde(default)]
    revision: Option<String>,
    #[serde(default)]
    path: Option<String>,
}

impl TryFrom<WireHubRef> for HubRef {
    type Error = InputRefError;

    fn try_from(WireHubRef { kind, repository, revision, path }: WireHubRef) -> Result<Self, InputRefError> {
        let hub = Self { kind, repository, revision, path };
        rules::check_hub(&hub, || hub.to_string().escape_debug().to_string())?;
        Ok(hub)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireS3Ref {
    bucket: String,
    key: String,
}

impl TryFrom<WireS3Ref> for S3Ref {
    type Error = InputRefError;

    fn try_from(WireS3Ref { bucket, key }: WireS3Ref) -> Result<Self, InputRefError> {
        let s3 = Self { bucket, key };
        if rules::is_s3(&s3) { Ok(s3) } else { Err(InputRefError::Bucket(s3.to_string().escape_debug().to_string())) }
    }
}

#[cfg(test)]
mod tests {
    use crate::InputRef;
    use serde_json::json;

    fn read(value: serde_json::Value) -> Result<InputRef, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn references_off_the_wire_pass_the_rules_of_the_sweep_file() {
        let hub = |repository: &str, revision: Option<&str>, path: Option<&str>| {
            read(json!({"hub": {"kind": "model", "repository": repository, "revision": revision, "path": path}}))
        };
        assert!(hub("o/n", Some("main"), Some("sub/file.safetensors")).is_ok());
        assert!(hub("o/n", None, None).is_ok());
        for path in ["../../../../outside", "/etc/passwd", "a/../b", "a//b", "./a", "", "a\\b", "a\nb", "..", "a/.."] {
            let error = hub("o/n", None, Some(path)).unwrap_err();
            assert!(error.contains("does not name a place in a repository"), "{path:?}: {error}");
            assert!(!error.contains('\n'), "{error:?}");
        }
        for repository in ["o", "o/..", "../n", "o/n/x", "/n", "o/", "o/a b", "./n", ""] {
            let error = hub(repository, None, None).unwrap_err();
            assert!(error.contains("does not name a repository"), "{repository}: {error}");
        }
        for revision in ["..", "", "../../x", "a/b"] {
            assert!(hub("o/n", Some(revision), None).is_err(), "{revision}");
        }
        let s3 = |bucket: &str, key: &str| read(json!({"s3": {"bucket": bucket, "key": key}}));
        assert!(s3("bucket", "").is_ok() && s3("bucket", "a/b").is_ok());
        for (bucket, key) in
            [("b", "../c"), ("b", "/c"), ("b", "a/"), ("b", "a//b"), ("..", "a"), ("", "a"), ("a/b", "c")]
        {
            let error = s3(bucket, key).unwrap_err();
            assert!(error.contains("does not name a place in a bucket"), "{bucket} {key}: {error}");
        }
    }

    #[test]
    fn unknown_keys_are_refused() {
        let error = read(json!({"s3": {"bucket": "b", "key": "", "region": "x"}})).unwrap_err();
        assert!(error.contains("unknown field `region`"), "{error}");
    }
}
