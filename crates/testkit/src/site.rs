//! The real server, as a process of its own on a free port, over a database of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::{Answer, Client, Kind, TestDatabase};

/// What the links in answers start with.
pub const PUBLIC_URL: &str = "http://localhost:8000";

/// A database, and the programs that work on it.
pub struct Site {
    program: &'static str,
    database: TestDatabase,
    folder: TempDir,
}

impl Site {
    /// An empty database of this kind. `program` is the binary: `env!("CARGO_BIN_EXE_portfolio")`.
    #[must_use]
    pub fn new(program: &'static str, kind: Kind) -> Self {
        Self::on(program, TestDatabase::new(kind))
    }

    /// Over this database.
    #[must_use]
    pub fn on(program: &'static str, database: TestDatabase) -> Self {
        Self { program, database, folder: tempfile::tempdir().unwrap() }
    }

    /// What `DATABASE_URL` is.
    #[must_use]
    pub fn database_url(&self) -> &str {
        self.database.url()
    }

    /// Asks the database itself; answers the column `line` of each row, which is text.
    #[must_use]
    pub fn lines(&self, query: &str) -> Vec<String> {
        self.database.lines(query)
    }

    /// Runs statements on the database itself.
    pub fn execute(&self, statements: &str) {
        self.database.execute(statements);
    }

    /// Sabotages PostgreSQL, for the twin of a test: from now on the change of an employer is answered before it is
    /// on disk. The service insists on `synchronous_commit=on` for its sessions; a trigger can still undo that.
    pub fn answer_before_it_is_written(&self) {
        self.execute(
            "CREATE FUNCTION hurry() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM set_config('synchronous_commit', 'off', true); RETURN NEW; END $$; \
             CREATE TRIGGER hurry BEFORE UPDATE ON employers FOR EACH ROW EXECUTE FUNCTION hurry()",
        );
        self.execute("ALTER SYSTEM SET wal_writer_delay = '10s'");
        self.execute("SELECT pg_reload_conf()");
    }

    /// The folder that commands run in: empty at first, and gone with the site.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// A command of the service's own, with the site's configuration and no other.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("DATABASE_URL", self.database.url())
            .env("PUBLIC_URL", PUBLIC_URL)
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed; answers what it printed.
    #[expect(clippy::must_use_candidate, reason = "what a command printed is often of no interest")]
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes the documented example.
    #[must_use]
    pub fn demo(self) -> Self {
        self.ok(&["demo"]);
        self
    }

    /// Makes a user with these flags of `staff add`, and a key for it.
    #[must_use]
    pub fn key(&self, name: &str, flags: &[&str]) -> String {
        self.ok(&[&["staff", "add", name], flags].concat());
        self.ok(&["token", "issue", name]).trim().to_owned()
    }

    /// Makes a user with these flags of `staff add`, who keeps the key it has.
    pub fn adopt(&self, name: &str, flags: &[&str], key: &str) {
        self.ok(&[&["staff", "add", name], flags].concat());
        let mut command = self.command(&["token", "issue", name, "--key-stdin"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(key.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// Serves, and waits until it is ready.
    #[must_use]
    pub fn serve(&self) -> Server {
        let server = self.serve_unready(&[]);
        server.wait_until_ready();
        server
    }

    /// Serves with more flags, and waits until it listens.
    #[must_use]
    pub fn serve_unready(&self, flags: &[&str]) -> Server {
        let mut command = self.command(&[&["serve", "--bind", "127.0.0.1:0"], flags].concat());
        Server::start(command.env("LOG_FORMAT", "json"))
    }
}

/// A running server, which ends when this is dropped.
pub struct Server {
    child: Child,
    address: String,
    client: Client,
    log: Arc<Log>,
    reader: Option<JoinHandle<()>>,
}

/// What a server has said, line by line.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection of a client.
#[derive(Debug, Clone, Copy)]
pub struct KeptConnection {
    /// The client's port.
    pub client_port: u16,
    /// What the server has written and the client has not taken.
    pub unsent_bytes: usize,
}

impl Server {
    /// Runs a command that serves and logs in JSON, and waits until it listens.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        // Shown when the test fails.
        Self::start_logging(command, |line| eprintln!("{line}"))
    }

    /// The same; each line of its log goes to `log`.
    #[must_use]
    pub fn start_logging(command: &mut Command, mut log: impl FnMut(&str) + Send + 'static) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (found, address) = mpsc::channel();
        let kept = Arc::new(Log::default());
        let keeps = kept.clone();
        // Its log is read to the end, or it would stop at a full pipe.
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let event: Value = serde_json::from_str(&line).unwrap_or_default();
                if event["message"] == "listening" {
                    let _ = found.send(event["address"].as_str().unwrap_or_default().to_owned());
                }
                log(&line);
                keeps.lines.lock().unwrap().push(line);
                keeps.more.notify_all();
            }
        });
        let address = address.recv_timeout(Duration::from_secs(10)).expect("the server listens");
        let client = Client::new(&address);
        Self { child, address, client, log: kept, reader: Some(reader) }
    }

