#!/usr/bin/env bash
# Runs every fuzz target of the module in turn, for as long as asked.
# Usage: scripts/fuzz.sh 20s
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-20s}

grep -rlE --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r dir; do
  # test/ holds modules of their own; they have no targets here.
  for target in $(grep -ohE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go | awk '{print $2}'); do
    echo "== $dir $target for $time"
    go test "$dir" -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 20x
  done
done
