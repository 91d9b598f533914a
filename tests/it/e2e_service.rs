//! What a service manager hears of the real program.

use std::{os::unix::net::UnixDatagram, thread, time::Duration};

use sidelight::simulator::SimulatorConfig;

use crate::support::{
    e2e::{Daemon, Stage, beside_others},
    kafka::eventually,
};

#[test]
fn a_service_manager_hears_of_start_life_and_end() {
    let _turn = beside_others();
    let mut stage = Stage::new("e2e-service", 1, SimulatorConfig::default());
    let path = stage.directory.write("notify", b"");
    std::fs::remove_file(&path).unwrap();
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_nonblocking(true).unwrap();
    let heard = || {
        let mut buffer = [0u8; 256];
        manager.recv(&mut buffer).ok().map(|length| String::from_utf8_lossy(&buffer[..length]).into_owned())
    };
    stage.variable("NOTIFY_SOCKET", path.to_str().unwrap()).variable("WATCHDOG_USEC", "4000000");
    let daemon = Daemon::spawn(stage.command("run"));
    let mut said = Vec::new();
    eventually("ready, and alive for a while", || {
        said.extend(heard());
        said.iter().filter(|text| *text == "WATCHDOG=1").count() >= 2 && said.iter().any(|text| text == "READY=1")
    });
    assert_eq!(said.iter().filter(|text| *text == "READY=1").count(), 1);
    assert!(daemon.log().contains("memory ceiling"), "{}", daemon.log());
    let ended = daemon.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    thread::sleep(Duration::from_millis(10));
    said.extend(std::iter::from_fn(heard));
    assert_eq!(said.last().map(String::as_str), Some("STOPPING=1"));
}
