package node

import "testing"

func TestConnectionsWithinDescriptors(t *testing.T) {
	for _, test := range []struct {
		descriptors uint64
		want        int
	}{
		{0, 1}, {1, 1}, {256, 128}, {1024, 512}, {2048, 1024}, {20_000, 18_976}, {1 << 63, 1<<30 - 1024},
	} {
		if got := connectionsWithin(test.descriptors); got != test.want {
			t.Errorf("%d file descriptors have room for %d connections, want %d", test.descriptors, got, test.want)
		}
	}
}
