//! Words that tell names of hosts from files, code, keys and detections, all in lower case.

/// Top-level domains that are met as file extensions far more often.
pub(super) const FILES: [&str; 11] = ["zip", "py", "md", "mov", "cab", "pm", "so", "properties", "ps", "mo", "java"];

/// Top-level domains that are extensions of scripts and sources too; in prose only telling stems are doubted.
pub(super) const SCRIPTS: [&str; 12] = ["sh", "pl", "cc", "rs", "app", "ml", "as", "st", "tf", "gd", "la", "bz"];

/// Top-level domains that are verbs and members of code, or names of units; in prose a name of two labels under them is doubted.
pub(super) const MEMBERS: [&str; 14] =
    ["save", "fit", "open", "read", "next", "target", "pub", "run", "foo", "abc", "data", "seek", "property", "total"];

/// Those of members of code among the others under which names with a hyphen are hosts; units, keys and settings have hyphens too.
pub(super) const HYPHENED: [&str; 6] = ["id", "run", "name", "foo", "management", "office"];

/// Stems of scripts and sources.
pub(super) const STEMS: [&str; 47] = [
    "tool",
    "tools",
    "module",
    "demo",
    "sample",
    "util",
    "common",
    "types",
    "helpers",
    "base",
    "requirements",
    "constraints",
    "makefile",
    "main",
    "mod",
    "lib",
    "index",
    "test",
    "tests",
    "init",
    "config",
    "configure",
    "build",
    "setup",
    "install",
    "uninstall",
    "run",
    "start",
    "stop",
    "script",
    "update",
    "deploy",
    "entrypoint",
    "utils",
    "profile",
    "cleanup",
    "backup",
    "monitor",
    "server",
    "client",
    "worker",
    "helper",
    "check",
    "convert",
    "sync",
    "migrate",
    "parser",
];

/// Top-level domains that are words of code.
pub(super) const WORDS: [&str; 10] =
    ["name", "properties", "windows", "management", "channel", "call", "select", "map", "office", "claims"];

/// First labels of code namespaces, which are domains turned round.
pub(super) const NAMESPACES: [&str; 21] = [
    "com",
    "org",
    "net",
    "edu",
    "gov",
    "io",
    "java",
    "javax",
    "jdk",
    "sun",
    "android",
    "androidx",
    "kotlin",
    "scala",
    "akka",
    "system",
    "microsoft",
    "windows",
    "jakarta",
    "dalvik",
    "clojure",
];

/// First labels that are objects of code and nothing else: `window.open`, `self.server.host`.
pub(super) const ROOTS: [&str; 32] = [
    "self", "this", "cls", "window", "document", "os", "sys", "req", "res", "obj", "ctx", "args", "kwargs", "opts",
    "params", "console", "math", "json", "np", "df", "elem", "logger", "datetime", "logging", "conn", "buf", "msg",
    "err", "cfg", "conf", "tmp", "foo",
];

/// Names of things in code, which have members: `user.email`, `key.data`, `server.host`.
pub(super) const OBJECTS: [&str; 43] = [
    "package", "field", "column", "request", "response", "user", "object", "event", "context", "module", "process",
    "string", "array", "node", "item", "data", "config", "settings", "session", "socket", "log", "path", "file",
    "table", "row", "model", "result", "task", "job", "element", "time", "key", "value", "text", "color", "server",
    "client", "proxy", "network", "sock", "location", "header", "test",
];

/// Top-level domains that are words and that people register names under all the same.
pub(super) const POPULAR: [&str; 27] = [
    "xyz", "top", "club", "site", "online", "icu", "live", "vip", "shop", "store", "space", "website", "tech", "info",
    "biz", "pro", "click", "app", "dev", "cloud", "fun", "buzz", "rest", "life", "world", "onion", "mobi",
];

/// Short top-level domains under which names of one letter are met.
pub(super) const BRIEF: [&str; 22] = [
    "com", "net", "org", "co", "me", "io", "tv", "cc", "gg", "ly", "to", "ru", "cn", "de", "us", "eu", "ws", "pw",
    "su", "be", "at", "ai",
];

/// What is measured in milliseconds, in names of settings: `message.timeout.ms`.
pub(super) const SPANS: [&str; 16] = [
    "timeout",
    "interval",
    "backoff",
    "wait",
    "time",
    "age",
    "delay",
    "linger",
    "retention",
    "lag",
    "duration",
    "period",
    "max",
    "min",
    "latency",
    "elapsed",
];

/// Endings of files before `.example`, `.local` and the like.
pub(super) const SAMPLES: [&str; 18] = [
    "env",
    "yml",
    "yaml",
    "json",
    "conf",
    "config",
    "ini",
    "py",
    "php",
    "xml",
    "toml",
    "txt",
    "rc",
    "settings",
    "sample",
    "properties",
    "user",
    "thread",
];

/// Labels of the names that virus scanners give.
pub(super) const FAMILIES: [&str; 8] = ["win32", "win64", "msil", "o97m", "w97m", "x97m", "w32", "w64"];

