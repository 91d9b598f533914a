//! `sidelight check`: is the configuration right?

use std::path::PathBuf;

use crate::cli::{Outcome, load, online, say};

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration file.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The same, without the option's name.
    #[arg(value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
    /// Also try the brokers and, by one call each, the providers' keys.
    #[arg(long)]
    online: bool,
}

pub(super) fn run(args: &Args) -> Outcome {
    let path = args.config.clone().or_else(|| args.file.clone()).unwrap_or_else(|| PathBuf::from("sidelight.toml"));
    let config = load(&path)?;
    let first = config.providers.iter().filter(|(_, provider)| provider.key_name.is_none());
    let providers: Vec<&str> = first.map(|(id, _)| id.as_str()).collect();
    let providers = if providers.is_empty() { "no provider".to_owned() } else { providers.join(", ") };
    say(&format!(
        "{}: ok: {} -> {} as group {}, {providers}",
        path.display(),
        config.kafka.topics.join(", "),
        config.kafka.output_topic,
        config.kafka.group_id
    ));
    if args.online { online::run(&config) } else { Ok(()) }
}
