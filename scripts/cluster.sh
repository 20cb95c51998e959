#!/usr/bin/env bash
# Three local nodes that are one cluster, until Ctrl-C. They keep their data in
# .cluster/, so the next start goes on where this one stopped.
set -euo pipefail

cd "$(dirname "$0")/.."
data=.cluster
mkdir -p "$data"

client=(8080 8081 8082)
peer=(7947 7957 7967)
gossip=(7946 7956 7966)
seeds=$(printf ',127.0.0.1:%s' "${peer[@]}")
seeds=${seeds:1}

nodes=()
stop() {
	trap - EXIT INT TERM
	kill "${nodes[@]}" 2>/dev/null || true
	wait "${nodes[@]}" 2>/dev/null || true
	exit "${1:-0}"
}
trap 'stop 0' INT TERM
trap 'stop 1' EXIT

for i in 0 1 2; do
	bin/mayfly server --node-name "n$((i + 1))" --data-dir "$data/n$((i + 1))" \
		--listen "127.0.0.1:${client[i]}" --peer-listen "127.0.0.1:${peer[i]}" --gossip-listen "127.0.0.1:${gossip[i]}" \
		--bootstrap-expect 3 --join "$seeds" &
	nodes+=($!)
done

# A node opens its client port for calls when it knows its cluster.
for port in "${client[@]}"; do
	until bin/mayfly cache list --server "127.0.0.1:$port" >/dev/null 2>&1; do
		for node in "${nodes[@]}"; do
			kill -0 "$node" 2>/dev/null || stop 1 # it has said why
		done
		sleep 0.2
	done
done

cat <<'TRY'

Three nodes are one cluster. Try from another terminal:

  bin/mayfly node list
  bin/mayfly cache create chat
  bin/mayfly topic subscribe --server 127.0.0.1:8081 chat room-1
  bin/mayfly topic publish --server 127.0.0.1:8082 chat room-1 "hello from node 3"

  bin/mayfly list push --server 127.0.0.1:8081 chat room-1 "kept on all three"
  bin/mayfly list fetch --server 127.0.0.1:8082 chat room-1

In a browser, http://127.0.0.1:8080/console shows all of it.

Kill one of them (its process ids are below) and try again. Ctrl-C stops all.
TRY
echo "  process ids: ${nodes[*]}"
echo
# One may be killed on purpose; all of them gone is the end.
wait "${nodes[@]}" || true
for node in "${nodes[@]}"; do
	wait "$node" 2>/dev/null || true
done
