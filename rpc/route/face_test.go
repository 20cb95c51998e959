package route_test

import (
	"testing"

	"github.com/mayfly-broker/mayfly/rpc/route"
	"github.com/mayfly-broker/mayfly/rpc/route/nodetest"
)

func TestLocalIsANode(t *testing.T) {
	nodetest.Run(t, func(_ *testing.T, local *route.Local) route.Node { return local })
}
