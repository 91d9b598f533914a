#!/usr/bin/env bash
# Builds and runs every test, with a real Kafka beside them.
#
#   tests/run.sh [ARGUMENTS of cargo test...]
#
# Needs Rust, gcc, make, perl, Java 17 and Maven; as root on Debian it installs what is missing, else it says what is.
# SIDELIGHT_TEST_KAFKA=host:port takes a broker that is there instead of starting one. Ends with the exit code of the
# tests and leaves no process behind.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'tests: %s\n' "$*" >&2; }

missing=()
command -v cargo >/dev/null || { say 'cargo is missing: install Rust (https://rustup.rs)'; exit 1; }
command -v cc >/dev/null || missing+=(gcc libc6-dev)
command -v c++ >/dev/null || missing+=(g++)
command -v make >/dev/null || missing+=(make)
command -v perl >/dev/null || missing+=(perl)
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing ${missing[*]}"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >&2
  else
    say "missing: ${missing[*]}"
    exit 1
  fi
fi

kafka=''
stop_kafka() {
  local code=$?
  trap - EXIT
  if [ -n "$kafka" ]; then
    say 'stopping the local Kafka'
    deploy/local-kafka/stop.sh "$kafka" || true
  fi
  exit "$code"
}
trap stop_kafka EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say 'building'
cargo build --locked --all-targets

if [ -z "${SIDELIGHT_TEST_KAFKA:-}" ]; then
  say 'starting a local Kafka'
  kafka=$(mktemp -d "${TMPDIR:-/tmp}/sidelight-kafka.XXXXXX")
  # --while: also when this script is killed the broker goes.
  deploy/local-kafka/start.sh --dir "$kafka" --while $$ >&2
  SIDELIGHT_TEST_KAFKA=$(sed -n 's/^BOOTSTRAP=//p' "$kafka/env")
  export SIDELIGHT_TEST_KAFKA
fi
export SIDELIGHT_REQUIRE_KAFKA=1

say "running the tests (Kafka at $SIDELIGHT_TEST_KAFKA)"
cargo test --locked "$@"
