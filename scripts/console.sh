#!/usr/bin/env bash
# Builds the console's pages into rpc/console/app/dist, from where they become
# part of the binary. `make` calls this when their sources have changed.
set -euo pipefail
cd "$(dirname "$0")/../rpc/console/app"

if ! command -v npm >/dev/null; then
  cat >&2 <<'SAY'
npm is not installed, so this build of mayfly has no console; all else works.
For the console install Node.js 20 or newer and npm (on Debian: apt-get install nodejs npm), then run make again.
SAY
  exit 0
fi
# What is installed serves until the lock file changes.
if [[ ! node_modules/.installed -nt package-lock.json ]]; then
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
  mkdir -p node_modules && touch node_modules/.installed
fi
npm run --silent build
: >dist/.keep # the build empties the folder, and Go needs a file in it
touch dist/index.html
