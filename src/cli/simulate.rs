//! `sidelight simulate`: the provider simulator as a server.

use std::{
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

use anyhow::{Context, anyhow};

use crate::{
    app::Stop,
    budget::Quota,
    cli::Outcome,
    model::ProviderId,
    provider,
    simulator::{Class, ServiceConfig, Simulator, SimulatorConfig, Truths},
};

/// How a running simulator is steered; `simulator/fault.rs` has the list of faults.
const CONTROL: &str = r#"Control, under /_sim of the same address:
  GET    /_sim/log                      every call so far, a JSON object a line
  GET    /_sim/stats                    what they add up to, by provider
  GET    /_sim/truth?kind=K&value=V     what is said of a value
  GET    /_sim/faults                   the faults in force
  POST   /_sim/faults                   {"provider":"virustotal","fault":"throttle","share":0.5,"calls":10,"retry_after":"7"}
                                        a fault for one provider, or for all without `provider`; `share` of the calls (1.0),
                                        for so many `calls` (until cleared); without `fault` the one in force ends
  DELETE /_sim/faults                   ends all faults
  POST   /_sim/reset                    forgets calls, quotas and faults
Faults: internal_error bad_gateway unavailable hang hold slow_body reset oversize oversize_declared gzip_bomb gzip_damaged
  garbage wrong_types truncated empty wrong_content_type html_page not_found_html error_inside redirect throttle throttle_date
  throttle_bare throttle_html unauthorized forbidden

curl -X POST -H 'content-type: application/json' -d '{"fault":"hang"}' http://127.0.0.1:8089/_sim/faults"#;

/// Arguments of `simulate`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = CONTROL, after_help = "More, and how faults are switched on while it runs: --help")]
pub(super) struct Args {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8089")]
    listen: SocketAddr,
    /// The key that a provider accepts, `virustotal=KEY`; any key where it is not given.
    #[arg(long, value_name = "PROVIDER=KEY")]
    key: Vec<String>,
    /// The quota that a provider enforces, `virustotal="4/min, 500/day"`; none where it is not given.
    #[arg(long, value_name = "PROVIDER=QUOTA")]
    quota: Vec<String>,
    /// How long every answer takes, milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency: u64,
    /// How much longer it takes at most, milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    jitter: u64,
    /// Same seed, same answers.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Values that are malicious whatever the seed says, separated by commas.
    #[arg(long, value_name = "VALUE,…", value_delimiter = ',')]
    malicious: Vec<String>,
}

fn pair(text: &str) -> anyhow::Result<(ProviderId, &str)> {
    let (name, value) = text.split_once('=').with_context(|| format!("`{text}` is not PROVIDER=VALUE"))?;
    let known = || provider::KNOWN.iter().map(|spec| spec.id.as_str()).collect::<Vec<_>>().join(", ");
    let spec = provider::spec(name).ok_or_else(|| anyhow!("unknown provider `{name}`; known are {}", known()))?;
    Ok((spec.id, value))
}

pub(super) fn run(args: &Args) -> Outcome {
    let base = ServiceConfig {
        latency: Duration::from_millis(args.latency),
        jitter: Duration::from_millis(args.jitter),
        ..ServiceConfig::default()
    };
    let mut services: Vec<(ProviderId, ServiceConfig)> =
        provider::KNOWN.iter().map(|spec| (spec.id, base.clone())).collect();
    let mut set = |text: &str, change: &dyn Fn(&mut ServiceConfig, &str) -> anyhow::Result<()>| {
        let (id, value) = pair(text)?;
        services.iter_mut().filter(|(of, _)| *of == id).try_for_each(|(_, service)| change(service, value))
    };
    for text in &args.key {
        set(text, &|service, key| {
            service.key = Some(key.to_owned());
            Ok(())
        })?;
    }
    for text in &args.quota {
        set(text, &|service, quota| {
            service.quota = Some(quota.parse::<Quota>()?);
            Ok(())
        })?;
    }
    let overrides = args.malicious.iter().map(|value| (value.clone(), Class::Malicious)).collect();
    let config = SimulatorConfig {
        listen: args.listen,
        truths: Truths { seed: args.seed, overrides },
        services,
        ..SimulatorConfig::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let stop = Stop::default();
    stop.on_signals(runtime.handle())?;
    let handle = runtime.block_on(async {
        let simulator = Simulator::bind(config).await.with_context(|| format!("cannot listen on {}", args.listen))?;
        simulator.spawn().context("cannot start")
    })?;
    let mut out = io::stdout().lock();
    for spec in provider::KNOWN {
        writeln!(out, "{} base_url = \"{}\"", spec.id, handle.base_url(spec.id))?;
    }
    writeln!(
        out,
        "log: http://{0}/_sim/log  stats: http://{0}/_sim/stats  faults: http://{0}/_sim/faults  end with Ctrl-C",
        handle.addr()
    )?;
    out.flush()?;
    while !stop.wait(runtime.handle(), Duration::from_secs(3600)) {}
    runtime.block_on(handle.shutdown());
    runtime.shutdown_background();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::FaultRule;

    #[test]
    fn the_help_names_faults_that_exist_and_a_rule_that_is_taken() {
        let (_, list) = CONTROL.split_once("Faults: ").unwrap();
        let (list, _) = list.split_once("\n\n").unwrap();
        let names: Vec<&str> = list.split_whitespace().collect();
        assert!(names.len() > 20);
        for name in names {
            let rule = serde_json::json!({ "fault": name });
            assert!(serde_json::from_value::<FaultRule>(rule).is_ok(), "{name}");
        }
        let (_, example) = CONTROL.split_once(r#"{"provider":"virustotal","#).unwrap();
        let (example, _) = example.split_once('\n').unwrap();
        assert!(serde_json::from_str::<FaultRule>(&format!("{{{example}")).is_ok(), "{example}");
    }
}