    /// A client with connections of its own, which outlives the server.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(&self.address)
    }

    /// Where it listens, as `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The connections that the kernel keeps for it, of clients on this machine (`/proc/net/tcp`, proc(5)).
    #[must_use]
    pub fn connections(&self) -> Vec<KeptConnection> {
        let own: SocketAddr = self.address.parse().unwrap();
        let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
        let number = |field: &str, place: usize| usize::from_str_radix(field.split(':').nth(place)?, 16).ok();
        let kept = table.lines().skip(1).filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let &[_, local, remote, state, queues, ..] = fields.as_slice() else { return None };
            // 01: established.
            (state == "01" && number(local, 1)? == usize::from(own.port())).then_some(())?;
            let client_port = number(remote, 1)?.try_into().ok()?;
            Some(KeptConnection { client_port, unsent_bytes: number(queues, 0)? })
        });
        kept.collect()
    }

    /// What it has logged so far, line by line.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.log.lines.lock().unwrap().clone()
    }

    /// Every event that it has logged so far.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.log().iter().map(|line| serde_json::from_str(line).unwrap_or_default()).collect()
    }

    /// Waits until it has logged such an event; answers the first one.
    #[must_use]
    pub fn logged(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        let mut lines = self.log.lines.lock().unwrap();
        let mut seen = 0;
        loop {
            for line in &lines[seen..] {
                let event = serde_json::from_str(line).unwrap_or_default();
                if is_it(&event) {
                    return event;
                }
            }
            seen = lines.len();
            let (more, waited) = self.log.more.wait_timeout(lines, Duration::from_secs(30)).unwrap();
            assert!(!waited.timed_out(), "it was not logged");
            lines = more;
        }
    }

    /// The number of its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process has not ended yet.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until `/readyz` says 200.
    pub fn wait_until_ready(&self) {
        let start = std::time::Instant::now();
        while self.send("GET", "/readyz", &[], None).status != 200 {
            assert!(start.elapsed() < Duration::from_secs(10), "the server is not ready");
            std::thread::yield_now();
        }
    }

    /// Waits until the process has ended by itself, and its log was read to the end; answers its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        // A service that stops waits until its clients close what they keep.
        self.client = Client::new(&self.address);
        let code = self.child.wait().unwrap().code();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        code
    }

    /// Sends one request over a kept connection.
    #[must_use]
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &[u8])], body: Option<&[u8]>) -> Answer {
        self.client.send(method, path, headers, body).unwrap()
    }

    /// `PATCH /api/portfolios/employers/ID` with JSON.
    #[must_use]
    pub fn patch(&self, id: i64, key: &str, body: &str) -> Answer {
        self.patch_with(id, key, body, &[])
    }

    /// The same with more headers.
    #[must_use]
    pub fn patch_with(&self, id: i64, key: &str, body: &str, headers: &[(&str, &[u8])]) -> Answer {
        self.client.patch(id, key, body, headers).unwrap()
    }

    /// Writes these bytes to a connection of its own, and reads until the server closes it.
    #[must_use]
    pub fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // The server may have answered and closed before all is written.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}
