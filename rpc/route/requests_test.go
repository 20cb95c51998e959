package route

import (
	"math/rand/v2"
	"slices"
	"testing"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// However the answers overtake each other, no id below the mark is still open,
// and the mark comes as far as it can.
func TestRequestsMark(t *testing.T) {
	r := newRequests([]byte("gateway"))
	var open []*storev1.RequestId
	for range 10_000 {
		if len(open) == 0 || len(open) < 50 && rand.IntN(2) == 0 {
			id := r.begin()
			lowest := id.GetSequence()
			for _, o := range open {
				lowest = min(lowest, o.GetSequence())
			}
			if id.GetDoneBelow() != lowest {
				t.Fatalf("request %d says all below %d are done, the lowest open one is %d", id.GetSequence(), id.GetDoneBelow(), lowest)
			}
			open = append(open, id)
			continue
		}
		i := rand.IntN(len(open))
		r.finish(open[i])
		open = slices.Delete(open, i, i+1)
	}
	for _, id := range open {
		r.finish(id)
	}
	if len(r.done) != 0 {
		t.Errorf("%d ids are remembered with none in flight", len(r.done))
	}
}
