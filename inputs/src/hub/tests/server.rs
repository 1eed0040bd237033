use jobs::Digest;
use serde_json::json;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// A hub of one repository: the endpoints that listing and fetching need, each answer on a connection of its own.
pub(super) struct FakeHub {
    address: SocketAddr,
    repository: Arc<Repository>,
    thread: Option<JoinHandle<()>>,
}

struct Repository {
    /// The path below which the API answers about it.
    api: String,
    /// The path below which its files lie.
    resolve: String,
    commit: String,
    files: BTreeMap<String, String>,
    fetched: Mutex<Vec<String>>,
    /// Whether it sends whole files when a part is requested, as some mirrors do.
    is_whole: bool,
    is_over: AtomicBool,
}

struct Answer {
    status: &'static str,
    headers: String,
    body: Vec<u8>,
}

impl FakeHub {
    pub(super) fn start(kind: &str, name: &str, commit: &str, files: &[(&str, &str)]) -> Self {
        Self::serving(kind, name, commit, files, false)
    }

    /// A hub that does not support ranges.
    pub(super) fn without_ranges(kind: &str, name: &str, commit: &str, files: &[(&str, &str)]) -> Self {
        Self::serving(kind, name, commit, files, true)
    }

    fn serving(kind: &str, name: &str, commit: &str, files: &[(&str, &str)], is_whole: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let prefix = if kind == "models" { String::new() } else { format!("/{kind}") };
        let repository = Arc::new(Repository {
            api: format!("/api/{kind}/{name}/"),
            resolve: format!("{prefix}/{name}/resolve/{commit}/"),
            commit: commit.to_owned(),
            files: files.iter().map(|(name, content)| ((*name).to_owned(), (*content).to_owned())).collect(),
            fetched: Mutex::default(),
            is_whole,
            is_over: AtomicBool::new(false),
        });
        let serving = Arc::clone(&repository);
        let thread = Some(thread::spawn(move || serving.serve(&listener)));
        Self { address, repository, thread }
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The files whose content was sent, sorted; of a part its range as well.
    pub(super) fn fetched(&self) -> Vec<String> {
        let mut fetched = self.repository.fetched.lock().unwrap().clone();
        fetched.sort_unstable();
        fetched
    }
}

impl Drop for FakeHub {
    fn drop(&mut self) {
        self.repository.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread, which sees that it is over.
        drop(TcpStream::connect(self.address));
        self.thread.take().map(JoinHandle::join);
    }
}

impl Repository {
    fn serve(&self, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            // A client may close the connection early.
            let _ = stream.and_then(|stream| self.answer(stream));
        }
    }

    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut lines = reader.by_ref().lines();
        let request = lines.next().transpose()?.unwrap_or_default();
        let mut range = None;
        let mut body = 0;
        while let Some(line) = lines.next().transpose()?.filter(|line| !line.is_empty()) {
            let line = line.to_lowercase();
            range = line.strip_prefix("range: bytes=").map(str::to_owned).or(range);
            body = line.strip_prefix("content-length: ").map_or(body, |length| length.parse().unwrap());
        }
        reader.take(body).read_to_end(&mut Vec::new())?;
        let mut words = request.split(' ');
        let method = words.next().unwrap_or("");
        let target = words.next().unwrap_or("");
        let answer = self.look_up(method, target.split('?').next().unwrap_or(""), range.as_deref());
        let length = answer.body.len();
        write!(stream, "HTTP/1.1 {}\r\nConnection: close\r\n{}", answer.status, answer.headers)?;
        write!(stream, "Content-Length: {length}\r\n\r\n")?;
        if method != "HEAD" {
            stream.write_all(&answer.body)?;
        }
        stream.flush()
    }

    fn look_up(&self, method: &str, path: &str, range: Option<&str>) -> Answer {
        // The default branch has no name there.
        let path = if format!("{path}/") == self.api { &format!("{}revision/main", self.api) } else { path };
        if let Some(question) = path.strip_prefix(&self.api) {
            let body = match question.split('/').next() {
                Some("revision") => json!({"id": "owner/name", "sha": self.commit}),
                Some("tree" | "paths-info") => self.files.iter().map(entry).collect(),
                _ => return missing(),
            };
            let headers = "Content-Type: application/json\r\n".to_owned();
            return Answer { status: "200 OK", headers, body: body.to_string().into_bytes() };
        }
        let Some((name, content)) = path.strip_prefix(&self.resolve).and_then(|name| self.files.get_key_value(name))
        else {
            return missing();
        };
        if method == "GET" {
            let part = range.map(|range| format!(" {range}")).unwrap_or_default();
            self.fetched.lock().unwrap().push(format!("{name}{part}"));
        }
        if let Some((from, to)) = range.filter(|_| !self.is_whole).and_then(|range| range.split_once('-')) {
            let from: usize = from.parse().unwrap();
            let to: usize = to.parse().unwrap();
            let body = content.as_bytes()[from..=to].to_vec();
            return Answer { status: "206 Partial Content", headers: String::new(), body };
        }
        let etag = Digest::of(content.as_bytes()).short();
        let headers = format!("ETag: \"{etag}\"\r\nX-Repo-Commit: {}\r\n", self.commit);
        Answer { status: "200 OK", headers, body: content.clone().into_bytes() }
    }
}

fn entry((name, content): (&String, &String)) -> serde_json::Value {
    json!({"type": "file", "oid": "0", "size": content.len(), "path": name})
}

fn missing() -> Answer {
    Answer { status: "404 Not Found", headers: "X-Error-Code: RepoNotFound\r\n".to_owned(), body: Vec::new() }
}
