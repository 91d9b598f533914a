//! Where variables and the host name come from; a parameter, so that tests need no process environment.

use std::{collections::BTreeMap, ffi::OsString};

/// A source of variables.
pub trait Environment {
    /// The value of a variable.
    fn variable(&self, name: &str) -> Option<OsString>;
    /// The names of all variables. Those that are no UTF-8 are left out.
    fn names(&self) -> Vec<String>;
    /// The name of this host.
    fn host_name(&self) -> Option<String>;
}

/// The environment of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    fn names(&self) -> Vec<String> {
        std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect()
    }

    fn host_name(&self) -> Option<String> {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        kernel
            .or_else(|| std::env::var("HOSTNAME").ok())
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
    }
}

/// A fixed set of variables, for tests and for commands that run without an environment.
#[derive(Clone, Debug, Default)]
pub struct FixedEnvironment {
    /// Name and value.
    pub variables: BTreeMap<String, OsString>,
    /// Host name.
    pub host_name: Option<String>,
}

impl FixedEnvironment {
    /// An environment with these variables and the host name `host`.
    pub fn new<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        Self { variables, host_name: Some("host".to_owned()) }
    }
}

impl Environment for FixedEnvironment {
    fn variable(&self, name: &str) -> Option<OsString> {
        self.variables.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.variables.keys().cloned().collect()
    }

    fn host_name(&self) -> Option<String> {
        self.host_name.clone()
    }
}
