package harness

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
)

// Group is the number of the group to which a topic or an item belongs. That is
// a contract with data on disk: the hash of the names chooses one of 4,096 slots,
// and each group has a range of them.
func (c *Cluster) Group(cache, name string) int {
	const slots = 4096
	return 1 + int(xxhash.Sum64String(cache+"\x00"+name)%slots)*c.groups/slots
}

// NameIn returns a name that begins with the prefix and belongs to the group.
func (c *Cluster) NameIn(group int, cache, prefix string) string {
	for i := 0; ; i++ {
		if name := fmt.Sprint(prefix, "-", i); c.Group(cache, name) == group {
			return name
		}
	}
}

// Leader waits until one of these nodes, or of those that are up, says that it
// leads the group, and returns the one that says so in the highest term. Group 0
// is the meta group.
func (c *Cluster) Leader(t testing.TB, group int, among ...*Node) (leader *Node) {
	t.Helper()
	if len(among) == 0 {
		among = c.Up()
	}
	Eventually(t, Patience, fmt.Sprint("a leader of group ", group), func() (bool, string) {
		var highest float64
		var saw []string
		leader = nil
		for _, n := range among {
			m, err := n.metrics(t.Context())
			if err != nil {
				saw = append(saw, fmt.Sprintf("%s: %v", n.Name, err))
				continue
			}
			leads, term := m.Of("mayfly_raft_leading", "group", strconv.Itoa(group)), m.Of("mayfly_raft_term", "group", strconv.Itoa(group))
			saw = append(saw, fmt.Sprintf("%s leads: %v, in term %v", n.Name, leads, term))
			if leads > 0 && term > highest {
				leader, highest = n, term
			}
		}
		return leader != nil, strings.Join(saw, "; ")
	})
	return leader
}

// Balanced waits until the leaderships are spread evenly over the nodes that run, so
// that none is about to be handed on.
func (c *Cluster) Balanced(t testing.TB) {
	t.Helper()
	Eventually(t, 2*Patience, "leaderships to be spread", func() (bool, string) {
		var leads []int
		for _, n := range c.Up() {
			m, err := n.metrics(Bounded(t))
			if err != nil {
				return false, err.Error()
			}
			count := 0
			for name, value := range m {
				if strings.HasPrefix(name, "mayfly_raft_leading{") && value == 1 {
					count++
				}
			}
			leads = append(leads, count)
		}
		return slices.Max(leads)-slices.Min(leads) <= 1, fmt.Sprint(leads)
	})
}

// Metrics are the numbers that a node shows, by name and labels as they are
// printed.
type Metrics map[string]float64

// Of is the number with this name and this label, 0 when there is none.
func (m Metrics) Of(name, label, value string) float64 {
	return m[fmt.Sprintf("%s{%s=%q}", name, label, value)]
}

// Metrics reads the numbers of this moment.
func (s *Server) Metrics(t testing.TB) Metrics {
	t.Helper()
	m, err := s.metrics(Bounded(t))
	if err != nil {
		t.Fatalf("metrics of %s: %v", s.Addr, err)
	}
	return m
}

func (s *Server) metrics(ctx context.Context) (Metrics, error) {
	ctx, cancel := context.WithTimeout(ctx, metricsTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Addr+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	if key, err := os.ReadFile(filepath.Join(s.DataDir, "admin.token")); err == nil {
		request.Header.Set("Authorization", strings.TrimSpace(string(key)))
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s", answer.Status)
	}
	m := make(Metrics)
	for line := range strings.Lines(string(body)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if number, err := strconv.ParseFloat(value, 64); ok && err == nil && name != "#" {
			m[name] = number
		}
	}
	return m, nil
}
