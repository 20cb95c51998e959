#!/usr/bin/env bash
# Makes sure that what the tests use is there. A C compiler is the one thing
# that Go, Node.js and npm do not bring: the race detector needs it.
set -euo pipefail

missing=()
for tool in go node npm; do
  command -v "$tool" >/dev/null || missing+=("$tool")
done
if ((${#missing[@]})); then
  echo "need ${missing[*]}: install Go 1.26 or newer, Node.js 20 or newer and npm" >&2
  exit 1
fi

command -v gcc >/dev/null && exit 0
as_root=()
if ((EUID != 0)); then
  as_root=(sudo)
fi
if ! command -v apt-get >/dev/null || { ((EUID != 0)) && ! command -v sudo >/dev/null; }; then
  echo "need a C compiler for the race detector: install gcc" >&2
  exit 1
fi
echo "installing gcc, which the race detector needs"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq gcc libc6-dev
