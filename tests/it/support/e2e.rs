//! The real program as a child process, between a real broker and simulated providers in this process.
//!
//! Every stage has topics, a group, a directory and a simulator of its own. A child never outlives its [`Daemon`], and what it wrote to
//! standard error is shown when a test fails.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use serde_json::Value;
use sidelight::{
    provider::{ABUSEIPDB, VIRUSTOTAL},
    simulator::{Entry, Handle, Simulator, SimulatorConfig},
};

use super::kafka::{Admin, PATIENCE, real_broker, unique};

/// Tests that measure time run alone among the tests of the whole program.
static QUIET: RwLock<()> = RwLock::new(());

/// Held by a test that measures nothing.
pub(crate) fn beside_others() -> RwLockReadGuard<'static, ()> {
    QUIET.read()
}

/// Held by a test that measures time.
pub(crate) fn alone() -> RwLockWriteGuard<'static, ()> {
    QUIET.write()
}

/// The program: the one of this build, or what `SIDELIGHT_TEST_PROGRAM` names, a release build for instance where a test prints a measurement.
pub(crate) fn program() -> Command {
    let named = std::env::var_os("SIDELIGHT_TEST_PROGRAM");
    let mut command = Command::new(named.unwrap_or_else(|| env!("CARGO_BIN_EXE_sidelight").into()));
    command.stdin(Stdio::null());
    command
}

/// A directory that ends with its value.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(unique("e2e"));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file; its path.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let (path, new) = (self.0.join(name), self.0.join(format!("{name}.new")));
        fs::write(&new, content).unwrap();
        // It may be a key.
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
        // Whole at any time: another child may just be reading it.
        fs::rename(&new, &path).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Providers of a test: the simulator and the runtime that it answers on.
pub(crate) struct Providers {
    simulator: Option<Handle>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Providers {
    pub(crate) fn new(config: SimulatorConfig) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let simulator = runtime.block_on(async { Simulator::bind(config).await.and_then(Simulator::spawn).unwrap() });
        Self { simulator: Some(simulator), runtime: Some(runtime) }
    }

    pub(crate) fn simulator(&self) -> &Handle {
        self.simulator.as_ref().unwrap()
    }

    /// The calls so far as `(provider, kind, indicator)`.
    pub(crate) fn calls(&self) -> Vec<(String, String, String)> {
        let of = |entry: Entry| (entry.provider.to_string(), entry.kind.to_owned(), entry.indicator.to_string());
        self.simulator().log().into_iter().map(of).collect()
    }

    /// How often a provider was asked.
    pub(crate) fn count(&self, provider: &str) -> usize {
        self.calls().iter().filter(|(name, ..)| name == provider).count()
    }
}

impl Drop for Providers {
    fn drop(&mut self) {
        drop(self.simulator.take());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Everything around one or more runs of the daemon.
pub(crate) struct Stage {
    pub(crate) name: String,
    pub(crate) providers: Providers,
    pub(crate) directory: Directory,
    settings: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
}

/// The key that both providers get unless a test says otherwise.
pub(crate) const KEY: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

impl Stage {
    /// A stage with an input topic of this many partitions. The other topics are the program's to create.
    pub(crate) fn new(stem: &str, partitions: i32, simulator: SimulatorConfig) -> Self {
        let mut stage = Self::without_input(stem, real_broker(), simulator);
        Admin::new(real_broker()).create_topic(&stage.input(), partitions, &[]);
        stage.set("kafka.start_timeout", "\"20s\"");
        stage
    }

    /// A stage on which nothing has been created.
    pub(crate) fn without_input(stem: &str, brokers: &str, simulator: SimulatorConfig) -> Self {
        let providers = Providers::new(simulator);
        let (directory, name) = (Directory::new(), unique(stem));
        let mut stage = Self { name, providers, directory, settings: BTreeMap::new(), environment: BTreeMap::new() };
        let abuse_key = stage.directory.write("abuse.key", KEY.as_bytes());
        stage.environment.insert("E2E_VT_KEY".to_owned(), KEY.to_owned());
        let quoted = |text: &str| format!("{text:?}");
        stage.set("kafka.brokers", &quoted(brokers));
        stage.set("kafka.group_id", &quoted(&stage.name.clone()));
        stage.set("kafka.instance_id", &quoted("replica-1"));
        stage.set("input.topics", &format!("[{:?}]", stage.input()));
        stage.set("output.topic", &quoted(&stage.output()));
        stage.set("output.late_topic", &quoted(&stage.late()));
        stage.set("output.dlq_topic", &quoted(&stage.dead_letters()));
        // A fleet of its own.
        stage.set("state.prefix", &quoted(&format!("{}.state", stage.name)));
        stage.set("delivery.commit_interval", "\"100ms\"");
        stage.set("delivery.shutdown_timeout", "\"20s\"");
        stage.set("admin.listen", "\"127.0.0.1:0\"");
        stage.set("log.format", "\"json\"");
        for (provider, key) in
            [(VIRUSTOTAL, "{ env = \"E2E_VT_KEY\" }".to_owned()), (ABUSEIPDB, format!("{{ file = {abuse_key:?} }}"))]
        {
            let base = stage.providers.simulator().base_url(provider);
            stage.set(&format!("providers.{provider}.api_key"), &key);
            stage.set(&format!("providers.{provider}.base_url"), &quoted(&base));
            stage.set(&format!("providers.{provider}.quota"), "\"1000000/min\"");
        }
        stage
    }

    /// Sets a key of the configuration to a TOML value.
    pub(crate) fn set(&mut self, path: &str, value: &str) -> &mut Self {
        self.settings.insert(path.to_owned(), value.to_owned());
        self
    }

    /// Takes a whole table out of the configuration.
    pub(crate) fn unset(&mut self, table: &str) -> &mut Self {
        self.settings.retain(|path, _| !path.starts_with(table));
        self
    }

    /// Sets a variable of the program's environment.
    pub(crate) fn variable(&mut self, name: &str, value: &str) -> &mut Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn input(&self) -> String {
        format!("{}.in", self.name)
    }

    pub(crate) fn output(&self) -> String {
        format!("{}.out", self.name)
    }

    pub(crate) fn late(&self) -> String {
        format!("{}.late", self.name)
    }

    pub(crate) fn dead_letters(&self) -> String {
        format!("{}.dlq", self.name)
    }

    /// Writes the configuration; its path.
    pub(crate) fn config(&self) -> PathBuf {
        let mut tables: BTreeMap<&str, String> = BTreeMap::new();
        for (path, value) in &self.settings {
            let (table, key) = path.rsplit_once('.').unwrap();
            *tables.entry(table).or_default() += &format!("{key} = {value}\n");
        }
        let text: String = tables.iter().map(|(table, lines)| format!("[{table}]\n{lines}\n")).collect();
        self.directory.write("sidelight.toml", text.as_bytes())
    }

    /// A command of the program with the configuration.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = program();
        command.arg(name).arg("--config").arg(self.config()).envs(&self.environment);
        command
    }

    /// Starts the daemon and waits until it is ready.
    pub(crate) fn start(&self) -> Daemon {
        let daemon = Daemon::spawn(self.command("run"));
        daemon.wait_ready();
        daemon
    }
}

/// Runs a command to its end with this on standard input.
pub(crate) fn run_with(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        // A program that ends early does not read to the end.
        scope.spawn(move || stdin.write_all(input).ok());
        child.wait_with_output().unwrap()
    })
}

