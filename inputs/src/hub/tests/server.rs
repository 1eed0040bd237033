use jobs::Digest;
use serde_json::json;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
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
    is_over: AtomicBool,
}

struct Answer {
    status: &'static str,
    headers: String,
    body: Vec<u8>,
}

impl FakeHub {
    pub(super) fn start(kind: &str, name: &str, commit: &str, files: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let prefix = if kind == "models" { String::new() } else { format!("/{kind}") };
        let repository = Arc::new(Repository {
            api: format!("/api/{kind}/{name}/"),
            resolve: format!("{prefix}/{name}/resolve/{commit}/"),
            commit: commit.to_owned(),
            files: files.iter().map(|(name, content)| ((*name).to_owned(), (*content).to_owned())).collect(),
            fetched: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let serving = Arc::clone(&repository);
        let thread = Some(thread::spawn(move || serving.serve(&listener)));
        Self { address, repository, thread }
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The files whose content was sent, sorted.
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
            // A client that hangs up early is the test's own affair.
            let _ = stream.and_then(|stream| self.answer(stream));
        }
    }

    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let request = lines.next().transpose()?.unwrap_or_default();
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let mut words = request.split(' ');
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let answer = self.look_up(method, target.split('?').next().unwrap_or(""));
        let length = answer.body.len();
        write!(stream, "HTTP/1.1 {}\r\nConnection: close\r\n{}", answer.status, answer.headers)?;
        write!(stream, "Content-Length: {length}\r\n\r\n")?;
        if method != "HEAD" {
            stream.write_all(&answer.body)?;
        }
        stream.flush()
    }

    fn look_up(&self, method: &str, path: &str) -> Answer {
        if let Some(question) = path.strip_prefix(&self.api) {
            let body = match question.split('/').next() {
                Some("revision") => json!({"id": "owner/name", "sha": self.commit}),
                Some("tree") => self.files.iter().map(entry).collect(),
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
            self.fetched.lock().unwrap().push(name.clone());
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
