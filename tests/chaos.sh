#!/usr/bin/env bash
# Runs one scenario of the chaos suite in its long form, with the release build of the program.
#
#   tests/chaos.sh --scenario alo_kill|eos_kill|late_kill|sigterm|zombie|rebalance|brokers|outage|mixed|budget
#                  [--events N] [--replicas N] [--faults N] [--seed N] [--protocol classic|consumer]
#                  [--guarantee at_least_once|exactly_once] [--quota CALLS_A_MINUTE|QUOTA] [--away SECONDS]
#                  [--rate EVENTS_A_SECOND] [--binary PATH]
#
# A Kafka is started for the run unless SIDELIGHT_TEST_KAFKA=host:port names one. The seed is printed first and last: the same
# seed makes the same events and the same faults. Ends with 0 when everything held.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case " $* " in
  *' -h '* | *' --help '*) sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
  *' --binary '*) binary=() ;;
  *) cargo build --locked --release --bin sidelight; binary=(--binary "$PWD/target/release/sidelight") ;;
esac
exec cargo test --locked --test chaos -- "${binary[@]}" "$@"
