//! One run of a scenario: fault phase, heal, drain, report.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    path::PathBuf,
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    aim::Aim,
    check::{check, table},
    events::{Dice, PRIVATE, THREAT},
    history::{Account, Commit, Expect, History},
    kafka::{Feeder, Topics, Watch, read_all, read_input, standing, written},
    options::Options,
    plan::{Fault, Plan},
    quota::{Span, Window, latest, windows},
    world::{Memory, Place, Process, Providers, SECRET, Setup, ask, start_brokers},
};

/// Set by SIGINT and SIGTERM.
pub(crate) static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// Longest time without an event leaving, outside of an outage.
const STALL: Duration = Duration::from_secs(120);

pub(crate) enum Later {
    Start(usize),
    Thaw(usize),
    Broker(usize, Vec<String>, PathBuf),
}

pub(crate) struct Run<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) place: &'a Place,
    pub(crate) topics: &'a Topics,
    pub(crate) setup: Setup,
    pub(crate) providers: &'a Providers,
    pub(crate) brokers: Option<PathBuf>,
    pub(crate) restarted: Vec<Child>,
    pub(crate) replicas: BTreeMap<usize, Process>,
    pub(crate) frozen: Vec<usize>,
    pub(crate) later: Vec<(Instant, Later)>,
    pub(crate) dice: Dice,
    pub(crate) start: Instant,
    pub(crate) next_replica: usize,
    pub(crate) next_broker: usize,
    /// Aims kills at commits; opened when the first one is to be.
    pub(crate) aim: Option<Aim>,
    /// All providers are down.
    pub(crate) down: bool,
    pub(crate) history: History,
    pub(crate) memory: Memory,
}

/// Runs a scenario and prints its report; whether everything held.
pub(crate) fn run(plan: &Plan, options: &Options) -> bool {
    let name = format!("chaos-{}-{}-{}", plan.name, options.seed, process::id());
    let place = Place::new(&name);
    println!(
        "{}: seed {}, {} events, {} replicas, {} faults, {}, {} protocol",
        plan.name,
        options.seed,
        plan.events,
        plan.replicas,
        plan.faults.len() + plan.owing.as_ref().map_or(0, |late| late.len() + 1),
        plan.guarantee,
        options.protocol
    );
    let (brokers, dir) = match (plan.brokers, env::var("SIDELIGHT_TEST_KAFKA")) {
        (0, Ok(address)) => (address, None),
        (count, _) => {
            let (address, dir) = start_brokers(count.max(1), &place);
            (address, Some(dir))
        }
    };
    let committed = plan.guarantee == "exactly_once";
    let topics = Topics { brokers: brokers.clone(), name: name.clone(), committed, seed: options.seed };
    topics.create();
    let providers = Providers::start(&options.binary, &place, THREAT);
    let setup = Setup {
        binary: options.binary.clone(),
        brokers,
        name,
        guarantee: plan.guarantee.to_owned(),
        protocol: options.protocol.clone(),
        quotas: plan.quotas.clone(),
        orderly: plan.orderly,
        patience: if plan.owing.is_some() { 300 } else { 10 },
    };
    let mut run = Run {
        plan,
        place: &place,
        topics: &topics,
        setup,
        providers: &providers,
        brokers: dir.clone(),
        restarted: Vec::new(),
        replicas: BTreeMap::new(),
        frozen: Vec::new(),
        later: Vec::new(),
        dice: Dice::new(options.seed, 0xd1),
        start: Instant::now(),
        next_replica: 0,
        next_broker: 0,
        aim: None,
        down: false,
        history: History::default(),
        memory: Memory::default(),
    };
    let rows = {
        run.go();
        let expect = Expect {
            once: committed,
            no_repeats: plan.orderly && plan.brokers == 0,
            quotas: ["virustotal", "abuseipdb"]
                .map(str::to_owned)
                .into_iter()
                .zip(plan.quotas.iter().map(|quota| windows(quota).unwrap()))
                .collect(),
            resident: 1 << 30,
            private: PRIVATE.map(str::to_owned).to_vec(),
        };
        check(&run.history, &expect)
    };
    let held = rows.iter().all(|row| row.violations.is_empty());
    print!("{}", table(&rows));
    println!("  resident, mean of the replicas in each tenth of the run: {} MiB", run.memory.tenths());
    if !held {
        run.history.faults.iter().for_each(|(at, what)| println!("  at {at} ms {what}"));
    }
    let took = run.start.elapsed().as_secs_f64();
    println!("{}: {} in {took:.1} s, seed {}", plan.name, if held { "held" } else { "BROKEN" }, options.seed);
    run.replicas.clear();
    if let Some(dir) = dir {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/local-kafka/stop.sh");
        Command::new(script).arg(dir).stdout(Stdio::null()).status().ok();
        for child in &mut run.restarted {
            child.wait().ok();
        }
    }
    if held {
        fs::remove_dir_all(&place.0).ok();
    } else {
        println!("{}: logs are in {}", plan.name, place.0.display());
    }
    held
}

