//! What goes wrong, done to the processes of a run.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{
    aim::Aim,
    history::Commit,
    kafka::Watch,
    plan::Fault,
    run::{Later, Run},
};

impl Run<'_> {
    /// A running replica, by chance.
    fn victim(&mut self) -> Option<usize> {
        let running: Vec<usize> = self.replicas.keys().copied().filter(|n| !self.frozen.contains(n)).collect();
        let place = usize::try_from(self.dice.below(running.len() as u64)).unwrap();
        running.get(place).copied()
    }

    fn note(&mut self, what: String) {
        self.history.faults.push((self.ms(), what));
    }

    fn soon(&mut self) -> Instant {
        Instant::now() + Duration::from_millis(self.dice.below(1_500))
    }

    fn kill(&mut self, victim: usize) {
        drop(self.replicas.remove(&victim));
        let soon = self.soon();
        self.later.push((soon, Later::Start(victim)));
    }

    /// Lets a fault happen.
    pub(crate) fn strike(&mut self, fault: Fault, watch: &Watch) {
        if fault != Fault::Providers && std::mem::take(&mut self.down) {
            self.providers.fail("");
        }
        match fault {
            Fault::Brokers(seconds) => {
                self.note(format!("{fault:?}"));
                self.strike_broker(seconds);
            }
            Fault::Join => {
                self.note(format!("{fault:?}"));
                self.add();
            }
            Fault::Providers => {
                self.note(format!("{fault:?}"));
                self.down = true;
                self.providers.fail("unavailable");
            }
            Fault::Everything => {
                self.note(format!("{fault:?}"));
                let all: Vec<usize> = self.replicas.keys().copied().collect();
                all.into_iter().for_each(|victim| self.kill(victim));
            }
            Fault::Kill | Fault::KillAtCommit | Fault::Terminate | Fault::Leave | Fault::Freeze => {
                let Some(victim) = self.victim() else { return };
                if fault == Fault::KillAtCommit {
                    self.wait_for_commit(victim, watch);
                }
                self.note(format!("{fault:?} replica-{victim}"));
                self.strike_replica(fault, victim);
            }
        }
    }

    fn strike_replica(&mut self, fault: Fault, victim: usize) {
        match fault {
            Fault::Terminate => {
                self.terminate(victim);
                let soon = self.soon();
                self.later.push((soon, Later::Start(victim)));
            }
            Fault::Leave => self.terminate(victim),
            Fault::Freeze => {
                self.replicas[&victim].signal("STOP");
                self.frozen.push(victim);
                self.later.push((Instant::now() + Duration::from_secs(5), Later::Thaw(victim)));
            }
            Fault::Kill | Fault::KillAtCommit => self.kill(victim),
            Fault::Join | Fault::Providers | Fault::Brokers(_) | Fault::Everything => {}
        }
    }

    /// Exactly once the victim stands still in the middle of a commit afterwards, as its brokers see it; at least once a commit is about due.
    fn wait_for_commit(&mut self, victim: usize, watch: &Watch) {
        if self.topics.committed {
            let id = format!("{}.replica-{victim}", self.topics.name);
            let aim = self.aim.get_or_insert_with(|| Aim::new(self.topics));
            self.history.aimed.0 += 1;
            self.history.aimed.1 += usize::from(aim.freeze_in_commit(&id, self.replicas[&victim].id()));
            return;
        }
        let commits = || watch.commits.lock().unwrap().last().map(|commit: &Commit| commit.committed.clone());
        let (before, start) = (commits(), Instant::now());
        while commits() == before && start.elapsed() < Duration::from_secs(1) {
            thread::sleep(Duration::from_millis(1));
        }
        // The next commit is due an interval after this one.
        thread::sleep(Duration::from_millis(150 + self.dice.below(100)));
    }

    /// Ends a replica in order.
    pub(crate) fn terminate(&mut self, replica: usize) {
        let Some(mut process) = self.replicas.remove(&replica) else { return };
        self.memory.sample(&format!("replica-{replica}"), &process, self.ms());
        let new = process.is_new();
        process.signal("TERM");
        match process.wait(Duration::from_secs(45)) {
            Some(status) if status.success() || (new && status.signal() == Some(15)) => {}
            ended => self.history.trouble.push(format!("replica-{replica} after SIGTERM: {ended:?}")),
        }
    }

    /// Kills the next broker; it starts again with the command line that it had.
    fn strike_broker(&mut self, seconds: u64) {
        let Some(dir) = self.brokers.clone() else { return };
        let node = self.next_broker % self.plan.brokers + 1;
        self.next_broker += 1;
        let file = dir.join(format!("node-{node}/pid"));
        let pid = fs::read_to_string(&file).unwrap().trim().to_owned();
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line: Vec<String> = line
            .split(|byte| *byte == 0)
            .filter(|a| !a.is_empty())
            .map(|a| String::from_utf8_lossy(a).into())
            .collect();
        let ours = format!("-Dsidelight.local.kafka={}", dir.display());
        if !line.contains(&ours) {
            return self.history.trouble.push(format!("broker {node} is not there"));
        }
        Command::new("kill").args(["-KILL", &pid]).status().unwrap();
        let back = Instant::now() + Duration::from_secs(seconds);
        self.later.push((back, Later::Broker(node, line, dir.join(format!("node-{node}")))));
    }
}
