//go:build peerversions

package peer

import "fmt"

// spoken is what a node speaks in place of ourVersions, as oldest-newest. It exists
// for stories about nodes of several releases, in programs that are built for them:
//
//	go build -tags peerversions -ldflags "-X github.com/mayfly-broker/mayfly/rpc/peer.spoken=1-2"
var spoken string

func init() {
	if _, err := fmt.Sscanf(spoken, "%d-%d", &ourVersions.oldest, &ourVersions.newest); err != nil {
		panic(fmt.Sprintf("peer: the program was built to speak %q, want versions such as 1-2: %v", spoken, err))
	}
}