/// A running daemon.
pub(crate) struct Daemon {
    child: Child,
    log: Arc<Mutex<String>>,
    stdout: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

/// A daemon that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) log: String,
    pub(crate) stdout: String,
}

fn collect(stream: impl Read + Send + 'static) -> (Arc<Mutex<String>>, JoinHandle<()>) {
    let text = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&text);
    let thread = thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            into.lock().push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
    (text, thread)
}

impl Daemon {
    /// Starts a command; it need not become ready.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (log, log_reader) = collect(child.stderr.take().unwrap());
        let (stdout, stdout_reader) = collect(child.stdout.take().unwrap());
        Self { child, log, stdout, readers: vec![log_reader, stdout_reader] }
    }

    /// What it wrote to standard error so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().clone()
    }

    /// The lines of the log so far that are JSON.
    pub(crate) fn log_lines(&self) -> Vec<Value> {
        json_lines(&self.log())
    }

    /// Where the admin server listens, once it says so.
    pub(crate) fn admin(&self) -> Option<SocketAddr> {
        let lines = self.log_lines();
        let line = lines.iter().find(|line| line["message"] == "admin server listens")?;
        line["address"].as_str()?.parse().ok()
    }

    /// Waits until `/readyz` says yes.
    pub(crate) fn wait_ready(&self) {
        let start = Instant::now();
        while !self.is_ready() {
            assert!(start.elapsed() < PATIENCE, "not ready in {PATIENCE:?}:\n{}", self.log());
            assert!(self.readers.iter().any(|reader| !reader.is_finished()), "it ended:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// An answer of the admin server: its status, and everything that it sent.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        get(self.admin().expect("the admin server listens"), path).expect("the admin server answers")
    }

    /// `/api/v1/status`.
    pub(crate) fn status(&self) -> Value {
        let (_, answer) = self.get("/api/v1/status");
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether `/readyz` says yes.
    pub(crate) fn is_ready(&self) -> bool {
        self.admin().and_then(|address| get(address, "/readyz")).is_some_and(|(status, _)| status == 200)
    }

    /// What `/readyz` says while it says no.
    pub(crate) fn not_ready(&self) -> Option<String> {
        self.admin()
            .and_then(|address| get(address, "/readyz"))
            .filter(|(status, _)| *status != 200)
            .map(|(_, text)| text)
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal, `TERM`, `STOP` ….
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Sends SIGHUP.
    pub(crate) fn hang_up(&self) {
        let sent = Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn terminate(mut self) -> Ended {
        self.signal("TERM");
        self.wait(Duration::from_secs(30))
    }

    /// Sends SIGKILL and waits for the end.
    pub(crate) fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        self.wait(Duration::from_secs(10))
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self, within: Duration) -> Ended {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < within, "did not end within {within:?}:\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        };
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        Ended { code: status.code(), log: self.log(), stdout: self.stdout.lock().clone() }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Ended already: nothing to do.
        self.child.kill().ok();
        self.child.wait().ok();
        for reader in self.readers.drain(..) {
            reader.join().ok();
        }
        if thread::panicking() {
            let log = self.log();
            let from = log.char_indices().rev().nth(6_000).map_or(0, |(at, _)| at);
            let text = format!("--- end of the daemon's log ---\n{}\n---\n", &log[from..]);
            io::stderr().write_all(text.as_bytes()).ok();
        }
    }
}

/// The lines that are JSON.
pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer))
}
