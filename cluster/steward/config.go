package steward

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
)

// Config describes a Steward. Host, Self, Boot, Record and Peers are required.
type Config struct {
	// Host holds the replicas of this node. The steward does not close it.
	Host *replica.Host
	// Self is the name of this node, the one the host has.
	Self cluster.NodeID
	// Boot is the random id of this process.
	Boot string
	// Record is the agreed state of the cluster.
	Record Record
	// Peers reaches the other nodes.
	Peers Peers
	// Started is told of every replica the steward has started, once and before
	// the next one; those that replica.Open started are not named. A replica that
	// ends says so itself, see replica.Group.Done. May be nil.
	Started func(*replica.Group)
	// Trusts tells the serial number of the trust that this node has adopted. It must
	// not wait. May be nil, where none is.
	Trusts func() uint64
	// Logger receives what an operator should know. Nil is silent.
	Logger *slog.Logger
	// Tuning holds the times; zero fields take their defaults.
	Tuning Tuning
}

// Tuning is how patient a steward is. Zero fields mean the default, which is
// what reliability asks for (2.10 and 4).
type Tuning struct {
	// Round is the pause between two looks at a cluster at rest. Default 1 s. At
	// work the pauses are a fifth of it, or none.
	Round time.Duration
	// Ask bounds one question to one node. Default 1 s.
	Ask time.Duration
	// Act bounds one step asked of one node, and one change of the record.
	// Default 5 s.
	Act time.Duration
	// SuspectAfter is for how long a node may be silent and count as live. Default
	// 5 s.
	SuspectAfter time.Duration
	// DownAfter is the silence after which a node's replicas may be replaced,
	// counted at most from when this node took office. Default 10 min.
	DownAfter time.Duration
	// Settle is how long a replica must be near its leader to count as caught up.
	// Default 10 s.
	Settle time.Duration
	// Stay is how long a leadership that an operator moved stays where it is
	// before balance may take it away. Default 10 min.
	Stay time.Duration
}

func (t Tuning) withDefaults() (Tuning, error) {
	for _, f := range []struct {
		name  string
		value *time.Duration
		usual time.Duration
	}{
		{"Round", &t.Round, time.Second},
		{"Ask", &t.Ask, time.Second},
		{"Act", &t.Act, 5 * time.Second},
		{"SuspectAfter", &t.SuspectAfter, 5 * time.Second},
		{"DownAfter", &t.DownAfter, 10 * time.Minute},
		{"Settle", &t.Settle, 10 * time.Second},
		{"Stay", &t.Stay, 10 * time.Minute},
	} {
		switch {
		case *f.value < 0:
			return t, fmt.Errorf("steward: Tuning.%s is %v, it must be positive", f.name, *f.value)
		case *f.value == 0:
			*f.value = f.usual
		}
	}
	if t.DownAfter < t.SuspectAfter {
		return t, fmt.Errorf("steward: Tuning.DownAfter is %v, it must not be below SuspectAfter, %v", t.DownAfter, t.SuspectAfter)
	}
	return t, nil
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Host == nil, c.Record == nil, c.Peers == nil:
		return c, errors.New("steward: Config.Host, Record and Peers are required")
	case c.Boot == "":
		return c, errors.New("steward: Config.Boot is missing, it names this process")
	case c.Self != c.Host.Node():
		return c, fmt.Errorf("steward: Config.Self is %q, the host is that of node %q", c.Self, c.Host.Node())
	}
	if c.Started == nil {
		c.Started = func(*replica.Group) {}
	}
	if c.Trusts == nil {
		c.Trusts = func() uint64 { return 0 }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	var err error
	c.Tuning, err = c.Tuning.withDefaults()
	return c, err
}
