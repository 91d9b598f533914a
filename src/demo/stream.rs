//! A stream of realistic security events of our own making: ECS, flat JSON, CEF and syslog; a few threats in much noise.
//!
//! Everything follows from the seed. Values repeat as they do in real streams: a few are seen all the time, most of them now and then, and new
//! ones keep coming.

use crate::{
    demo::values::{below, domain, ipv4, md5, private, sha256, url},
    enrich::Dice,
};

/// What a stream is made of.
#[derive(Clone, Debug)]
pub struct Make {
    /// Same seed, same stream.
    pub seed: u64,
    /// Distinct values of each sort in circulation.
    pub values: usize,
    /// Share of events that show a threat, 0.0..=1.0.
    pub threats: f64,
}

/// One event with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The host that it is about.
    pub key: String,
    /// The event.
    pub payload: String,
}

/// The stream.
#[derive(Clone, Debug)]
pub struct Stream {
    dice: Dice,
    make: Make,
    pool: Pool,
    bad: Pool,
    serial: u64,
}

#[derive(Clone, Debug, Default)]
struct Pool {
    addresses: Vec<String>,
    domains: Vec<String>,
    urls: Vec<String>,
    files: Vec<String>,
}

impl Pool {
    fn new(dice: &mut Dice, size: usize) -> Self {
        let size = size.max(1);
        Self {
            addresses: (0..size).map(|_| ipv4(dice)).collect(),
            domains: (0..size).map(|_| domain(dice)).collect(),
            urls: (0..size.div_ceil(2)).map(|_| url(dice)).collect(),
            files: (0..size.div_ceil(2)).map(|_| sha256(dice)).collect(),
        }
    }
}

/// One of these, the first ones more often than the last.
fn skewed<'a>(dice: &mut Dice, from: &'a [String]) -> &'a str {
    let share = dice.share();
    let at = (share * share * share * from.len() as f64) as usize;
    from.get(at.min(from.len().saturating_sub(1))).map_or("", String::as_str)
}

impl Stream {
    /// A stream.
    pub fn new(make: Make) -> Self {
        let mut dice = Dice::new(make.seed);
        let pool = Pool::new(&mut dice, make.values);
        let bad = Pool::new(&mut dice, 6);
        Self { dice, make, pool, bad, serial: 0 }
    }

    /// The values that stand for threats; the simulator is told to call them malicious.
    pub fn threats(&self) -> Vec<String> {
        let bad = &self.bad;
        bad.addresses.iter().chain(&bad.domains).chain(&bad.urls).chain(&bad.files).cloned().collect()
    }

    /// The next event, created at this time (milliseconds since the epoch).
    pub fn event(&mut self, now_ms: i64) -> Made {
        self.serial += 1;
        let threat = self.dice.share() < self.make.threats;
        let host = format!("host-{:03}", below(&mut self.dice, 400));
        let at = timestamp(now_ms);
        let payload = match below(&mut self.dice, 100) {
            0..=34 => self.connection(&at, &host, threat),
            35..=54 => self.dns(&at, &host, threat),
            55..=69 => self.proxy(&at, &host, threat),
            70..=79 => self.process(&at, &host, threat),
            80..=87 => self.cloud(&at, threat),
            88..=95 => self.cef(now_ms, &host, threat),
            _ => self.syslog(&at, &host, threat),
        };
        Made { key: host, payload }
    }

    fn address(&mut self, threat: bool) -> String {
        let pool = if threat { &self.bad } else { &self.pool };
        skewed(&mut self.dice, &pool.addresses).to_owned()
    }

    fn domain(&mut self, threat: bool) -> String {
        let pool = if threat { &self.bad } else { &self.pool };
        skewed(&mut self.dice, &pool.domains).to_owned()
    }

    fn connection(&mut self, at: &str, host: &str, threat: bool) -> String {
        let (source, destination) = (private(&mut self.dice), self.address(threat));
        let (port, bytes) = (1024 + below(&mut self.dice, 60_000), below(&mut self.dice, 90_000));
        format!(
            r#"{{"@timestamp":"{at}","event":{{"id":"{id}","kind":"event","category":["network"],"action":"allowed","dataset":"firewall.log"}},"host":{{"name":"{host}"}},"source":{{"ip":"{source}","port":{port}}},"destination":{{"ip":"{destination}","port":443,"bytes":{bytes}}},"network":{{"transport":"tcp","protocol":"tls"}},"observer":{{"vendor":"Example","version":"11.2.4.1"}}}}"#,
            id = self.id()
        )
    }

