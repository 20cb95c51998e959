package cli

import (
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
)

// What a message names as the bounds of a size is a size, and allowed.
func TestBoundsOfSizesAreSizes(t *testing.T) {
	b := (&broker{answer: func(string, proto.Message, string) (proto.Message, error) { return &adminpb.UpdateCacheResponse{}, nil }}).start(t)
	got := invocation{broker: b}.run(t, "cache", "update", "chat", "--max-throughput", "1")
	bounds := regexp.MustCompile(`from (\S+) to (\S+)`).FindStringSubmatch(got.stderr)
	if got.code != ExitUsage || bounds == nil {
		t.Fatalf("exit code %d, %s", got.code, got.stderr)
	}
	for _, bound := range bounds[1:] {
		if got := (invocation{broker: b}).run(t, "cache", "update", "chat", "--max-throughput", bound); got.code != 0 {
			t.Errorf("%s: exit code %d, %s", bound, got.code, got.stderr)
		}
		if _, err := (&keyLimits{throughput: 1}).message(); err == nil || !strings.Contains(err.Error(), bound) {
			t.Errorf("the limits of keys have other bounds: %v", err)
		}
	}
}
