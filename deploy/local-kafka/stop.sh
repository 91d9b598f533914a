#!/usr/bin/env bash
# Stops the brokers that start.sh started in DIR, by their process ids, and removes DIR.
#
#   stop.sh [--keep] DIR      --keep leaves the files (data, logs) in place
set -euo pipefail

keep=no
if [ "${1:-}" = --keep ]; then keep=yes; shift; fi
[ $# = 1 ] || { echo 'usage: stop.sh [--keep] DIR' >&2; exit 2; }
dir=$1

ours() { { tr '\0' ' ' <"/proc/$1/cmdline"; } 2>/dev/null | grep -qF -- "-Dsidelight.local.kafka=$dir "; }
alive() { if [ -d /proc/self ]; then ours "$1"; else kill -0 "$1" 2>/dev/null; fi; }

pids=()
for file in "$dir"/node-*/pid; do
  [ -e "$file" ] || continue
  pid=$(cat "$file")
  # A process id is used again some time after its process has ended: make sure that it is still a broker of ours.
  if alive "$pid"; then pids+=("$pid"); kill -TERM "$pid" 2>/dev/null || true; fi
done
for pid in "${pids[@]}"; do
  for _ in $(seq 50); do alive "$pid" || break; sleep 0.1; done
  if alive "$pid"; then kill -KILL "$pid" 2>/dev/null || true; fi
done
rm -f "$dir/env"
if [ "$keep" = no ]; then
  rm -rf "$dir"/node-*
  rmdir "$dir" 2>/dev/null || true
fi
