#!/usr/bin/env bash
# Starts a real Apache Kafka (KRaft, 1 or 3 brokers) on free ports of 127.0.0.1, for tests and for trying things out.
#
#   start.sh [--dir DIR] [--brokers 1|3] [--heap 512m] [--set NAME=VALUE]... [--while PID]
#
#   --dir DIR      where data, logs, pid and env files go (default: a new temporary directory)
#   --brokers N    1 (default) or 3 (replication factor 3, min.insync.replicas 2)
#   --heap SIZE    heap of each broker
#   --set N=VALUE  a property of every broker, instead of the one below
#   --while PID    stop the brokers and remove DIR when this process has ended
#
# Prints BOOTSTRAP=host:port[,...] and DIR=..., both also in DIR/env, when every broker answers.
# Stop it with: stop.sh DIR
set -euo pipefail

version=4.1.1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/sidelight/kafka-$version
dir='' brokers=1 heap=512m while_pid='' settings=()

say() { printf 'local-kafka: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

while [ $# -gt 0 ]; do
  case $1 in
    --dir | --brokers | --heap | --set | --while)
      [ $# -ge 2 ] || die "$1 needs a value"
      case $1 in --dir) dir=$2 ;; --brokers) brokers=$2 ;; --heap) heap=$2 ;; --set) settings+=("$2") ;;
        --while) while_pid=$2 ;; esac
      shift 2 ;;
    -h | --help) sed -n '2,14s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) die "unknown argument $1 (see --help)" ;;
  esac
done
case $brokers in 1 | 3) ;; *) die "--brokers is 1 or 3, not '$brokers'" ;; esac

java_works() {
  local major
  major=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -1) || return 1
  [ -n "$major" ] && [ "$major" -ge 17 ]
}

need() { # need PACKAGE DESCRIPTION CHECK...
  local package=$1 what=$2
  shift 2
  "$@" && return
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing $package"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package"; } >&2 ||
      die "$what is missing, and apt-get could not install $package"
    "$@" || die "$what is missing, also after installing $package"
  else
    die "$what is missing: install it (Debian: $package)"
  fi
}

fetch_jars() {
  [ -e "$cache/complete" ] && return
  need maven 'mvn (to fetch the broker)' eval 'command -v mvn >/dev/null'
  mkdir -p "$cache"
  (
    if command -v flock >/dev/null; then flock 9; fi # two starts at a time: the second one waits
    [ -e "$cache/complete" ] && exit 0
    say "fetching Kafka $version into $cache"
    rm -rf "$cache/lib"
    for attempt in 1 2 3; do
      mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$cache/lib" >&2 && break
      [ "$attempt" = 3 ] && die "Maven could not fetch Kafka $version"
      sleep 3
    done
    touch "$cache/complete"
  ) 9>"$cache/lock"
}

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() { # below the ephemeral range, so that no outgoing connection takes it
  local port
  for _ in $(seq 100); do
    port=$((15000 + (RANDOM * 32768 + RANDOM) % 17000))
    case " ${taken:-} " in *" $port "*) continue ;; esac
    if port_is_free "$port"; then taken="${taken:-} $port"; found=$port; return; fi
  done
  die 'found no free port'
}

