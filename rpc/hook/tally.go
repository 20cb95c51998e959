package hook

import (
	"log/slog"
	"sync"
	"time"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// Stats is a look at a deliverer: what it has to do now, and how often things
// happened since it began. Every event ends in one of the counts behind Attempts.
type Stats struct {
	Webhooks int64 // whose topics this node leads
	Waiting  int64 // events that wait or are under way
	UnderWay int64 // attempts

	Repeats   int64 // attempts that failed, of events that are tried again
	Delivered int64
	// Dead letters: events that were not delivered and never will be.
	Exhausted int64 // tried too often, or for too long
	Refused   int64 // the receiver did not want them
	Forbidden int64 // the receiver is where webhooks may not lead
	Behind    int64 // the topic dropped them before the webhook's turn came
	Deleted   int64 // their webhook was deleted
	Stopped   int64 // the node stopped
}

// tally counts for Run, and tells anybody.
type tally struct {
	mu    sync.Mutex
	stats Stats
}

// Stats tells how things are.
func (d *Deliverer) Stats() Stats {
	d.tally.mu.Lock()
	defer d.tally.mu.Unlock()
	return d.tally.stats
}

func (t *tally) count(change func(*Stats)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.stats)
}

func (t *tally) now(underWay, waiting int) {
	t.count(func(s *Stats) { s.UnderWay, s.Waiting = int64(underWay), int64(waiting) })
}

func (t *tally) reading(n int)      { t.count(func(s *Stats) { s.Webhooks = int64(n) }) }
func (t *tally) behind(lost uint64) { t.count(func(s *Stats) { s.Behind += int64(lost) }) }
func (t *tally) expired(n int)      { t.count(func(s *Stats) { s.Exhausted += int64(n) }) }
func (t *tally) deleted(n int)      { t.count(func(s *Stats) { s.Deleted += int64(n) }) }
func (t *tally) stopped(n int)      { t.count(func(s *Stats) { s.Stopped += int64(n) }) }

// settled counts what became of an event after an attempt; ending says that the
// node stops, so that there was no further attempt.
func (t *tally) settled(what settled, ending bool) {
	t.count(func(s *Stats) {
		switch {
		case what == delivered:
			s.Delivered++
		case what == again:
			s.Repeats++
		case what == unwanted:
			s.Refused++
		case what == unallowed:
			s.Forbidden++
		case ending:
			s.Stopped++
		default:
			s.Exhausted++
		}
	})
}

// reportEvery is how often one webhook may complain in the log.
const reportEvery = time.Minute

// report says in the log how a webhook fares, in few words: no URL, which may hold
// a secret of the receiver, no payload and no topic.
type report struct {
	told    time.Time // when it complained last
	failing bool      // what was complained of goes on, as far as is known
}

func (r *report) outcome(logger *slog.Logger, hook *storev1.Webhook, o outcome, now time.Time) {
	switch {
	case o.fate == taken && r.failing:
		r.failing = false
		logger.Info("the receiver of a webhook takes events again", about(hook))
	case o.fate != taken && r.may(now):
		r.failing = true
		logger.Warn("an event could not be delivered to a webhook", about(hook), slog.String("reason", o.why))
	}
}

func (r *report) behind(logger *slog.Logger, hook *storev1.Webhook, lost uint64, now time.Time) {
	if r.may(now) {
		logger.Warn("a webhook stays behind its topic and has lost events", about(hook), slog.Uint64("lost", lost))
	}
}

// may reports whether it is time for a complaint.
func (r *report) may(now time.Time) bool {
	if !r.told.IsZero() && now.Sub(r.told) < reportEvery {
		return false
	}
	r.told = now
	return true
}

func about(hook *storev1.Webhook) slog.Attr {
	return slog.Group("webhook", slog.String("cache", hook.GetCache()), slog.String("name", hook.GetName()))
}
