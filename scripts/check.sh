#!/usr/bin/env bash
# Proves that the tree is as the tools would leave it: modules tidy, code
# formatted, and all that others wrote pinned. It changes nothing.
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

# What others wrote is pinned, with digests: every tool, and every package of npm.
for mod in scripts/tools/*.mod; do
  [[ -s ${mod%.mod}.sum ]] || { echo "$mod has no ${mod%.mod}.sum beside it" >&2; exit 1; }
done
for package in $(git ls-files '*package.json'); do
  lock=$(dirname "$package")/package-lock.json
  node -e '
    const { packages } = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
    const loose = Object.entries(packages).filter(([path, p]) => path && !p.link && !p.integrity).map(([path]) => path);
    if (loose.length) { console.error(`${process.argv[1]}: without a digest: ${loose.join(", ")}`); process.exit(1); }
  ' "$lock"
done
