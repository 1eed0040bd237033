use crate::{Remote, RemoteObject};
use jobs::Digest;
use std::{
    collections::{BTreeMap, VecDeque},
    fs::{self, OpenOptions},
    io::Write,
    ops::Range,
    path::{Path, PathBuf},
    sync::Mutex,
};
use store::{Action, BackendError, Problem};

/// One bucket in memory, which records calls and injects faults.
#[derive(Debug, Default)]
pub(super) struct FakeBucket {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    calls: Mutex<Vec<String>>,
    /// The faults of the next listings and lookups of single objects.
    list_faults: Mutex<VecDeque<Problem>>,
    /// The faults of the next fetches.
    fetch_faults: Mutex<VecDeque<Fault>>,
    /// Whether it returns no ETags.
    is_untold: bool,
    /// A file that every fetch adds a line to, for tests with several processes.
    log: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    Fails(Problem),
    /// The content comes without its second half, and without an error.
    CutOff,
    /// The object is replaced just before.
    IsReplaced,
    /// The call stays half-way through the content until a line comes in, or for ever.
    WaitsForLine,
}

impl FakeBucket {
    pub(super) fn with(objects: &[(&str, &str)]) -> Self {
        let bucket = Self::default();
        objects.iter().for_each(|(key, content)| bucket.put(key, content.as_bytes()));
        bucket
    }

    /// The files of a folder, under `prefix`.
    pub(super) fn of_folder(prefix: &str, folder: &Path) -> Self {
        let bucket = Self::default();
        for name in crate::folder::list(folder).unwrap().names {
            bucket.put(&format!("{prefix}{name}"), &fs::read(folder.join(&name)).unwrap());
        }
        bucket
    }

    pub(super) fn logging(self, log: PathBuf) -> Self {
        Self { log: Some(log), ..self }
    }

    pub(super) fn untold(self) -> Self {
        Self { is_untold: true, ..self }
    }

    pub(super) fn put(&self, key: &str, content: &[u8]) {
        self.objects.lock().unwrap().insert(key.to_owned(), content.to_owned());
    }

    pub(super) fn listing_fails(&self, problem: Problem) {
        self.list_faults.lock().unwrap().push_back(problem);
    }

    pub(super) fn fetches_fail(&self, faults: &[Fault]) {
        self.fetch_faults.lock().unwrap().extend(faults);
    }

    /// The calls since this was last called.
    pub(super) fn calls(&self) -> Vec<String> {
        let mut calls = std::mem::take(&mut *self.calls.lock().unwrap());
        calls.sort();
        calls
    }

    fn described(&self, key: &str, content: &[u8]) -> RemoteObject {
        let etag = (!self.is_untold).then(|| Digest::of(content).short());
        RemoteObject { key: key.to_owned(), size: content.len() as u64, etag }
    }

    fn called(&self, action: Action, object: String, call: String) -> Result<(), BackendError> {
        self.calls.lock().unwrap().push(call);
        let problem = self.list_faults.lock().unwrap().pop_front();
        problem.map_or(Ok(()), |problem| Err(failed(action, object, problem)))
    }
}

fn failed(action: Action, object: String, problem: Problem) -> BackendError {
    BackendError { action, object, problem, source: None }
}

impl Remote for FakeBucket {
    fn list(&self, bucket: &str, folder: &str) -> Result<Vec<RemoteObject>, BackendError> {
        self.called(Action::List, format!("s3://{bucket}/{folder}"), format!("list {folder}"))?;
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let objects = self.objects.lock().unwrap();
        let below = objects.iter().filter(|(key, _)| key.starts_with(&prefix));
        Ok(below.map(|(key, content)| self.described(key, content)).collect())
    }

    fn find(&self, bucket: &str, key: &str) -> Result<Option<RemoteObject>, BackendError> {
        self.called(Action::Read, format!("s3://{bucket}/{key}"), format!("find {key}"))?;
        Ok(self.objects.lock().unwrap().get(key).map(|content| self.described(key, content)))
    }

    fn fetch(&self, bucket: &str, key: &str, path: &Path) -> Result<RemoteObject, BackendError> {
        self.calls.lock().unwrap().push(format!("fetch {key}"));
        if let Some(log) = &self.log {
            writeln!(OpenOptions::new().append(true).create(true).open(log).unwrap(), "{key}").unwrap();
        }
        let fault = self.fetch_faults.lock().unwrap().pop_front();
        if let Some(Fault::IsReplaced) = fault {
            let content = [&self.objects.lock().unwrap()[key], b"!".as_slice()].concat();
            self.put(key, &content);
        }
        let content = self.objects.lock().unwrap()[key].clone();
        let half = &content[..content.len() / 2];
        match fault {
            Some(Fault::Fails(problem)) => {
                fs::write(path, half).unwrap();
                return Err(failed(Action::Read, format!("s3://{bucket}/{key}"), problem));
            }
            Some(Fault::CutOff) => fs::write(path, half).unwrap(),
            Some(Fault::WaitsForLine) => {
                fs::write(path, half).unwrap();
                println!("half of it is here");
                std::io::stdin().read_line(&mut String::new()).unwrap();
                fs::write(path, &content).unwrap();
            }
            Some(Fault::IsReplaced) | None => fs::write(path, &content).unwrap(),
        }
        Ok(self.described(key, &content))
    }

    fn part(&self, _: &str, key: &str, range: Range<u64>) -> Result<Vec<u8>, BackendError> {
        self.calls.lock().unwrap().push(format!("part {key} {range:?}"));
        let objects = self.objects.lock().unwrap();
        let place = |at: u64| usize::try_from(at).unwrap().min(objects[key].len());
        Ok(objects[key][place(range.start)..place(range.end)].to_vec())
    }
}
