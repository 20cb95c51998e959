package hook

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-broker/mayfly/fanout"
)

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func numbered(n int) (texts []string) {
	for i := range n {
		texts = append(texts, fmt.Sprint(i))
	}
	return texts
}

func TestEventsArriveInOrder(t *testing.T) {
	inWorld(t, Tuning{Rate: 1000}, fanout.Config{}, func(t *testing.T, w *world) {
		w.put(hookTo("a", "room"), hookTo("b", "room"), hookTo("c", "other"))
		w.run(t)
		texts := numbered(100)
		w.publish(t, "room", texts...)
		same(t, "a", w.after(time.Second, "a"), texts...)
		same(t, "b", w.after(0, "b"), texts...)
		same(t, "c", w.after(0, "c"))
		if s := w.stats(); s.Webhooks != 3 || s.Delivered != 200 || s.Waiting != 0 || s.UnderWay != 0 || s.Repeats != 0 {
			t.Errorf("%+v", s)
		}
		body := w.bodies[0]
		if body["cache"] != "c" || body["topic"] != "room" || body["topic_sequence_number"] != 1.0 || body["event_timestamp"] != body["publish_timestamp"] {
			t.Errorf("%v", body)
		}
	})
}

// What a receiver was sent is counted, whatever it answered, and what never left is not.
func TestPostsAreCounted(t *testing.T) {
	inWorld(t, Tuning{}, fanout.Config{}, func(t *testing.T, w *world) {
		busy := true
		w.answer = func(receiver, text string, writer http.ResponseWriter, _ *http.Request) {
			if receiver == "a" && text == "later" && busy {
				busy = false
				writer.WriteHeader(http.StatusServiceUnavailable)
			}
		}
		w.put(hookTo("a", "room"), hookTo("b", "room"))
		w.run(t)
		w.publish(t, "room", "now", "later", "garbage")
		same(t, "a", w.after(time.Minute, "a"), "now", "later", "later")
		w.mu.Lock()
		defer w.mu.Unlock()
		if !maps.Equal(w.count, w.sizes) || len(w.sizes) != 2 || w.sizes["a"] <= w.sizes["b"] {
			t.Errorf("counted %v, sent %v", w.count, w.sizes)
		}
	})
}

