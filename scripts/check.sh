#!/usr/bin/env bash
# Proves that the tree is as the tools would leave it: modules tidy, code
# formatted. It changes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

unformatted=$(git ls-files '*.go' | xargs gofmt -l)
if [[ -n $unformatted ]]; then
  printf 'not formatted, run gofmt -w on:\n%s\n' "$unformatted" >&2
  exit 1
fi
for mod in $(git ls-files 'go.mod' '*/go.mod'); do
  (cd "$(dirname "$mod")" && go mod tidy -diff)
done
