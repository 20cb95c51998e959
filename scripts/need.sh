#!/usr/bin/env bash
# Makes sure that what the tests use is there. Two things Go, Node.js and npm do
# not bring: a C compiler for the race detector, and a browser.
set -euo pipefail

missing=()
for tool in go node npm; do
  command -v "$tool" >/dev/null || missing+=("$tool")
done
if ((${#missing[@]})); then
  echo "need ${missing[*]}: install Go 1.26 or newer, Node.js 20 or newer and npm" >&2
  exit 1
fi

packages=()
command -v gcc >/dev/null || packages+=(gcc libc6-dev)
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || packages+=(chromium)
((${#packages[@]})) || exit 0

as_root=()
if ((EUID != 0)); then
  as_root=(sudo)
fi
if ! command -v apt-get >/dev/null || { ((EUID != 0)) && ! command -v sudo >/dev/null; }; then
  echo "need a C compiler for the race detector and a browser for the stories: install gcc and Chromium" >&2
  exit 1
fi
echo "installing ${packages[*]}: the race detector needs a C compiler, the Web SDK a browser"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}"
