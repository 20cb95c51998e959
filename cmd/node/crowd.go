package node

import (
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/mayfly-broker/mayfly/rpc/web"
)

const (
	// ownDescriptors are kept for what is not a client's connection: logs and
	// snapshots of 64 groups, other nodes, receivers of webhooks.
	ownDescriptors = 1024
	// fewConnections are fewer than what an operator would expect to fit.
	fewConnections = 10_000
)

// crowd says how many clients may be connected, by these settings. What the system allows is the most
// it can be: a node that cannot open a file any more cannot write its log either.
func (n *Node) crowd(live Live, proxies []netip.Prefix) web.Limits {
	limits := web.Limits{Connections: live.MaxConnections, PerAddress: live.MaxPerAddress, Proxies: proxies}
	wanted := limits.Connections
	if wanted == 0 {
		limits.Connections = web.DefaultConnections
	}
	all, ok := descriptors()
	if !ok {
		return limits
	}
	if most := connectionsWithin(all); limits.Connections > most {
		limits.Connections = most
		if wanted > most || most < fewConnections {
			n.logger.Warn(fmt.Sprintf("there is room for %d client connections only: the system allows this process %d file descriptors, raise that with LimitNOFILE of systemd or ulimit -n", most, all),
				slog.Int("max_connections", wanted))
		}
	}
	return limits
}

// connectionsWithin is how many connections fit so many file descriptors.
func connectionsWithin(descriptors uint64) int {
	const most = 1 << 30 // what some systems call unlimited does not fit an int
	descriptors = min(descriptors, most)
	own := min(ownDescriptors, descriptors/2)
	return max(int(descriptors-own), 1)
}
