package harness

import (
	"fmt"
	"slices"
	"testing"

	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
	clusterpb "github.com/mayfly-broker/mayfly/proto/cluster/v1"
)

// Status asks the server how its cluster is, until it knows from the node that
// leads the meta group.
func (s *Server) Status(t testing.TB) (status *clusterpb.Status) {
	t.Helper()
	admin := adminpb.NewAdminClient(s.Conn(t))
	Eventually(t, Patience, "the cluster's status", func() (bool, string) {
		answer, err := admin.ClusterStatus(s.Context(t), &adminpb.ClusterStatusRequest{})
		status = answer.GetStatus()
		return err == nil && status.GetLeading() && len(status.GetGroups()) > 0, fmt.Sprint(err, ", ", status)
	})
	return status
}

// Voters names the nodes that vote in each group, in order.
func Voters(status *clusterpb.Status) map[uint32][]string {
	voters := make(map[uint32][]string)
	for _, g := range status.GetGroups() {
		for _, r := range g.GetReplicas() {
			if r.GetRole() == clusterpb.Role_ROLE_VOTER {
				voters[g.GetGroup()] = append(voters[g.GetGroup()], r.GetReplica().GetNode())
			}
		}
		slices.Sort(voters[g.GetGroup()])
	}
	return voters
}

// Replicas are all copies of all groups, each of which has a number that is never
// given again, and what they are in their group.
func Replicas(status *clusterpb.Status) map[string]clusterpb.Role {
	replicas := make(map[string]clusterpb.Role)
	for _, g := range status.GetGroups() {
		for _, r := range g.GetReplicas() {
			replicas[fmt.Sprintf("replica %d of group %d on %s", r.GetReplica().GetNumber(), g.GetGroup(), r.GetReplica().GetNode())] = r.GetRole()
		}
	}
	return replicas
}
