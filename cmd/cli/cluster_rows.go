package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mayfly-broker/mayfly/cmd/config"
	clusterpb "github.com/mayfly-broker/mayfly/proto/cluster/v1"
)

// clusterHead is what every answer about a cluster says first.
type clusterHead struct {
	ClusterID string `json:"cluster_id"`
	// Leading: the answer is that of the node that leads the meta group.
	Leading          bool       `json:"leading"`
	MetaLeader       string     `json:"meta_leader,omitempty"`
	AskedAt          *time.Time `json:"asked_at"`
	Version          uint64     `json:"version"`
	PlacementVersion uint64     `json:"placement_version"`
}

func newClusterHead(st *clusterpb.Status) clusterHead {
	return clusterHead{
		ClusterID: st.GetClusterId(), Leading: st.GetLeading(), MetaLeader: metaLeader(st), AskedAt: moment(st.GetAtMs() / 1000),
		Version: st.GetVersion(), PlacementVersion: st.GetPlacementVersion(),
	}
}

// metaLeader names the node that leads the meta group, "" when that is not known.
func metaLeader(st *clusterpb.Status) string {
	for _, g := range st.GetGroups() {
		if g.GetGroup() == 0 {
			return g.GetLeader().GetNode()
		}
	}
	return ""
}

func (h clusterHead) pairs() [][2]string {
	return [][2]string{
		{"Cluster", printable(h.ClusterID)},
		{"Meta leader", describe(h.MetaLeader)},
		{"Placement version", strconv.FormatUint(h.PlacementVersion, 10)},
	}
}

// nodeRow is one node in JSON.
type nodeRow struct {
	Name      string     `json:"name"`
	State     string     `json:"state"`
	Health    string     `json:"health"`
	Zone      string     `json:"zone"`
	PeerAddr  string     `json:"peer_addr"`
	Replicas  uint32     `json:"replicas"`
	Retired   uint32     `json:"retired_replicas"`
	Leaders   uint32     `json:"leaders"`
	HeardAt   *time.Time `json:"heard_at"`
	Note      string     `json:"note,omitempty"`
	heardText string
}

func newNodeRow(st *clusterpb.Status, n *clusterpb.Node) nodeRow {
	return nodeRow{
		Name: n.GetNode(), State: nodeState(n), Health: health(n.GetHealth()), Zone: n.GetZone(), PeerAddr: n.GetPeerAddr(),
		Replicas: n.GetReplicas(), Retired: n.GetRetired(), Leaders: n.GetLeaders(),
		HeardAt: moment(n.GetHeardMs() / 1000), Note: n.GetNote(), heardText: ago(st.GetAtMs(), n.GetHeardMs()),
	}
}

// nodeState tells a node that drains to leave from one that drains to come back.
func nodeState(n *clusterpb.Node) string {
	if n.GetLeaving() {
		return "leaving"
	}
	return n.GetState()
}

func health(h clusterpb.Health) string {
	switch h {
	case clusterpb.Health_HEALTH_LIVE:
		return "live"
	case clusterpb.Health_HEALTH_DOWN:
		return "down"
	default:
		return "suspect"
	}
}

// ago is how long before the one moment the other was, both of the same clock.
func ago(now, then uint64) string {
	switch {
	case then == 0:
		return "never"
	case now < then+1000:
		return "now"
	default:
		return config.FormatDuration(time.Duration((now-then)/1000)*time.Second) + " ago"
	}
}

func (r nodeRow) cells() []string {
	return []string{
		describe(r.Name), describe(r.State), r.Health, describe(r.Zone), describe(r.PeerAddr), fmt.Sprint(r.Replicas), fmt.Sprint(r.Leaders), r.heardText, describe(r.Note),
	}
}

var nodeHeader = []string{"NODE", "STATE", "HEALTH", "ZONE", "PEER ADDRESS", "REPLICAS", "LEADERS", "HEARD", "NOTE"}

// groupName is how a group is called: the meta group has no number for people.
func groupName(g uint32) string {
	if g == 0 {
		return "meta"
	}
	return strconv.FormatUint(uint64(g), 10)
}

