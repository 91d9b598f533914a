#!/usr/bin/env bash
# Runs one of Kafka's own tools with the jars that start.sh fetched.
#
#   tool.sh TopicCommand --bootstrap-server 127.0.0.1:21345 --create --topic siem.events --partitions 6
set -euo pipefail

cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/sidelight/kafka-4.1.1
[ $# -gt 0 ] || { echo 'usage: tool.sh CLASS [ARGUMENTS...], a class of org.apache.kafka.tools' >&2; exit 2; }
[ -e "$cache/complete" ] || { echo 'the jars are not there yet: run start.sh first' >&2; exit 1; }
tool=$1
shift
exec java -Xmx128m -XX:TieredStopAtLevel=1 -Dlog4j2.configurationFile="$(dirname "${BASH_SOURCE[0]}")/log4j2.properties" \
  -cp "$cache/lib/*" "org.apache.kafka.tools.$tool" "$@"
