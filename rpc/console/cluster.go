package console

import (
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/steward"
	"github.com/mayfly-broker/mayfly/rpc/web"
)

// overview is the cluster as the pages show it, in the words of `mayfly cluster
// status`.
type overview struct {
	// Leading: the answer is that of the node that leads the meta group. Else it is
	// what this node has on record, and nobody was asked how far the replicas are.
	Leading          bool     `json:"leading"`
	MetaLeader       string   `json:"meta_leader"`
	AskedAt          *int64   `json:"asked_at"`
	PlacementVersion uint64   `json:"placement_version"`
	Members          []member `json:"members"`
	Groups           []group  `json:"groups"`
	Moves            []move   `json:"moves"`
	Held             []hold   `json:"held"`
}

type member struct {
	Name        string `json:"name"`
	ID          string `json:"id"` // of its data directory
	PeerAddress string `json:"peer_address"`
	Zone        string `json:"zone"`
	State       string `json:"state"`
	Health      string `json:"health"`
	Alive       bool   `json:"alive"`
	HeardAt     *int64 `json:"heard_at"`
	Leads       int    `json:"leads"`
	Replicas    int    `json:"replicas"`
	Version     string `json:"version"` // empty when it was not heard
	Note        string `json:"note,omitempty"`
}

type group struct {
	Group    string         `json:"group"`
	Leader   string         `json:"leader"` // empty when it is not known
	Term     uint64         `json:"term"`
	Replicas []groupReplica `json:"replicas"`
}

type groupReplica struct {
	Node string `json:"node"`
	Role string `json:"role"`
	Lost bool   `json:"lost,omitempty"`
	// Lag counts entries; null when the replica did not answer.
	Lag *uint64 `json:"lag"`
}

type move struct {
	Group string `json:"group"`
	Kind  string `json:"kind"`
	Node  string `json:"node"`
	To    string `json:"to,omitempty"`
}

type hold struct {
	Group string `json:"group"`
	Why   string `json:"why"`
}

func (c *Console) cluster(w http.ResponseWriter, r *http.Request) {
	st, err := c.config.Broker.Status(r.Context())
	if err != nil {
		web.Failed(w, status.New(codes.Unavailable, "how the cluster is could not be found out; try again"))
		return
	}
	web.Answer(w, newOverview(st, c.config.Broker.Versions()))
}

func newOverview(st steward.Status, versions map[string]string) overview {
	o := overview{
		Leading: st.Leading, AskedAt: millis(st.At), PlacementVersion: st.PlacementVersion,
		Members: []member{}, Groups: []group{}, Moves: []move{}, Held: []hold{},
	}
	for _, n := range st.Nodes {
		m := member{
			Name: string(n.Node), ID: n.Store, PeerAddress: n.PeerAddr, Zone: n.Zone, State: string(n.State),
			Health: n.Health.String(), Alive: n.Health == cluster.Live, HeardAt: millis(n.Heard),
			Leads: n.Leaders, Replicas: n.Replicas, Version: versions[string(n.Node)], Note: n.Note,
		}
		if n.Leaving {
			m.State = "leaving"
		}
		o.Members = append(o.Members, m)
	}
	for _, g := range st.Groups {
		if g.Group == cluster.MetaGroup {
			o.MetaLeader = string(g.Leader.Node)
		}
		o.Groups = append(o.Groups, newGroup(g))
		switch {
		case g.Step != nil:
			o.Moves = append(o.Moves, move{g.Group.Name(), string(g.Step.Kind), string(g.Step.Replica.Node), string(g.Step.To.Node)})
		case g.Moving:
			o.Moves = append(o.Moves, move{Group: g.Group.Name(), Kind: "between two steps"})
		}
	}
	for _, h := range st.Held {
		o.Held = append(o.Held, hold{h.Group.Name(), h.Why})
	}
	return o
}

func newGroup(g steward.GroupStatus) group {
	row := group{Group: g.Group.Name(), Leader: string(g.Leader.Node), Term: g.Term, Replicas: []groupReplica{}}
	for _, r := range g.Replicas {
		replica := groupReplica{Node: string(r.Node), Role: r.Role.String(), Lost: r.Lost}
		if r.Answered {
			replica.Lag = &r.Lag
		}
		row.Replicas = append(row.Replicas, replica)
	}
	return row
}
