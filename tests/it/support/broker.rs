//! A broker of one test alone.

use std::{
    fs,
    path::PathBuf,
    process::{self, Child, Command, Stdio},
};

use super::kafka::{eventually, unique};

/// A broker of this test alone, which may be killed and started again.
pub(crate) struct Broker {
    directory: PathBuf,
    pub(crate) bootstrap: String,
    pid: u32,
    command: Vec<String>,
    again: Option<Child>,
}

impl Broker {
    /// Starts it with these properties, `name=value`, beside the usual ones.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(unique("broker"));
        let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/local-kafka/start.sh"))
            .args(["--while", &process::id().to_string(), "--heap", "256m", "--dir"])
            .arg(&directory)
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let bootstrap = text.lines().find_map(|line| line.strip_prefix("BOOTSTRAP=")).expect("it starts").to_owned();
        let pid = fs::read_to_string(directory.join("node-1/pid")).unwrap().trim().parse().unwrap();
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
        let command = line.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned());
        let command = command.filter(|part| !part.is_empty()).collect();
        Self { directory, bootstrap, pid, command, again: None }
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.again.take() {
            child.kill().unwrap();
            child.wait().unwrap();
            return;
        }
        assert!(Command::new("kill").args(["-KILL", &self.pid.to_string()]).status().unwrap().success());
        let gone = || fs::read(format!("/proc/{}/cmdline", self.pid)).map_or(true, |line| line.is_empty());
        eventually("the broker has ended", gone);
    }

    /// Its files may not grow any more, as on a full disk; waits until it has ended for that.
    pub(crate) fn leave_no_room(&mut self) {
        let pid = self.again.as_ref().map_or(self.pid, Child::id).to_string();
        assert!(Command::new("prlimit").args(["--pid", &pid, "--fsize=0:"]).status().unwrap().success());
        if let Some(mut child) = self.again.take() {
            eventually("the broker has ended", || child.try_wait().unwrap().is_some());
            return;
        }
        let gone = || fs::read(format!("/proc/{pid}/cmdline")).map_or(true, |line| line.is_empty());
        eventually("the broker has ended", gone);
    }

    pub(crate) fn start_again(&mut self) {
        let node = self.directory.join("node-1");
        let log = fs::File::create(node.join("again.log")).unwrap();
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).current_dir(node).stdin(Stdio::null());
        self.again = Some(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(child) = &mut self.again {
            child.kill().ok();
            child.wait().ok();
        }
        let stop = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/local-kafka/stop.sh");
        Command::new(stop).arg(&self.directory).status().ok();
    }
}