    fn dns(&mut self, at: &str, host: &str, threat: bool) -> String {
        let (source, name, answer) = (private(&mut self.dice), self.domain(threat), self.address(false));
        format!(
            r#"{{"@timestamp":"{at}","event":{{"id":"{id}","kind":"event","category":["network"],"dataset":"dns.log"}},"host":{{"name":"{host}"}},"client":{{"ip":"{source}"}},"dns":{{"question":{{"name":"{name}","type":"A"}},"answers":[{{"name":"{name}","type":"A","data":"{answer}","ttl":300}}],"response_code":"NOERROR"}}}}"#,
            id = self.id()
        )
    }

    fn proxy(&mut self, at: &str, host: &str, threat: bool) -> String {
        let pool = if threat { &self.bad } else { &self.pool };
        let url = skewed(&mut self.dice, &pool.urls).replace('/', "\\/");
        let (source, status) = (private(&mut self.dice), [200, 200, 200, 304, 404][below(&mut self.dice, 5)]);
        format!(
            r#"{{"@timestamp":"{at}","event.id":"{id}","host.name":"{host}","source.ip":"{source}","url.full":"{url}","http":{{"request":{{"method":"GET"}},"response":{{"status_code":{status}}}}},"user_agent":{{"original":"Mozilla\/5.0 (X11; Linux x86_64) Chrome\/124.0.0.0"}}}}"#,
            id = self.id()
        )
    }

    fn process(&mut self, at: &str, host: &str, threat: bool) -> String {
        let pool = if threat { &self.bad } else { &self.pool };
        let file = skewed(&mut self.dice, &pool.files).to_owned();
        let md5 = md5(&mut Dice::new(file.bytes().map(u64::from).sum()));
        format!(
            r#"{{"@timestamp":"{at}","event":{{"id":"{id}","kind":"event","category":["process"],"code":"1"}},"host":{{"name":"{host}"}},"process":{{"name":"updater.exe","executable":"C:\\Program Files\\Updater\\updater.exe","hash":{{"sha256":"{file}","md5":"{md5}"}},"pid":{pid}}},"user":{{"name":"svc_update"}}}}"#,
            id = self.id(),
            pid = 1000 + below(&mut self.dice, 50_000)
        )
    }

    fn cloud(&mut self, at: &str, threat: bool) -> String {
        let address = self.address(threat);
        format!(
            r#"{{"eventVersion":"1.09","eventTime":"{at}","eventSource":"signin.example","eventName":"ConsoleLogin","awsRegion":"eu-central-1","sourceIPAddress":"{address}","userAgent":"aws-cli/2.15.30","id":"{id}","responseElements":{{"ConsoleLogin":"Success"}}}}"#,
            id = self.id()
        )
    }

    fn cef(&mut self, now_ms: i64, host: &str, threat: bool) -> String {
        let (source, destination, name) = (private(&mut self.dice), self.address(threat), self.domain(threat));
        format!(
            "CEF:0|Example|Gateway|4.2|100|Connection permitted|3|rt={now_ms} src={source} dst={destination} dhost={name} dpt=443 shost={host} request=https://{name}/index.html msg=policy\\=default act=permitted"
        )
    }

    fn syslog(&mut self, at: &str, host: &str, threat: bool) -> String {
        let address = self.address(threat);
        let port = 1024 + below(&mut self.dice, 60_000);
        format!(
            "<38>1 {at} {host} sshd 4711 - - Failed password for invalid user admin from {address} port {port} ssh2"
        )
    }

    fn id(&mut self) -> String {
        format!("evt-{:012x}", self.serial.wrapping_mul(0x9E37_79B9) & 0xFFFF_FFFF_FFFF)
    }
}

fn timestamp(now_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(now_ms).map(|at| format!("{at:.3}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(seed: u64) -> Stream {
        Stream::new(Make { seed, values: 50, threats: 0.01 })
    }

    #[test]
    fn the_same_seed_gives_the_same_stream() {
        let (mut a, mut b, mut c) = (make(1), make(1), make(2));
        let mut differ = false;
        for n in 0..200 {
            let (left, right) = (a.event(n), b.event(n));
            assert_eq!(left, right);
            differ |= left != c.event(n);
        }
        assert!(differ);
    }

    #[test]
    fn json_events_are_json() {
        let mut stream = make(3);
        let mut formats = [0, 0];
        for n in 0..500 {
            let event = stream.event(1_795_000_000_000 + n);
            if event.payload.starts_with('{') {
                serde_json::from_str::<serde_json::Value>(&event.payload).expect("valid JSON");
                formats[0] += 1;
            } else {
                formats[1] += 1;
            }
        }
        assert!(formats[0] > 300 && formats[1] > 20, "{formats:?}");
    }
}
