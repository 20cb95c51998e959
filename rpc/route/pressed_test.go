package route

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-broker/mayfly/fanout"
)

// A node that was ended for want of memory, and says nothing any more, keeps the others
// from writing for a moment only.
func TestOldWordOfPressureIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		topics, err := fanout.New(fanout.Config{}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		defer topics.Close()
		l := NewLocal(LocalConfig{Topics: topics})
		l.HearMemory("b", MemoryReport{Pressed: true})
		for _, at := range []struct {
			after time.Duration
			want  bool
		}{{0, true}, {pressedLife - time.Second, true}, {time.Second, false}, {time.Hour, false}} {
			time.Sleep(at.after)
			if got := l.memory.heard["b"].pressed(time.Now()); got != at.want {
				t.Errorf("%v later: %v", at.after, got)
			}
		}
		l.HearMemory("b", MemoryReport{Pressed: true})
		if !l.memory.heard["b"].pressed(time.Now()) {
			t.Error("it says so again, and is not believed")
		}
		l.HearMemory("b", MemoryReport{})
		if l.memory.heard["b"].pressed(time.Now()) {
			t.Error("it has memory again")
		}
	})
}