impl Run<'_> {
    pub(crate) fn ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap()
    }

    pub(crate) fn add(&mut self) {
        self.next_replica += 1;
        self.setup.write(self.place, self.next_replica, self.providers);
        self.launch(self.next_replica);
    }

    fn launch(&mut self, replica: usize) {
        let process = self.setup.start(self.place, replica);
        self.replicas.insert(replica, process);
    }

    fn go(&mut self) {
        if self.plan.owing.is_some() {
            self.providers.fail("hang");
        }
        for _ in 0..self.plan.replicas {
            self.add();
        }
        let (watch, feeder) = (Watch::start(self.topics, self.start), Feeder::new(self.topics));
        self.feed(&watch, &feeder);
        if let Some(faults) = &self.plan.owing {
            feeder.flush();
            self.pay(&watch, faults.clone());
        }
        self.drain(watch, &feeder);
    }

    /// Sends the events, and lets things go wrong meanwhile.
    fn feed(&mut self, watch: &Watch, feeder: &Feeder) {
        let mut faults = self.plan.faults.clone().into_iter().peekable();
        let (mut moved, mut count, mut sampled) = (Instant::now(), 0, Instant::now());
        while count < self.plan.events {
            assert!(!INTERRUPTED.load(Relaxed), "interrupted; seed and scenario are above");
            let now = watch.count();
            if now > count || self.later.iter().any(|(_, later)| matches!(later, Later::Broker(..))) {
                moved = Instant::now();
            }
            count = now;
            if moved.elapsed() > STALL {
                self.history.trouble.push(format!("no event left for {STALL:?}; {count} had"));
                break;
            }
            let to = (count + self.plan.window).min(self.plan.events).min(self.history.sent.len() + 500);
            let seconds = usize::try_from(self.start.elapsed().as_secs()).unwrap() + 1;
            let to = to.min(seconds.saturating_mul(self.plan.rate));
            while self.history.sent.len() < to {
                self.history.sent.push(self.ms());
                feeder.send(self.history.sent.len() - 1);
            }
            while let Some((_, fault)) = faults.next_if(|(at, _)| *at <= count) {
                self.strike(fault, watch);
            }
            self.tend();
            if sampled.elapsed() > Duration::from_millis(500) {
                sampled = Instant::now();
                self.sample();
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Everything is killed and the providers answer again: what is owed is paid, and things go wrong meanwhile.
    fn pay(&mut self, watch: &Watch, faults: Vec<(usize, Fault)>) {
        self.providers.fail("");
        self.strike(Fault::Everything, watch);
        let mut faults = faults.into_iter().peekable();
        let (mut moved, mut paid) = (Instant::now(), 0);
        loop {
            assert!(!INTERRUPTED.load(Relaxed), "interrupted; seed and scenario are above");
            let (owed, now) = watch.owed();
            if now > paid {
                (moved, paid) = (Instant::now(), now);
            }
            while let Some((_, fault)) = faults.next_if(|(share, _)| owed * share <= now * 1_000) {
                self.strike(fault, watch);
            }
            self.tend();
            if paid >= owed && faults.peek().is_none() {
                return;
            }
            if moved.elapsed() > STALL {
                return self.history.trouble.push(format!("no late record for {STALL:?}; {paid} of {owed} had come"));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Does what is due, and starts replicas that ended by themselves.
    fn tend(&mut self) {
        let now = Instant::now();
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.later).into_iter().partition(|(at, _)| *at <= now);
        self.later = later;
        for (_, what) in due {
            match what {
                Later::Start(replica) => self.launch(replica),
                Later::Thaw(replica) => {
                    self.frozen.retain(|frozen| *frozen != replica);
                    if let Some(process) = self.replicas.get(&replica) {
                        process.signal("CONT");
                    }
                }
                Later::Broker(node, line, place) => {
                    let log = File::options().append(true).open(place.join("broker.log")).unwrap();
                    let mut command = Command::new(&line[0]);
                    command.args(&line[1..]).current_dir(&place).stdin(Stdio::null()).stderr(Stdio::null()).stdout(log);
                    let child = command.spawn().unwrap();
                    fs::write(place.join("pid"), child.id().to_string()).unwrap();
                    self.history.faults.push((self.ms(), format!("broker {node} is back")));
                    self.restarted.push(child);
                }
            }
        }
        let ended: Vec<(usize, _)> =
            self.replicas.iter_mut().filter_map(|(replica, process)| Some((*replica, process.ended()?))).collect();
        for (replica, status) in ended {
            self.replicas.remove(&replica);
            let text = format!("replica-{replica} ended by itself: {status}");
            self.history.faults.push((self.ms(), text.clone()));
            if !self.plan.may_end {
                self.history.trouble.push(text);
            }
            self.later.push((Instant::now() + Duration::from_millis(500), Later::Start(replica)));
        }
    }

    fn sample(&self) {
        for (replica, process) in &self.replicas {
            self.memory.sample(&format!("replica-{replica}"), process, self.ms());
        }
    }

    /// Everything heals, what is owed comes, the replicas end in order, and the topics are read once more.
    fn drain(&mut self, watch: Watch, feeder: &Feeder) {
        feeder.flush();
        self.providers.fail("");
        while !self.later.is_empty() {
            self.tend();
            thread::sleep(Duration::from_millis(20));
        }
        let late = || watch.seen.lock().unwrap().late.len();
        let (start, mut last, mut quiet) = (Instant::now(), late(), Instant::now());
        self.history.input = read_input(self.topics, self.history.sent.len());
        // What a killed replica was about to ask another one asks when its claim is over.
        let all_paid = || {
            let (seen, input) = (watch.seen.lock().unwrap(), &self.history.input);
            seen.open
                .iter()
                .all(|n| input.get(*n).is_some_and(|input| seen.answered.contains(&(input.partition, input.offset))))
        };
        while (quiet.elapsed() < Duration::from_secs(2) || !all_paid()) && start.elapsed() < Duration::from_secs(90) {
            thread::sleep(Duration::from_millis(50));
            if late() > last {
                (last, quiet) = (late(), Instant::now());
            }
        }
        self.sample();
        self.look_into_accounts();
        let replicas: Vec<usize> = self.replicas.keys().copied().collect();
        for replica in replicas {
            self.terminate(replica);
        }
        let consumer = written(self.topics);
        let (committed, ends) = (self.topics.committed(&consumer), self.topics.ends(&consumer, "in"));
        if committed != ends {
            self.history.trouble.push(format!("committed at the end {committed:?}, sent {ends:?}"));
        }
        let last = read_all(self.topics);
        let begun = Instant::now();
        while watch.seen.lock().unwrap().output.len() < last.output.len() && begun.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(20));
        }
        let (beside, mut commits) = watch.end();
        if let (Some(committed), Some(output_ends)) = (committed, self.topics.ends(&consumer, "out")) {
            commits.push(Commit { committed, output_ends });
        }
        self.history.standing = standing(self.topics);
        self.history.calls = self.providers.calls();
        self.history.output = last.output;
        self.history.late = last.late;
        self.history.dead_letters = last.dead_letters;
        self.history.contradictions = last.contradictions;
        self.history.concurrent = beside.output;
        self.history.commits = commits;
        self.history.resident = self.memory.highest();
        self.look_into_logs();
    }

    /// What the fleet's accounts say, each at a moment when nothing of it is leased: then every unit is that of a call which the provider has seen, or lost.
    /// Only of windows that hold the whole run.
    fn look_into_accounts(&mut self) {
        let long = |(provider, quota): (&'static str, &String)| {
            let longest = windows(quota).unwrap().pop()?;
            let holds = longest.span == Span::Day || longest.span == Span::Any(3_600_000) && self.ms() < 3_600_000;
            holds.then_some((provider, longest))
        };
        let mut open: Vec<_> =
            ["virustotal", "abuseipdb"].into_iter().zip(&self.plan.quotas).filter_map(long).collect();
        let start = Instant::now();
        while !open.is_empty() && start.elapsed() < Duration::from_secs(60) {
            open.retain(|(provider, longest)| match self.account(provider, longest) {
                Some(account) => {
                    self.history.accounts.push(account);
                    false
                }
                None => true,
            });
            thread::sleep(Duration::from_millis(30));
        }
        for (provider, _) in open {
            self.history.trouble.push(format!("no moment was found without an open lease of {provider}"));
        }
    }

    /// One window of a provider and its calls; `None` while something is leased, or nobody answers.
    fn account(&self, provider: &str, window: &Window) -> Option<Account> {
        let look = || self.replicas.keys().find_map(|replica| self.used(*replica, provider, window.name));
        let used = look()?;
        let calls: Vec<(u64, u64)> = (self.providers.calls().into_iter())
            .filter(|call| call.provider == provider)
            .map(|call| (call.ms, call.wall_ms))
            .collect();
        // Nothing has been leased meanwhile.
        (look()? == used).then(|| Account {
            provider: provider.to_owned(),
            window: window.name,
            used,
            calls: latest(window, &calls),
        })
    }

    /// Used units of a provider's window, as this replica knows them; `None` while something is leased.
    fn used(&self, replica: usize, provider: &str, window: &str) -> Option<u64> {
        let log = fs::read_to_string(self.place.0.join(format!("replica-{replica}.log"))).ok()?;
        let line = log.lines().rfind(|line| line.contains("admin server listens"))?;
        let line: Value = serde_json::from_str(line).ok()?;
        let body = ask(line["address"].as_str()?, "GET /api/v1/budgets", "").ok()?;
        let providers: Value = serde_json::from_str(&body).ok()?;
        let found = providers.as_array()?.iter().find(|found| found["provider"] == provider)?;
        let window = found["budget"].as_array()?.iter().find(|found| found["window"] == window)?;
        window["used"].as_u64().filter(|_| window["leased"] == 0)
    }

    fn look_into_logs(&mut self) {
        for replica in 1..=self.next_replica {
            let name = format!("replica-{replica}.log");
            let text = fs::read(self.place.0.join(&name)).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            if text.contains(SECRET) {
                self.history.leaks.push(format!("a key is in {name}"));
            }
            if text.contains("panicked") {
                self.history.trouble.push(format!("a panic is in {name}"));
            }
        }
    }
}
