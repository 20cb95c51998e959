#!/usr/bin/env bash
# Measures bin/mayfly beside other servers. Usage: scripts/bench.sh [flags];
# `scripts/bench.sh -help` lists the flags, which BENCHFLAGS may hold too:
#
#   make bench BENCHFLAGS='-only fanout -rounds 9'
set -euo pipefail
cd "$(dirname "$0")/.."

# Both stay in bin/ for the next time; go builds them anew only when needed.
mkdir -p bin
go -C test/bench build -trimpath -o ../../bin/bench-nats-server github.com/nats-io/nats-server/v2
go -C test/bench build -trimpath -o ../../bin/mayfly-bench .

# The benchmark takes the place of this script, so that signals reach it: it
# ends what it started and removes what it wrote.
# shellcheck disable=SC2086 # flags are words
exec bin/mayfly-bench -mayfly bin/mayfly -nats bin/bench-nats-server ${BENCHFLAGS:-} "$@"