/// Programs of DOS and Windows that end in `.com`.
pub(super) const PROGRAMS: [&str; 10] =
    ["command", "format", "more", "chcp", "tree", "mode", "diskcomp", "diskcopy", "graftabl", "loadfix"];

/// Services of Kerberos names: `HTTP/web.example.com`.
pub(super) const SERVICES: [&str; 18] = [
    "http",
    "https",
    "host",
    "ldap",
    "cifs",
    "gc",
    "dns",
    "nfs",
    "imap",
    "pop",
    "smtp",
    "ftp",
    "rpc",
    "termsrv",
    "wsman",
    "mssqlsvc",
    "restrictedkrbhost",
    "exchangemdb",
];

/// Classes of harmful software, with which scanners begin the names of what they found: `Backdoor.Agent.PL`.
pub(super) const THREATS: [&str; 34] = [
    "coinminer",
    "infostealer",
    "injector",
    "ransomware",
    "spy",
    "stealer",
    "troj",
    "webshell",
    "adware",
    "backdoor",
    "behaveslike",
    "dialer",
    "downloader",
    "dropper",
    "exploit",
    "gen",
    "generic",
    "hacktool",
    "heur",
    "hijacker",
    "keylogger",
    "malware",
    "packed",
    "pua",
    "pup",
    "ransom",
    "riskware",
    "rootkit",
    "spyware",
    "suspicious",
    "trojan",
    "unwanted",
    "virus",
    "worm",
];

/// What has an `id` in keys and in code: `mapred.task.id`, `o.user.id`.
pub(super) const OWNERS: [&str; 46] = [
    "account",
    "agent",
    "app",
    "application",
    "attempt",
    "broker",
    "client",
    "cluster",
    "container",
    "customer",
    "device",
    "event",
    "executor",
    "flow",
    "group",
    "host",
    "image",
    "instance",
    "item",
    "job",
    "message",
    "node",
    "object",
    "order",
    "parent",
    "pod",
    "policy",
    "process",
    "project",
    "query",
    "record",
    "request",
    "resource",
    "role",
    "rule",
    "server",
    "session",
    "site",
    "span",
    "stage",
    "task",
    "tenant",
    "thread",
    "trace",
    "transaction",
    "user",
];

/// Participles before `.in` in names of events: `user.signed.in`.
pub(super) const ENTRANCES: [&str; 8] = ["built", "checked", "log", "logged", "opted", "plugged", "sign", "signed"];

/// Labels that service records and policies of mail have: `_ldap._tcp.example.com`, `_dmarc.example.com`.
pub(super) const RECORDS: [&str; 10] =
    ["_tcp", "_udp", "_tls", "_sctp", "_msdcs", "_domainkey", "_dmarc", "_acme-challenge", "_mta-sts", "_spf"];

/// Domains under which interfaces are named as hosts are: `rbac.authorization.k8s.io`.
pub(super) const INTERFACES: [&str; 4] = [".k8s.io", ".openshift.io", ".kubernetes.io", "type.googleapis.com"];

/// Hosts that are met as the beginnings of names of packages.
pub(super) const PACKAGES: [&str; 8] = [
    "go.opentelemetry.io",
    "go.uber.org",
    "golang.org",
    "google.golang.org",
    "gopkg.in",
    "k8s.io",
    "sigs.k8s.io",
    "honnef.co",
];

/// Programs that run scripts whose names have the suffixes of [`SCRIPTS`].
pub(super) const INTERPRETERS: [&str; 12] =
    ["perl", "perl5", "bash", "sh", "dash", "ksh", "zsh", "php", "source", "rustc", "gcc", "terraform"];

/// Hosts under these domains.
pub(super) const REAL: [&str; 6] = ["www", "registry", "dl", "pkgs", "cdn", "api"];

/// Two-letter top-level domains that are words in code and prose, units, or extensions of sources.
pub(super) const CODE: [&str; 17] =
    ["ad", "am", "as", "at", "be", "do", "id", "in", "is", "it", "mk", "mm", "ms", "my", "no", "so", "to"];

/// Longer ones under which brands are written with capitals, and which no member of code is called.
pub(super) const BRANDS: [&str; 20] = [
    "xyz", "top", "club", "site", "online", "icu", "vip", "shop", "website", "tech", "info", "biz", "fun", "buzz",
    "world", "onion", "mobi", "cloud", "life", "space",
];

/// Those of files among the top-level domains under which hosts are hardly met.
pub(super) const SCARCE: [&str; 6] = ["cab", "java", "mo", "properties", "ps", "so"];

/// First labels of hosts, whatever capitals follow.
pub(super) const MACHINES: [&str; 18] = [
    "www",
    "mail",
    "webmail",
    "smtp",
    "imap",
    "pop",
    "mx",
    "ns",
    "dns",
    "ftp",
    "sftp",
    "vpn",
    "cdn",
    "owa",
    "panel",
    "portal",
    "login",
    "autodiscover",
];

/// Top-level domains that are names of families.
pub(super) const SURNAMES: [&str; 12] = ["la", "li", "ly", "ma", "mo", "mu", "ng", "su", "to", "vu", "do", "st"];
