#!/usr/bin/env bash
# Runs every fuzz target of the module in turn, for as long as asked, and stops at the
# first that finds something.
#
#   scripts/fuzz.sh 20s               all of them
#   scripts/fuzz.sh 10m bin/fuzzed    those that are not in the list, which remembers
#                                     what has run; it is removed when all have
#   FUZZ=rpc/web scripts/fuzz.sh 1m   those whose folder or name holds the word
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-20s}
list=${2:-}
said=$(mktemp)
trap 'rm -f "$said"' EXIT

# targets prints every target as "folder name". The folders with a go.mod of their own,
# below test, have none.
targets() {
  git grep --untracked -oE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' |
    sed -E 's|^(.*)/[^/]+:func (Fuzz.*)$|\1 \2|' | LC_ALL=C sort -u
}

# corpus prints the inputs that are on record for a target.
corpus() { ls "$1/testdata/fuzz/$2" 2>/dev/null || true; }

mapfile -t all < <(targets | grep -F -- "${FUZZ:-}")
((${#all[@]})) || { echo "no fuzz target is called ${FUZZ:-anything}" >&2; exit 1; }
n=0
for target in "${all[@]}"; do
  read -r dir name <<<"$target"
  n=$((n + 1))
  if [[ -n $list ]] && grep -qxF -- "$target $time" "$list" 2>/dev/null; then
    echo "== $n of ${#all[@]}: $dir $name has run for $time, says $list"
    continue
  fi
  echo "== $n of ${#all[@]}: $dir $name for $time"
  before=$(corpus "$dir" "$name")
  if ! go test "./$dir" -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 20x 2>&1 | tee "$said"; then
    found=$(comm -13 <(echo "$before") <(corpus "$dir" "$name") | head -n 1)
    # Go's fuzzer may be too late for its own deadline, and then says nothing else.
    if [[ -z $found ]] && grep -qxE ' *context deadline exceeded' "$said" && ! grep -q 'panic' "$said"; then
      echo "== $dir $name came to its end late; nothing was found"
    else
      echo
      echo "FOUND by $name in $dir, see above."
      [[ -z $found ]] || echo "The input is $dir/testdata/fuzz/$name/$found; again: go test ./$dir -run '$name/$found'"
      echo "Mend it, commit the input as a seed, and run the same command again${list:+: it goes on here}."
      exit 1
    fi >&2
  fi
  [[ -z $list ]] || { mkdir -p "$(dirname "$list")" && echo "$target $time" >>"$list"; }
done
[[ -z $list || -n ${FUZZ:-} ]] || rm -f "$list"
echo "== nothing was found by ${#all[@]} targets, $time each"
