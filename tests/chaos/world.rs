//! The processes of a run: replicas, the simulator, and the brokers where the run has none yet. None outlives the suite.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{self, Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::history::Call;

/// The key of every provider; must not be in a log.
pub(crate) const SECRET: &str = "c4a05c4a05c4a05c4a05c4a05c4a05c4a05c4a05c4a05c4a05c4a05c4a05c4a0";

/// A directory for a run's files, with a shell that ends the run's processes when the suite itself was killed.
#[derive(Debug)]
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    pub(crate) fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        // Once: a replica that starts may read it at any time.
        let key = path.join("provider.key");
        fs::write(&key, SECRET).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        const GUARD: &str = r#"while kill -0 "$1" 2>/dev/null; do sleep 1; done
            for file in "$2"/*.pid; do
              [ -e "$file" ] || continue
              pid=$(basename "$file" .pid)
              [ "$(readlink /proc/$pid/cwd)" = "$2" ] && kill -KILL "$pid"
            done"#;
        let mut guard = Command::new("bash");
        guard.args(["-c", GUARD, "guard", &process::id().to_string()]).arg(&path);
        let mut guard = guard.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // It ends after the suite; in the meantime nobody waits for it but this thread.
        thread::spawn(move || guard.wait());
        Self(path)
    }
}

/// A child process in a run's directory.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    mark: PathBuf,
    since: Instant,
}

impl Process {
    fn spawn(command: &mut Command, place: &Path) -> Self {
        let child = command.current_dir(place).stdin(Stdio::null()).spawn().unwrap();
        let mark = place.join(format!("{}.pid", child.id()));
        fs::write(&mark, "").unwrap();
        Self { child, mark, since: Instant::now() }
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "SIG{name}");
    }

    /// Whether SIGTERM may still have its default effect, since the program has hardly begun.
    pub(crate) fn is_new(&self) -> bool {
        self.since.elapsed() < Duration::from_secs(1)
    }

    /// The status with which it ended; `None` while it runs.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub(crate) fn wait(&mut self, within: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < within {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        None
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        fs::remove_file(&self.mark).ok();
    }
}

/// The body of an answer in HTTP.
pub(crate) fn ask(address: &str, request: &str, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    let head = format!(
        "{request} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}",
        body.len()
    );
    write!(stream, "{head}\r\n\r\n{body}")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

/// The simulated providers.
#[derive(Debug)]
pub(crate) struct Providers {
    _process: Process,
    address: String,
}

impl Providers {
    pub(crate) fn start(binary: &str, place: &Place, malicious: &str) -> Self {
        let out = place.0.join("simulator.out");
        let mut command = Command::new(binary);
        command.args(["simulate", "--listen", "127.0.0.1:0", "--latency", "60", "--jitter", "150"]);
        command.args(["--malicious", malicious]).stdout(File::create(&out).unwrap()).stderr(Stdio::null());
        let process = Process::spawn(&mut command, &place.0);
        let start = Instant::now();
        loop {
            let text = fs::read_to_string(&out).unwrap_or_default();
            let found = text.split("http://").nth(1).and_then(|rest| rest.split('/').next());
            if let Some(address) = found.filter(|_| text.contains("stats:")) {
                return Self { _process: process, address: address.to_owned() };
            }
            assert!(start.elapsed() < Duration::from_secs(20), "the simulator starts: {text}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn ask(&self, request: &str, body: &str) -> String {
        ask(&self.address, request, body).unwrap()
    }

    /// The calls.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let text = self.ask("GET /_sim/log", "");
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines
            .filter_map(|call| {
                let text = |name: &str| call[name].as_str().map(str::to_owned);
                let (ms, wall_ms) = (call["monotonic_ns"].as_u64()? / 1_000_000, call["time"].as_u64()?);
                Some(Call { provider: text("provider")?, indicator: text("indicator")?, ms, wall_ms })
            })
            .collect()
    }

    /// All providers fail in this way from now on; an empty name ends it.
    pub(crate) fn fail(&self, fault: &str) {
        let body = if fault.is_empty() { "{}".to_owned() } else { format!(r#"{{"fault":"{fault}"}}"#) };
        self.ask("POST /_sim/faults", &body);
    }
}

/// What all replicas have in common.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) binary: String,
    pub(crate) brokers: String,
    pub(crate) name: String,
    pub(crate) guarantee: String,
    pub(crate) protocol: String,
    pub(crate) quotas: [String; 2],
    /// No replica is killed or frozen.
    pub(crate) orderly: bool,
    /// How long a provider is given for an answer, seconds.
    pub(crate) patience: u64,
}

impl Setup {
    /// Writes the configuration of a replica.
    pub(crate) fn write(&self, place: &Place, replica: usize, providers: &Providers) -> PathBuf {
        let Self { brokers, name, guarantee, protocol, quotas, orderly, patience, .. } = self;
        let session = if protocol == "consumer" {
            "\"group.protocol\" = \"consumer\""
        } else if *orderly {
            // Nobody waits for the end of a session: a short one would only put out living members that a busy machine holds up.
            ""
        } else {
            "\"session.timeout.ms\" = \"2000\"\n\"heartbeat.interval.ms\" = \"400\""
        };
        let key = place.0.join("provider.key");
        let mut text = format!(
            "[kafka]\nbrokers = \"{brokers}\"\ngroup_id = \"{name}\"\ninstance_id = \"replica-{replica}\"\n\
             [kafka.properties]\n{session}\n[input]\ntopics = [\"{name}.in\"]\n\
             [output]\ntopic = \"{name}.out\"\nlate_topic = \"{name}.late\"\ndlq_topic = \"{name}.dlq\"\n\
             [delivery]\nguarantee = \"{guarantee}\"\ndeadline = \"150ms\"\ncommit_interval = \"300ms\"\nlate_for = \"60s\"\n\
             [state]\nprefix = \"{name}.state\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n\
             [enrich]\nmax_in_flight = 256\nreserve = 0.0\n"
        );
        for (provider, quota) in ["virustotal", "abuseipdb"].iter().zip(quotas) {
            text += &format!(
                "[providers.{provider}]\napi_key = {{ file = {key:?} }}\nbase_url = \"http://{}/{provider}\"\n\
                 quota = \"{quota}\"\npace = \"asap\"\nmax_in_flight = 64\ntimeout = \"{patience}s\"\n",
                providers.address
            );
        }
        let path = place.0.join(format!("replica-{replica}.toml"));
        fs::write(&path, text).unwrap();
        path
    }

    /// Starts a replica. Its log goes on where an earlier life of it ended.
    pub(crate) fn start(&self, place: &Place, replica: usize) -> Process {
        let log =
            File::options().create(true).append(true).open(place.0.join(format!("replica-{replica}.log"))).unwrap();
        let mut command = Command::new(&self.binary);
        command.args(["run", "--config", &format!("replica-{replica}.toml")]).stdout(Stdio::null()).stderr(log);
        Process::spawn(&mut command, &place.0)
    }
}

/// Resident memory of the replicas.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    /// The highest of each process that has a name here, bytes.
    highest: Arc<Mutex<BTreeMap<String, u64>>>,
    /// Milliseconds since the start, and bytes of one process then.
    samples: Arc<Mutex<Vec<(u64, u64)>>>,
}

impl Memory {
    pub(crate) fn sample(&self, name: &str, process: &Process, at_ms: u64) {
        let text = fs::read_to_string(format!("/proc/{}/status", process.child.id())).unwrap_or_default();
        let bytes = |field: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(field));
            line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or(0) << 10
        };
        self.samples.lock().unwrap().push((at_ms, bytes("VmRSS:")));
        let mut map = self.highest.lock().unwrap();
        let highest = map.entry(name.to_owned()).or_default();
        *highest = (*highest).max(bytes("VmHWM:"));
    }

    pub(crate) fn highest(&self) -> BTreeMap<String, u64> {
        self.highest.lock().unwrap().clone()
    }

    /// The mean of all processes in each tenth of the time, MiB.
    pub(crate) fn tenths(&self) -> String {
        let samples = self.samples.lock().unwrap();
        let end = samples.last().map_or(1, |(at, _)| at + 1);
        let mean = |tenth: u64| {
            let within: Vec<u64> =
                samples.iter().filter(|(at, _)| at * 10 / end == tenth).map(|(_, bytes)| bytes >> 20).collect();
            let count = u64::try_from(within.len()).unwrap();
            (count > 0).then(|| (within.iter().sum::<u64>() / count).to_string())
        };
        (0..10).map(|tenth| mean(tenth).unwrap_or_else(|| "-".to_owned())).collect::<Vec<_>>().join(" ")
    }
}

/// Starts brokers of the run's own; where they listen and lie.
pub(crate) fn start_brokers(count: usize, place: &Place) -> (String, PathBuf) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/local-kafka/start.sh");
    let dir = place.0.join("kafka");
    let mut command = Command::new(script);
    command.arg("--dir").arg(&dir).args(["--brokers", &count.to_string(), "--while", &process::id().to_string()]);
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let address = text.lines().find_map(|line| line.strip_prefix("BOOTSTRAP=")).expect("the brokers start");
    (address.to_owned(), dir)
}
