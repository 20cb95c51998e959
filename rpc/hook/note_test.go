package hook

import (
	"encoding/json"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-broker/mayfly/fanout"
)

func numberedBy(term, sequence uint64) fanout.Position {
	page, _ := fanout.Page{Term: term}.Number()
	return fanout.Position{Page: page, Sequence: sequence}
}

// What a leader that died has left is delivered by the next one; what one that
// lives has left is not.
func TestHeir(t *testing.T) {
	for name, row := range map[string]struct {
		left note
		want []string
	}{
		"died":                 {note{Node: "dead", Through: numberedBy(2, 102), Pending: []fanout.Position{numberedBy(2, 100)}}, []string{"i100", "i103", "i104", "new"}},
		"died with all done":   {note{Node: "dead", Through: numberedBy(2, 104)}, []string{"new"}},
		"died before it began": {note{Node: "dead", Through: numberedBy(2, 0)}, []string{"i100", "i101", "i102", "i103", "i104", "new"}},
		"died long ago":        {note{Node: "dead", Through: numberedBy(1, 3)}, []string{"i100", "i101", "i102", "i103", "i104", "new"}},
		"lives":                {note{Node: "alive", Through: numberedBy(2, 102), Pending: []fanout.Position{numberedBy(2, 100)}}, []string{"new"}},
		"was this one":         {note{Node: "self", Through: numberedBy(2, 102)}, []string{"new"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Tuning{}, fanout.Config{}, func(t *testing.T, w *world) {
				w.follows, w.heard = true, "alive"
				if err := w.topics.Mirror(0); err != nil {
					t.Fatal(err)
				}
				w.put(hookTo("a", "room"))
				w.run(t)
				if n := w.topics.Stats().Interests; n != 2 {
					t.Errorf("an heir is interested in %d topics", n)
				}
				w.inherit(t, 3, &row.left, "i100", "i101", "i102", "i103", "i104")
				synctest.Wait()
				w.publish(t, "room", "new")
				same(t, "delivered", w.after(time.Minute, "a"), row.want...)
				if s := w.stats(); s.Webhooks != 1 || s.Behind != 0 || s.Delivered != int64(len(row.want)) {
					t.Errorf("%+v", s)
				}
				if n := w.topics.Stats().Subscriptions; n != 1 {
					t.Errorf("%d subscriptions", n)
				}
			})
		})
	}
}

// An heir that may not lead any more is not interested any more, nor one whose
// webhook is gone.
func TestHeirNoLonger(t *testing.T) {
	for name, end := range map[string]func(w *world){
		"deleted":      func(w *world) { w.put() },
		"no heir more": func(w *world) { w.follows = false; w.tell(&w.moved) },
		"other topic":  func(w *world) { w.put(hookTo("b", "hall")); w.follows = false; w.tell(&w.moved) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Tuning{}, fanout.Config{}, func(t *testing.T, w *world) {
				w.follows = true
				if err := w.topics.Mirror(0); err != nil {
					t.Fatal(err)
				}
				w.put(hookTo("a", "room"))
				w.run(t)
				end(w)
				synctest.Wait()
				if n := w.topics.Stats().Subscriptions; n != 0 {
					t.Errorf("%d subscriptions", n)
				}
			})
		})
	}
}

// An heir whose topic ended, with a cache that was deleted and made again, reads the
// new one.
func TestHeirOfATopicThatEnded(t *testing.T) {
	inWorld(t, Tuning{}, fanout.Config{}, func(t *testing.T, w *world) {
		w.follows = true
		if err := w.topics.Mirror(0); err != nil {
			t.Fatal(err)
		}
		w.put(hookTo("a", "room"))
		w.run(t)
		for range 2 {
			w.topics.DropCache("c")
			time.Sleep(heirEvery + time.Second)
			synctest.Wait()
			if s := w.topics.Stats(); s.Interests != 2 || s.Subscriptions != 2 {
				t.Errorf("it is interested in %d topics, and reads %d", s.Interests, s.Subscriptions)
			}
		}
	})
}

// A leader says how far it is: soon after something has changed, and again while
// something waits.
func TestNotes(t *testing.T) {
	inWorld(t, Tuning{}, fanout.Config{}, func(t *testing.T, w *world) {
		w.answer = func(_, text string, writer http.ResponseWriter, _ *http.Request) {
			if text == "bad" {
				writer.WriteHeader(500)
			}
		}
		w.put(hookTo("a", "room"))
		w.run(t)
		topic := fanout.Key{Cache: "c", Topic: "room"}
		told, err := w.ReadNotes(topic, "a", numberedBy(1, 1))
		if err != nil {
			t.Fatal(err)
		}
		defer told.Close()
		notes := func() (all []note) {
			synctest.Wait()
			var buf [100]fanout.Event
			n, err := told.Take(buf[:])
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range buf[:n] {
				item, ok := e.Item()
				var one note
				if !ok || json.Unmarshal(item.Encoded, &one) != nil {
					t.Fatalf("%+v", e)
				}
				all = append(all, one)
			}
			return all
		}
		first := notes()
		if len(first) != 1 || first[0].Node != "self" || first[0].Through != numberedBy(1, 0) || len(first[0].Pending) > 0 {
			t.Errorf("at first: %+v", first)
		}
		w.publish(t, "room", "1", "bad", "3")
		time.Sleep(noteEvery + time.Millisecond)
		got := notes()
		if len(got) != 1 || got[0].Through != numberedBy(1, 3) || len(got[0].Pending) != 1 || got[0].Pending[0] != numberedBy(1, 2) {
			t.Errorf("then: %+v", got)
		}
		time.Sleep(5 * time.Minute) // until it is a dead letter
		got = notes()
		// One for each attempt after the first, and some between.
		// One for each attempt after the first, and some between.
		if n := len(got); n < 7 || n > 50 || len(got[n-1].Pending) != 0 || got[n-1].Through != numberedBy(1, 3) {
			t.Errorf("%d notes, at last: %+v", n, got[n-1])
		}
		time.Sleep(time.Hour)
		if got = notes(); len(got) != 0 {
			t.Errorf("with nothing to tell: %+v", got)
		}
	})
}