// moveOf says in words what goes on with a group, "" when nothing does.
func moveOf(g *clusterpb.Group) string {
	step := g.GetStep()
	switch {
	case step == nil && g.GetMoving():
		return "between two steps"
	case step == nil:
		return ""
	case step.GetTo() != nil:
		return printable(fmt.Sprintf("%s from %s to %s", step.GetKind(), step.GetReplica().GetNode(), step.GetTo().GetNode()))
	default:
		return printable(fmt.Sprintf("%s of replica %d on %s", step.GetKind(), step.GetReplica().GetNumber(), step.GetReplica().GetNode()))
	}
}

// replicaRow is one replica of a group in JSON.
type replicaRow struct {
	Group    string `json:"group"`
	Node     string `json:"node"`
	Number   uint64 `json:"number"`
	Role     string `json:"role"`
	Leading  bool   `json:"leading"`
	Lost     bool   `json:"lost"`
	Progress string `json:"progress"`
	Answered bool   `json:"answered"`
	Applied  uint64 `json:"applied"`
	Lag      uint64 `json:"lag"`
}

func newReplicaRow(g *clusterpb.Group, r *clusterpb.GroupReplica) replicaRow {
	is, leader := r.GetReplica(), g.GetLeader()
	return replicaRow{
		Group: groupName(g.GetGroup()), Node: is.GetNode(), Number: is.GetNumber(), Role: role(r.GetRole()),
		Leading: leader != nil && leader.GetNode() == is.GetNode() && leader.GetNumber() == is.GetNumber(),
		Lost:    r.GetLost(), Progress: progress(r.GetProgress()), Answered: r.GetAnswered(), Applied: r.GetApplied(), Lag: r.GetLag(),
	}
}

func role(r clusterpb.Role) string {
	return strings.ToLower(strings.TrimPrefix(r.String(), "ROLE_"))
}

func progress(p clusterpb.Progress) string {
	switch p {
	case clusterpb.Progress_PROGRESS_CAUGHT_UP:
		return "caught up"
	case clusterpb.Progress_PROGRESS_NEAR:
		return "near"
	default:
		return "behind"
	}
}

func (r replicaRow) cells() []string {
	what := r.Role
	switch {
	case r.Leading:
		what = "leader"
	case r.Lost:
		what += ", lost"
	}
	if !r.Answered {
		return []string{r.Group, what, r.Progress, "?", "?"}
	}
	return []string{r.Group, what, r.Progress, fmt.Sprint(r.Applied), fmt.Sprint(r.Lag)}
}

// holdRow is one reason to wait in JSON.
type holdRow struct {
	Group string `json:"group"`
	Why   string `json:"why"`
}

func holdsOf(st *clusterpb.Status) []holdRow {
	rows := make([]holdRow, 0, len(st.GetHeld()))
	for _, h := range st.GetHeld() {
		rows = append(rows, holdRow{groupName(h.GetGroup()), h.GetWhy()})
	}
	return rows
}

// moveRow is one group that is not where it shall be, in JSON.
type moveRow struct {
	Group string `json:"group"`
	Step  string `json:"step"`
}

func movesOf(st *clusterpb.Status, concerned func(*clusterpb.Group) bool) []moveRow {
	rows := []moveRow{}
	for _, g := range st.GetGroups() {
		if step := moveOf(g); step != "" && concerned(g) {
			rows = append(rows, moveRow{groupName(g.GetGroup()), step})
		}
	}
	return rows
}

// writeMoves tells what goes on and what waits, each reason once with its groups.
func writeMoves(w *strings.Builder, moves []moveRow, held []holdRow) {
	if len(moves) == 0 && len(held) == 0 {
		w.WriteString("\nNothing moves, and nothing waits.\n")
		return
	}
	if len(moves) > 0 {
		w.WriteString("\nUnder way:\n")
		for _, m := range moves {
			fmt.Fprintf(w, "  group %s: %s\n", m.Group, m.Step)
		}
	}
	groups := make(map[string][]string)
	var reasons []string
	for _, h := range held {
		if groups[h.Why] == nil {
			reasons = append(reasons, h.Why)
		}
		if !slices.Contains(groups[h.Why], h.Group) {
			groups[h.Why] = append(groups[h.Why], h.Group)
		}
	}
	if len(reasons) > 0 {
		w.WriteString("\nHeld:\n")
		for _, why := range reasons {
			fmt.Fprintf(w, "  group %s: %s\n", strings.Join(groups[why], ", "), printable(why))
		}
	}
}
