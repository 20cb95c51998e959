package fanout

import "testing"

func TestLook(t *testing.T) {
	b := ownedBroker(t, Config{})
	looks := func(when string, want View, known bool) {
		t.Helper()
		if got, ok := b.Look(0, room); got != want || ok != known {
			t.Errorf("%s: %+v, %v, want %+v, %v", when, got, ok, want, known)
		}
	}
	looks("before", View{}, false)
	if before := b.Stats(); before.Topics != 0 {
		t.Errorf("looking made %d topics", before.Topics)
	}
	page := pageOf(t, 1)
	reader, err := b.Subscribe(0, room, Position{}, epoch)
	if err != nil {
		t.Fatal(err)
	}
	looks("with a reader", View{Last: Position{Page: page}, Subscriptions: 1}, true)
	for range 2 {
		if _, err := b.Publish(0, room, epoch, encodePosition); err != nil {
			t.Fatal(err)
		}
	}
	looks("with two items", View{Last: Position{Page: page, Sequence: 2}, Subscriptions: 1}, true)
	m := b.NewMux()
	open(t, m, 1, room, Position{}, false)
	looks("with another node", View{Last: Position{Page: page, Sequence: 2}, Subscriptions: 1}, true)
	m.Close()
	reader.Close()
	looks("with nobody", View{Last: Position{Page: page, Sequence: 2}}, true)
	if _, known := b.Look(7, room); known {
		t.Error("a partition that was never owned is known")
	}
	b.Close()
	looks("after the end", View{}, false)
}
