package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// An operator writes other limits into the settings file of a node that runs. They hold
// at once after a SIGHUP, and soon without one; what is wrong in the file is named, and
// changes nothing.
func TestNodeLimitsAreLive(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "mayfly.yaml")
	write := func(lines ...string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("node-max-operations: 2")
	server := harness.Start(t, harness.Options{Args: []string{"--config", file, "--max-publishes", "1000"}})
	server.CreateCache(t, "story")
	client := cachepb.NewScsClient(server.Conn(t))
	refused := func() (n int, says string) {
		t.Helper()
		for range 20 {
			var trailer metadata.MD
			_, err := client.Set(server.InCache(t, "story"), &cachepb.SetRequest{CacheKey: []byte("k"), CacheBody: []byte("v"), TtlMilliseconds: 60_000}, grpc.Trailer(&trailer))
			switch status.Code(err) {
			case codes.OK:
			case codes.ResourceExhausted:
				n, says = n+1, status.Convert(err).Message()
				if kind := trailer.Get("err"); len(kind) != 1 || kind[0] != "operations_rate_limit_exceeded" {
					t.Fatalf("SDKs are told of %v", kind)
				}
			default:
				t.Fatal(err)
			}
		}
		return n, says
	}
	until := func(limited bool) {
		t.Helper()
		harness.Eventually(t, harness.Patience, "limits in the file to be in force", func() (bool, string) {
			n, says := refused()
			return n > 0 == limited, says
		})
	}
	logs := func(words string) {
		t.Helper()
		harness.Eventually(t, harness.Patience, "a line in the log: "+words, func() (bool, string) {
			return strings.Contains(server.Log(t), words), ""
		})
	}
	if n, says := refused(); n == 0 || !strings.Contains(says, "over 2 per second on this node") {
		t.Fatalf("%d of 20 calls were refused on a node that takes 2 a second: %q", n, says)
	}
	write("node-max-operations: 100000")
	server.HangUp(t)
	until(false)
	logs("node-max-operations: 100000, was 2")

	write("node-max-operations: 3", "max-publishes: 7", "heartbeat: 4s")
	until(true) // nobody sent a signal
	logs("node-max-operations: 3, was 100000")
	logs("heartbeat takes effect at the next start")
	if strings.Contains(server.Log(t), "max-publishes: 7") {
		t.Error("the file wins over the command line")
	}

	write("node-max-operations: 100000", "max-ttl: forever")
	server.HangUp(t)
	logs("mayfly.yaml:2: max-ttl")
	if n, _ := refused(); n == 0 {
		t.Error("half of a file is in force that is not right")
	}
	write()
	server.HangUp(t)
	until(false)
	server.Stop(t)
}
