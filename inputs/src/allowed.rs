use crate::InputError;
use jobs::InputRef;

/// The buckets and repositories that inputs may come from; `None` means all.
#[derive(Debug, Default)]
pub(crate) struct Allowed {
    pub(crate) buckets: Option<Vec<String>>,
    pub(crate) repositories: Option<Vec<String>>,
}

impl Allowed {
    /// Fails if the input is from a bucket or repository that may not be used.
    pub(crate) fn check(&self, reference: &InputRef) -> Result<(), InputError> {
        let (allowed, place, option) = match reference {
            // Artefacts come from the store that the process was given, and from nowhere else.
            InputRef::Path(_) | InputRef::Artefact(_) => return Ok(()),
            InputRef::Hub(hub) => (&self.repositories, hub.repository.clone(), "--repository"),
            InputRef::S3(s3) => (&self.buckets, format!("{}/{}", s3.bucket, s3.key), "--bucket"),
        };
        match allowed {
            Some(allowed) if !allowed.iter().any(|allowed| is_below(&place, allowed)) => {
                Err(InputError::NotAllowed { reference: reference.to_string(), option, allowed: allowed.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// Whether `place` is `allowed`, or lies below it.
fn is_below(place: &str, allowed: &str) -> bool {
    let allowed = allowed.trim_end_matches('/');
    place.strip_prefix(allowed).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobs::HubKind;
    use std::path::Path;

    fn check(allowed: &Allowed, text: &str) -> Result<(), String> {
        let reference = InputRef::parse(text, Path::new("/"), HubKind::Model).unwrap();
        allowed.check(&reference).map_err(|error| error.to_string())
    }

    #[test]
    fn only_buckets_and_repositories_that_are_named_may_be_used() {
        let names = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
        let allowed = Allowed { buckets: names(&["data/models"]), repositories: names(&["acme", "o/n"]) };
        for text in
            ["/a/path", "s3://data/models", "s3://data/models/clip", "hf://acme/any", "hf://datasets/o/n@main/x"]
        {
            assert_eq!(check(&allowed, text), Ok(()), "{text}");
        }
        let error = check(&allowed, "s3://data/models-too/clip").unwrap_err();
        let expected = "`s3://data/models-too/clip` is from a bucket that may not be used here, where `data/models` may; \
                        add it with `--bucket`";
        assert_eq!(error, expected);
        for text in ["s3://data", "s3://evil/models", "hf://acme2/any", "hf://o/n2", "hf://o2/n"] {
            assert!(check(&allowed, text).is_err(), "{text}");
        }
        let none = Allowed { repositories: names(&[]), ..Allowed::default() };
        let error = check(&none, "hf://o/n").unwrap_err();
        assert_eq!(error, "`hf://o/n` is from a repository, and none may be used here; name it with `--repository`");
        assert_eq!(check(&none, "s3://any/key"), Ok(()), "what is not limited is free");
    }
}
