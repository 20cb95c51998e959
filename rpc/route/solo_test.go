package route

import (
	"context"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// solo is a group whose only voter is here and whose log takes no time.
type solo struct {
	group
	machine replica.StateMachine
}

// soloist gives a Local an empty partition of group 1, which it leads.
func soloist(l *Local) *partition {
	p := newPartition(l.clock)
	p.bind(solo{machine: p})
	l.partitions[1].Store(p)
	return p
}

func (solo) ID() cluster.GroupID { return 1 }

func (solo) Leadership() (replica.Leadership, <-chan struct{}) {
	return replica.Leadership{Leading: true, Leader: "self", Term: 1}, nil
}

func (s solo) Propose(_ context.Context, command []byte) (any, error) {
	return s.machine.Apply(1, [][]byte{command})[0], nil
}

// first makes a command one of the first generation of its cache.
func first(c *storev1.Command) *storev1.Command {
	c.Generation = 1
	return c
}
