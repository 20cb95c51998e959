#!/usr/bin/env bash
# Builds a commit twice, in two folders and with two empty caches, and demands the same
# bytes: the binary with the console in it, its bill of materials, and the licences.
#
#   scripts/reproduce.sh            the commit that is checked out
#   scripts/reproduce.sh v1.2.3     another; compare the digests with those published
set -euo pipefail
cd "$(dirname "$0")/.."
commit=$(git rev-parse --verify "${1:-HEAD}^{commit}")
temp=$(mktemp -d)
trap 'chmod -R u+w "$temp"; rm -rf "$temp"' EXIT

for folder in one a/folder/somewhere/else; do
  git clone -q --no-hardlinks . "$temp/$folder"
  (
    cd "$temp/$folder"
    git checkout -q "$commit"
    # What a developer has set must not matter, so nothing of it is there.
    env -u GOFLAGS -u GOEXPERIMENT -u GOAMD64 -u GOARM64 -u MAKEFLAGS -u VERSION GOCACHE="$temp/cache-${folder//\//-}" \
      make --no-print-directory sbom
    { find rpc/console/app/dist -type f ! -name .keep -print0 | LC_ALL=C sort -z | xargs -0 sha256sum; sha256sum bin/*; } >"$temp/digests-${folder//\//-}"
  )
done
if ! diff "$temp/digests-one" "$temp/digests-a-folder-somewhere-else"; then
  echo "two builds of $commit differ, see above" >&2
  exit 1
fi
echo "two builds of $commit by $(go env GOVERSION) are the same:"
grep ' bin/' "$temp/digests-one"
