package test

import (
	"fmt"
	"strings"
	"testing"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// The broker is killed, stopped and killed again while 32 writers in one program
// push into five lists they share. At ten thousand acknowledged pushes the
// program ends. Then every acknowledged value is in its list exactly once,
// every other one at most once, and each writer's values in the order in which
// it pushed them.
func TestKillInTheMiddleOfPushes(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	writers := harness.StartAgent(t, harness.Go, "pushers", harness.Client{Addr: server.Addr, Cache: "story"})
	for i, end := range []func(*harness.Server, testing.TB){(*harness.Server).Kill, (*harness.Server).Stop, (*harness.Server).Kill} {
		answers := 2500 * (i + 1)
		writers.Await(t, fmt.Sprint(answers, " answers"), func(events []harness.Event) bool { return len(events) >= answers })
		end(server, t)
		server.Start(t)
	}
	writers.Await(t, "the end of the pushes", func(events []harness.Event) bool {
		return events[len(events)-1].Event == "finished"
	})

	acked, refused := make(map[string]string), make(map[string]bool) // value to list
	for _, e := range writers.Events() {
		switch e.Event {
		case "acked":
			acked[e.Value] = e.ID
		case "refused":
			refused[e.Value] = true
		}
	}
	t.Logf("%d acknowledged, %d with unknown outcome", len(acked), len(refused))
	if len(acked) < 10_000 || len(refused) == 0 {
		t.Fatalf("%d pushes acknowledged and %d refused: this was no crash in the middle of ten thousand", len(acked), len(refused))
	}
	for list, values := range fetchShared(t, server) {
		last := make(map[string]string) // by writer
		for _, value := range values {
			writer := value[:strings.LastIndexByte(value, '-')]
			switch home, wasAcked := acked[value]; {
			case value <= last[writer]:
				t.Errorf("%s: %s comes after %s", list, value, last[writer])
			case wasAcked && home != list:
				t.Errorf("%s was pushed to %s and is in %s", value, home, list)
			case !wasAcked && !refused[value]:
				t.Errorf("%s: nobody pushed %q", list, value)
			}
			last[writer] = value
			delete(acked, value)
		}
	}
	for value, list := range acked {
		t.Errorf("%s was acknowledged and is missing from %s", value, list)
	}
}

func fetchShared(t *testing.T, server *harness.Server) map[string][]string {
	t.Helper()
	lists := make(map[string][]string)
	for i := range 5 {
		name := fmt.Sprintf("shared-%d", i)
		answer, err := cachepb.NewScsClient(server.Conn(t)).ListFetch(server.InCache(t, "story"), &cachepb.ListFetchRequest{ListName: []byte(name)})
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range answer.GetFound().GetValues() {
			lists[name] = append(lists[name], string(value))
		}
	}
	return lists
}
