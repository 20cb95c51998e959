#!/usr/bin/env bash
# Looks for known vulnerabilities in what the broker calls, with govulncheck, pinned in
# scripts/tools. The database is at https://vuln.go.dev, or where GOVULNDB says; a copy on
# disk is file:///folder.
#
# Exit 0: none is known. 3: there are some, told above. 4: the database could not be
# reached, so nothing was checked. With VULN=warn, 4 becomes a warning and 0, for work
# on a change; a release wants the check itself.
set -euo pipefail
cd "$(dirname "$0")/.."

said=$(mktemp)
trap 'rm -f "$said"' EXIT
db=()
[[ -z ${GOVULNDB:-} ]] || db=(-db "$GOVULNDB")

code=0
go tool -modfile=scripts/tools/vuln.mod govulncheck "${db[@]}" ./cmd/... >"$said" 2>&1 || code=$?
cat "$said"
case $code in
0 | 3) exit "$code" ;;
esac
grep -q 'fetching vulnerabilities\|invalid.*database\|no such host\|connection refused' "$said" || exit "$code"
cat >&2 <<SAY

NOT CHECKED FOR KNOWN VULNERABILITIES: the database at ${GOVULNDB:-https://vuln.go.dev} could not be reached.
Run scripts/vuln.sh where it can be, or name a copy: GOVULNDB=file:///folder.
SAY
[[ ${VULN:-} == warn ]] || exit 4
