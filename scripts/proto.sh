#!/bin/sh
# Writes the generated code of proto/ anew, or proves that it is current.
#
#   scripts/proto.sh          format, lint and generate
#   scripts/proto.sh check    fail if any of the three would change something
#
# Needs Go and nothing else: buf and the plugins are pinned in scripts/tools.
set -eu

cd "$(dirname "$0")/../proto"

buf() {
	go tool -modfile=../scripts/tools/buf.mod buf "$@"
}

# generated lists the generated files below the folder given, sorted.
generated() {
	(cd "$1" && find . -name '*.pb.go' | LC_ALL=C sort)
}

# leftovers lists the generated files that the folder given, fresh from the
# generator, has no counterpart for: their .proto has gone.
leftovers() {
	generated . | while read -r file; do
		[ -e "$1/$file" ] || echo "$file"
	done
}

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT

case "${1:-write}" in
write)
	buf format -w
	buf lint
	buf generate -o "$fresh"
	leftovers "$fresh" | while read -r file; do rm "$file"; done
	cp -R "$fresh/." .
	;;
check)
	buf format -d --exit-code
	buf lint
	buf generate -o "$fresh"
	stale=0
	for file in $(generated "$fresh"); do
		cmp -s "$file" "$fresh/$file" || { echo "proto/${file#./} is not what its .proto says" >&2; stale=1; }
	done
	for file in $(leftovers "$fresh"); do
		echo "proto/${file#./} has no .proto any more" >&2
		stale=1
	done
	[ "$stale" -eq 0 ] || { echo "run scripts/proto.sh and commit the result" >&2; exit 1; }
	;;
*)
	echo "usage: $0 [check]" >&2
	exit 2
	;;
esac