write_properties() { # write_properties NODE PORT CONTROLLER_PORT
  local replicas=1 isr=1
  if [ "$brokers" = 3 ]; then replicas=3 isr=2; fi
  cat >"$dir/node-$1/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=$1
$quorum
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$3
advertised.listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$3
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$dir/node-$1/data
num.partitions=6
default.replication.factor=$replicas
min.insync.replicas=$isr
auto.create.topics.enable=false
offsets.topic.num.partitions=5
offsets.topic.replication.factor=$replicas
transaction.state.log.num.partitions=5
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=$isr
share.coordinator.state.topic.replication.factor=$replicas
share.coordinator.state.topic.min.isr=$isr
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.backoff.ms=1000
# Records keep the time of what they tell of, which may be long ago: nothing is deleted for its age.
log.retention.ms=-1
log.retention.check.interval.ms=1000
log.initial.task.delay.ms=1000
PROPERTIES
  # The last one of a name counts.
  [ ${#settings[@]} = 0 ] || printf '%s\n' "${settings[@]}" >>"$dir/node-$1/server.properties"
}

stop_nodes() { "$here/stop.sh" --keep "$dir" >&2 || true; }

launch() { # one attempt; false when a broker died, because a port was taken meanwhile for instance
  local node ports=() controllers=() bootstrap='' voters='' format=() pids=() found taken=''
  for node in $(seq "$brokers"); do
    free_port; ports[node]=$found
    free_port; controllers[node]=$found
    bootstrap+=${bootstrap:+,}127.0.0.1:${ports[node]}
    voters+=${voters:+,}$node@127.0.0.1:${controllers[node]}
  done
  if [ "$brokers" = 1 ]; then
    quorum=controller.quorum.bootstrap.servers=127.0.0.1:${controllers[1]} format=(--standalone)
  else
    quorum=controller.quorum.voters=$voters
  fi
  local id
  id=SidelightLocal$(printf '%08x' $((RANDOM * 32768 + RANDOM)))
  for node in $(seq "$brokers"); do
    rm -rf "$dir/node-$node"
    mkdir -p "$dir/node-$node"
    write_properties "$node" "${ports[node]}" "${controllers[node]}"
    (
      cd "$dir/node-$node"
      java -Xmx128m -XX:TieredStopAtLevel=1 -Dlog4j2.configurationFile="$here/log4j2.properties" -cp "$cache/lib/*" \
        kafka.tools.StorageTool format "${format[@]}" -t "$id" -c server.properties >format.log 2>&1 ||
        { tail -5 format.log >&2; exit 1; }
    ) || die 'could not format the storage'
    (
      cd "$dir/node-$node"
      exec 9>&- </dev/null >broker.log 2>&1
      exec setsid java -Xms128m "-Xmx$heap" -Dlog4j2.configurationFile="$here/log4j2.properties" \
        -Dsidelight.local.kafka="$dir" -cp "$cache/lib/*" kafka.Kafka server.properties
    ) &
    pids[node]=$!
    echo "${pids[node]}" >"$dir/node-$node/pid"
    disown
  done
  local waited=0
  for node in $(seq "$brokers"); do
    until grep -q 'Kafka Server started' "$dir/node-$node/broker.log" 2>/dev/null && ! port_is_free "${ports[node]}"; do
      if ! kill -0 "${pids[node]}" 2>/dev/null; then
        say "broker $node ended at start: $(grep -m1 -E 'ERROR|Exception' "$dir/node-$node/broker.log" || echo 'no reason in its log')"
        return 1
      fi
      [ "$waited" -lt 600 ] || { say "broker $node did not answer within 120 s"; return 1; }
      sleep 0.2
      waited=$((waited + 1))
    done
  done
  { echo "BOOTSTRAP=$bootstrap"; echo "DIR=$dir"; echo "PIDS='${pids[*]}'"; } >"$dir/env"
}

need default-jre-headless 'Java 17 or newer' java_works
fetch_jars
if [ -z "$dir" ]; then dir=$(mktemp -d "${TMPDIR:-/tmp}/sidelight-kafka.XXXXXX"); fi
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
[ ! -e "$dir/env" ] || die "$dir is in use: stop that one first"

started=no
trap '[ "$started" = yes ] || stop_nodes' EXIT
for attempt in 1 2 3 4 5; do
  if launch; then started=yes; break; fi
  stop_nodes
  say "attempt $attempt failed, trying other ports"
done
[ "$started" = yes ] || die "gave up; the logs are in $dir/node-*/broker.log"

if [ -n "$while_pid" ]; then
  (
    exec </dev/null >/dev/null 2>&1
    exec setsid bash -c 'while kill -0 "$1" 2>/dev/null; do sleep 0.5; done; exec "$2/stop.sh" "$3"' \
      watch "$while_pid" "$here" "$dir"
  ) &
  disown
fi
grep -E '^(BOOTSTRAP|DIR)=' "$dir/env"
