//! A small hub on loopback: repositories of models from folders, with what listing, fetching and reading parts of files
//! takes.

use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The server, until it is dropped.
pub(crate) struct Hub {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    /// Folders by the names of repositories.
    repositories: BTreeMap<String, PathBuf>,
    /// What was sent of files: `owner/name/file`, and the range where a part was asked for.
    sent: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

impl Hub {
    pub(crate) fn start(repositories: &[(&str, PathBuf)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let repositories = repositories.iter().map(|(name, folder)| ((*name).to_owned(), folder.clone())).collect();
        let shared = Arc::new(Shared { repositories, sent: Mutex::default(), is_over: AtomicBool::new(false) });
        let serving = Arc::clone(&shared);
        let thread = Some(thread::spawn(move || serving.serve(&listener)));
        Self { address, shared, thread }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was sent since this was last asked.
    pub(crate) fn sent(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.sent.lock().unwrap())
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread, which sees that it is over.
        drop(TcpStream::connect(self.address));
        self.thread.take().map(JoinHandle::join);
    }
}

struct Answer {
    status: &'static str,
    headers: String,
    body: Vec<u8>,
}

impl Shared {
    fn serve(&self, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            // A client that hangs up early is the test's own affair.
            let _ = stream.and_then(|stream| self.answer(stream));
        }
    }

    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut lines = reader.by_ref().lines();
        let request = lines.next().transpose()?.unwrap_or_default();
        let mut range = None;
        let mut length = 0;
        while let Some(line) = lines.next().transpose()?.filter(|line| !line.is_empty()) {
            let line = line.to_lowercase();
            range = line.strip_prefix("range: bytes=").map(str::to_owned).or(range);
            length = line.strip_prefix("content-length: ").map_or(length, |length| length.parse().unwrap());
        }
        reader.take(length).read_to_end(&mut Vec::new())?;
        let mut words = request.split(' ');
        let method = words.next().unwrap_or("");
        let target = words.next().unwrap_or("");
        let path = target.split('?').next().unwrap_or("").trim_start_matches('/');
        let answer = self.look_up(method, path, range.as_deref()).unwrap_or(Answer {
            status: "404 Not Found",
            headers: "X-Error-Code: RepoNotFound\r\n".to_owned(),
            body: Vec::new(),
        });
        let length = answer.body.len();
        write!(stream, "HTTP/1.1 {}\r\nConnection: close\r\n{}", answer.status, answer.headers)?;
        write!(stream, "Content-Length: {length}\r\n\r\n")?;
        if method != "HEAD" {
            stream.write_all(&answer.body)?;
        }
        stream.flush()
    }

    fn look_up(&self, method: &str, path: &str, range: Option<&str>) -> Option<Answer> {
        let is_about = |name: &&String| path.trim_start_matches("api/models/").starts_with(name.as_str());
        let name = self.repositories.keys().find(is_about)?;
        let folder = &self.repositories[name];
        if let Some(question) = path.strip_prefix(&format!("api/models/{name}")) {
            let body = match question.split('/').nth(1) {
                None | Some("revision") => json!({"id": name, "sha": COMMIT}),
                _ => entries(folder),
            };
            let headers = "Content-Type: application/json\r\n".to_owned();
            return Some(Answer { status: "200 OK", headers, body: body.to_string().into_bytes() });
        }
        let (_, file) = path.strip_prefix(&format!("{name}/resolve/"))?.split_once('/')?;
        let content = fs::read(folder.join(file)).ok()?;
        if method == "GET" {
            let part = range.map(|range| format!(" {range}")).unwrap_or_default();
            self.sent.lock().unwrap().push(format!("{name}/{file}{part}"));
        }
        let headers = format!("ETag: \"{name}-{file}\"\r\nX-Repo-Commit: {COMMIT}\r\n").replace(name, "etag");
        let Some((from, to)) = range.and_then(|range| range.split_once('-')) else {
            return Some(Answer { status: "200 OK", headers, body: content });
        };
        let body = content[from.parse().unwrap()..=to.parse::<usize>().unwrap()].to_vec();
        Some(Answer { status: "206 Partial Content", headers, body })
    }
}

fn entries(folder: &Path) -> Value {
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        json!({"type": "file", "oid": "0", "size": entry.metadata().unwrap().len(), "path": name})
    };
    fs::read_dir(folder).unwrap().map(entry).collect()
}