// Webhooks come and go while topics are published to.
func TestWebhooksComeAndGo(t *testing.T) {
	inWorld(t, Tuning{}, fanout.Config{}, func(t *testing.T, w *world) {
		w.publish(t, "room", "before the node delivered")
		w.put(hookTo("old", "room"))
		w.run(t)
		w.publish(t, "room", "before")
		w.put(hookTo("old", "room"), hookTo("new", "room"))
		synctest.Wait()
		w.publish(t, "room", "after")
		same(t, "one that was there", w.after(time.Second, "old"), "before the node delivered", "before", "after")
		same(t, "one that came", w.after(0, "new"), "after")

		moved := hookTo("new", "hall")
		moved.Url = "http://newer.test/"
		moved.Secret = "secret of newer"
		w.publish(t, "hall", "too early")
		w.put(moved)
		synctest.Wait()
		w.publish(t, "hall", "in the hall")
		w.publish(t, "room", "in the room")
		same(t, "one that went", w.after(time.Second, "old"), "before the node delivered", "before", "after")
		same(t, "one that moved, there", w.after(0, "newer"), "in the hall")
		same(t, "one that moved, here", w.after(0, "new"), "after")

		w.put()
		synctest.Wait()
		w.publish(t, "hall", "to nobody")
		same(t, "all gone", w.after(time.Second, "newer"), "in the hall")
		if s := w.stats(); s.Webhooks != 0 || len(w.deliverer.posts) != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestRotatedSecretIsValidAtOnce(t *testing.T) {
	inWorld(t, Tuning{}, fanout.Config{}, func(t *testing.T, w *world) {
		hook := hookTo("a", "room")
		hook.Secret = "another secret"
		w.put(hook)
		w.run(t)
		w.publish(t, "room", "wrong")
		same(t, "signed with another secret", w.after(time.Second, "a"))
		if s := w.stats(); s.Refused != 1 || !strings.Contains(w.logged.String(), "status 418") {
			t.Errorf("%+v, %s", s, w.logged)
		}
		w.put(hookTo("a", "room"))
		synctest.Wait()
		w.publish(t, "room", "right")
		same(t, "signed with its secret", w.after(time.Second, "a"), "right")
	})
}

// failing answers with a status until the world's time has come.
func failing(status int, until time.Time) func(string, string, http.ResponseWriter, *http.Request) {
	return func(_, _ string, w http.ResponseWriter, _ *http.Request) {
		if time.Now().Before(until) {
			w.WriteHeader(status)
		}
	}
}

// A receiver that restarts gets everything, in few attempts; and each attempt says
// when it was made.
func TestReceiverThatRestarts(t *testing.T) {
	inWorld(t, Tuning{}, fanout.Config{}, func(t *testing.T, w *world) {
		w.answer = failing(503, time.Now().Add(30*time.Second))
		w.put(hookTo("a", "room"))
		w.run(t)
		texts := numbered(50)
		w.publish(t, "room", texts...)
		attempts := len(w.after(29*time.Second, "a"))
		if attempts < 8 || attempts > 25 {
			t.Errorf("%d attempts while the receiver was away", attempts)
		}
		all := w.after(30*time.Second, "a")[attempts:]
		slices.Sort(all)
		slices.Sort(texts)
		if all = slices.Compact(all); !slices.Equal(all, texts) {
			t.Errorf("got %q", all)
		}
		s := w.stats()
		if s.Delivered != 50 || s.Repeats < int64(attempts) || s.Waiting != 0 {
			t.Errorf("%+v after %d attempts", s, attempts)
		}
		for _, body := range w.bodies {
			if age := time.Since(time.UnixMilli(int64(body["publish_timestamp"].(float64)))); age > time.Hour {
				t.Errorf("an attempt is %v old", age)
			}
		}
		last := w.bodies[len(w.bodies)-1]
		if last["publish_timestamp"] == last["event_timestamp"] {
			t.Errorf("a late attempt says that it was made at once: %v", last)
		}
		if n := strings.Count(w.logged.String(), "\n"); n != 2 { // it fails, it is well again
			t.Errorf("%d lines: %s", n, w.logged)
		}
	})
}

// One event that a receiver chokes on does not hold up the others.
func TestOneBadEvent(t *testing.T) {
	inWorld(t, Tuning{}, fanout.Config{}, func(t *testing.T, w *world) {
		w.answer = func(_, text string, writer http.ResponseWriter, _ *http.Request) {
			if text == "bad" {
				writer.WriteHeader(500)
			}
		}
		w.put(hookTo("a", "room"))
		w.run(t)
		w.publish(t, "room", "1", "bad", "2", "garbage", "3")
		same(t, "at once", w.after(200*time.Millisecond, "a"), "1", "bad", "2", "3")
		w.after(5*time.Minute, "a")
		s := w.stats()
		if s.Delivered != 3 || s.Exhausted != 1 || s.Refused != 1 || s.Repeats != 7 {
			t.Errorf("%+v", s)
		}
	})
}

// A receiver that never answers takes few workers, its webhook few events, and
// nobody else notices.
func TestReceiverThatNeverAnswers(t *testing.T) {
	inWorld(t, Tuning{Events: 10, Workers: 8, Rate: 1000}, fanout.Config{TopicItems: 20}, func(t *testing.T, w *world) {
		w.answer = func(receiver, _ string, _ http.ResponseWriter, r *http.Request) {
			if receiver == "deaf" {
				<-r.Context().Done()
			}
		}
		w.put(hookTo("deaf", "room"), hookTo("good", "other"))
		w.run(t)
		w.publish(t, "room", numbered(10)...)
		synctest.Wait()
		w.publish(t, "room", numbered(90)...)
		texts := numbered(200)
		for i := range 10 {
			w.publish(t, "other", texts[20*i:20*(i+1)]...)
			w.after(100*time.Millisecond, "good")
		}
		same(t, "the good one", w.after(0, "good"), texts...)
		if s := w.stats(); s.Waiting != 10 || s.UnderWay > 4 || s.Delivered != 200 {
			t.Errorf("%+v", s)
		}
		w.after(10*time.Minute, "deaf")
		s := w.stats()
		// Of 100, ten were taken at once and twenty are the topic's log, which was
		// emptied as room was made; the others were overwritten.
		if s.Behind != 70 || s.Exhausted+s.Waiting != 30 || s.Delivered != 200 {
			t.Errorf("%+v", s)
		}
		if text := w.logged.String(); !strings.Contains(text, "no answer within 5s") {
			t.Error(text)
		}
	})
}

// Nothing that others must not know gets into the log.
func TestLogIsDiscreet(t *testing.T) {
	inWorld(t, Tuning{}, fanout.Config{}, func(t *testing.T, w *world) {
		w.answer = failing(500, time.Now().Add(time.Hour))
		hook := hookTo("a", "topicname")
		hook.Url = "http://a.test/pathname?token=queryvalue"
		w.put(hook)
		w.run(t)
		w.publish(t, "topicname", "payload")
		w.after(10*time.Minute, "a")
		text := w.logged.String()
		if !strings.Contains(text, "webhook.cache=c") || !strings.Contains(text, "status 500") {
			t.Errorf("it is not told what fails: %s", text)
		}
		for _, never := range []string{"payload", "topicname", "pathname", "queryvalue", "a.test", "secret"} {
			if strings.Contains(text, never) {
				t.Errorf("%q is in the log: %s", never, text)
			}
		}
	})
}

// A leader delivers what it has numbered, all of it and nothing else.
func TestLeadershipComesAndGoes(t *testing.T) {
	inWorld(t, Tuning{}, fanout.Config{}, func(t *testing.T, w *world) {
		w.answer = failing(503, time.Now().Add(20*time.Second))
		w.put(hookTo("a", "room"))
		w.run(t)
		w.publish(t, "room", "1", "2")
		synctest.Wait()
		if err := w.topics.Mirror(0); err != nil { // another leads, and numbers
			t.Fatal(err)
		}
		w.tell(&w.moved)
		synctest.Wait()
		if s := w.stats(); s.Webhooks != 0 || s.Waiting != 2 {
			t.Errorf("while another leads: %+v", s)
		}
		w.ownAfter(t, 3, "3") // which that one has numbered in term 2
		w.publish(t, "room", "4")
		got := w.after(time.Minute, "a")
		slices.Sort(got)
		same(t, "all that was numbered here", slices.Compact(got), "1", "2", "4")
		if s := w.stats(); s.Delivered != 3 || s.Webhooks != 1 {
			t.Errorf("%+v", s)
		}
		// Elected again without a pause: nothing is missed, nothing comes twice.
		w.publish(t, "room", "5")
		w.own(t, 4)
		w.publish(t, "room", "6")
		got = w.after(time.Minute, "a")
		same(t, "over a new term", got[len(got)-2:], "5", "6")
		if s := w.stats(); s.Delivered != 5 || s.Behind != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A node that stops delivers what it has, and gives up what no receiver takes.
func TestDrain(t *testing.T) {
	inWorld(t, Tuning{}, fanout.Config{}, func(t *testing.T, w *world) {
		until := time.Now().Add(10 * time.Second)
		w.answer = func(receiver, text string, writer http.ResponseWriter, r *http.Request) {
			switch {
			case receiver == "gone", receiver == "away" && time.Now().Before(until):
				writer.WriteHeader(503)
			case receiver == "slow":
				time.Sleep(100 * time.Millisecond)
			}
		}
		w.put(hookTo("slow", "room"), hookTo("gone", "room"), hookTo("away", "room"))
		w.run(t)
		w.publish(t, "room", numbered(20)...)
		w.after(9900*time.Millisecond, "slow")
		w.publish(t, "room", "last")
		time.Sleep(200 * time.Millisecond)
		w.topics.Close()
		began := time.Now()
		w.deliverer.Drain(t.Context())
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
		same(t, "the slow one", w.after(0, "slow"), append(numbered(20), "last")...)
		s := w.deliverer.Stats()
		if s.Delivered != 42 || s.Stopped != 21 || s.Waiting != 0 || s.UnderWay != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// Whoever does not wait for the end cuts what is under way, and it is counted.
func TestCut(t *testing.T) {
	inWorld(t, Tuning{}, fanout.Config{}, func(t *testing.T, w *world) {
		w.answer = func(_, _ string, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
		w.put(hookTo("deaf", "room"))
		t.Cleanup(func() { // behind what run has for the end
			if s := w.deliverer.Stats(); s.Stopped != 5 || s.Waiting != 0 {
				t.Errorf("%+v", s)
			}
		})
		w.run(t)
		w.publish(t, "room", numbered(5)...)
		synctest.Wait()
	})
}

// What waits for a webhook that is deleted is dropped.
func TestDeletedWithEventsWaiting(t *testing.T) {
	inWorld(t, Tuning{}, fanout.Config{}, func(t *testing.T, w *world) {
		w.answer = failing(503, time.Now().Add(time.Hour))
		w.put(hookTo("a", "room"))
		w.run(t)
		w.publish(t, "room", numbered(5)...)
		attempts := len(w.after(10*time.Second, "a"))
		w.put()
		if n := len(w.after(time.Hour, "a")); n != attempts {
			t.Errorf("%d attempts after it was deleted", n-attempts)
		}
		if s := w.stats(); s.Deleted != 5 || s.Waiting != 0 || s.Webhooks != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestConfig(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("a deliverer without a desk")
	}
}

// A deposed leader may read what its successor numbers before it is told: that is
// the successor's to deliver.
func TestSuccessorsItemsAreNotOurs(t *testing.T) {
	inWorld(t, Tuning{}, fanout.Config{}, func(t *testing.T, w *world) {
		w.put(hookTo("a", "room"))
		w.run(t)
		w.publish(t, "room", "ours")
		synctest.Wait()
		if err := w.topics.Mirror(0); err != nil {
			t.Fatal(err)
		}
		link, err := w.topics.Link(0)
		if err != nil {
			t.Fatal(err)
		}
		changes, err := link.Changes()
		if err != nil || len(changes) != 1 {
			t.Fatalf("%v, %v", changes, err)
		}
		page, _ := fanout.Page{Term: 2}.Number()
		feed := changes[0].Feed
		if err := feed.Begin(fanout.Position{Page: page, Sequence: 1}); err != nil {
			t.Fatal(err)
		}
		if err := feed.Items([]fanout.Item{{Position: fanout.Position{Page: page, Sequence: 2}, Encoded: []byte("theirs")}}, time.Now()); err != nil {
			t.Fatal(err)
		}
		same(t, "what was read", w.after(time.Minute, "a"), "ours")
		w.tell(&w.moved)
		if s := w.stats(); s.Webhooks != 0 || s.Behind != 0 || s.Delivered != 1 {
			t.Errorf("%+v", s)
		}
	})
}
