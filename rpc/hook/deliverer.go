package hook

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/fanout"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// Desk is what this node knows of webhooks and numbers itself; route.Desk is one.
type Desk interface {
	// Webhooks returns all webhooks of the cluster. One that was changed is another
	// value; none is ever written to.
	Webhooks() []*storev1.Webhook
	// Numbers returns the page with which this node began to number a topic, 0 if
	// it does not.
	Numbers(cache, topic string) (page uint64)
	// Changed and Moved return channels that are closed when an answer of Webhooks,
	// or of Numbers, may be another one.
	Changed() <-chan struct{}
	Moved() <-chan struct{}
	// Read places a reader in a topic.
	Read(topic fanout.Key, from fanout.Position) (*fanout.Subscription, error)

	// Self is this node's name.
	Self() cluster.NodeID
	// Follows reports whether this node may be the next to lead a topic.
	Follows(cache, topic string) bool
	// Heard reports whether a node was alive when this one began to number a topic.
	Heard(cache, topic string, node cluster.NodeID) bool
	// Note publishes, beside a topic that is numbered here, what its next leader
	// should know; ReadNotes places a reader in that.
	Note(topic fanout.Key, name string, value []byte) error
	ReadNotes(topic fanout.Key, name string, from fanout.Position) (*fanout.Subscription, error)
}

// Config is what a Deliverer is made of; all but Tuning, Count and Logger are required.
type Config struct {
	Desk Desk
	// Decode returns the message in an item's bytes.
	Decode func(encoded []byte) (route.Message, error)
	// Guard decides where webhooks may lead.
	Guard *Guard
	// Tuning bounds what deliveries may cost; zero fields mean defaults.
	Tuning Tuning
	// Count is told of each post that was sent, taken or not, with the bytes of its
	// body. Several goroutines call it. nil counts nothing.
	Count func(hook *storev1.Webhook, size int)
	// Logger receives what operators should know; nil is silent.
	Logger *slog.Logger
}

// Deliverer posts what is published to topics that this node leads to their
// webhooks. Run does it.
type Deliverer struct {
	config Config
	tuning Tuning
	poster *poster
	tally  tally

	// Run's own.
	posts  map[hookID]*post
	known  map[hookID]string // the topics of all webhooks at the last look; nil before the first
	lookAt time.Time         // when to look again without news; zero for never
	agenda agenda
	load   load
	notes  notes
	trying int  // attempts under way
	ending bool // Drain was called

	bell   *bell
	ended  chan ended
	finish chan struct{} // closed by Drain
	once   sync.Once     // of that
	done   chan struct{} // closed when Run has returned
}

type hookID struct{ cache, name string }

// post is a webhook with what waits for it and where it reads; reader is nil while
// its topic is led elsewhere.
type post struct {
	line
	reader *reader
	heir   *heir // while another node leads the topic, and this one may be the next
	plan   plan
	report report
}

// ended is an attempt that has ended.
type ended struct {
	post  *post
	event *event
	outcome
}

// New makes a Deliverer and starts nothing.
func New(config Config) (*Deliverer, error) {
	if config.Desk == nil || config.Decode == nil || config.Guard == nil {
		return nil, errors.New("hook: a deliverer needs a desk, a decoder and a guard")
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Deliverer{
		config: config, tuning: config.Tuning.withDefaults(), poster: newPoster(config.Guard),
		posts: make(map[hookID]*post), notes: notes{due: make(map[*post]time.Time)}, bell: newBell(),
		finish: make(chan struct{}), done: make(chan struct{}),
	}
	d.ended = make(chan ended, d.tuning.Workers)
	return d, nil
}

// Run delivers until ctx ends, or until Drain has been called and nothing is left
// to deliver. It may be called once. It returns when nothing is under way any more;
// what is left undelivered then is counted.
func (d *Deliverer) Run(ctx context.Context) {
	defer close(d.done)
	trying, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer d.clear(cut)
	finish := d.finish
	var changed, moved <-chan struct{}
	for news := true; ; {
		if news || d.overdue() {
			// Asked for before the look, so that nothing is missed between the two.
			changed, moved = d.config.Desk.Changed(), d.config.Desk.Moved()
			d.look()
		}
		d.read()
		d.dispatch(trying)
		d.note()
		if d.ending && len(d.agenda) == 0 && d.trying == 0 {
			return
		}
		news = false
		timer := time.NewTimer(d.pause())
		select {
		case <-changed:
			news = true
		case <-moved:
			news = true
		case <-d.bell.rung:
		case <-timer.C:
		case e := <-d.ended:
			d.settle(e)
		case <-finish:
			finish = nil
			d.wrapUp()
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// longPause is how long a deliverer without anything to do sleeps.
const longPause = time.Hour

// pause is how long there is nothing to do by the clock.
func (d *Deliverer) pause() time.Duration {
	pause := longPause
	if !d.lookAt.IsZero() {
		pause = min(pause, time.Until(d.lookAt))
	}
	if !d.notes.next.IsZero() {
		pause = min(pause, time.Until(d.notes.next))
	}
	if len(d.agenda) > 0 && d.trying < d.tuning.Workers {
		pause = min(pause, time.Until(d.agenda[0].plan.at))
	}
	return max(0, pause)
}

// read takes in what was published.
func (d *Deliverer) read() {
	now := time.Now()
	for _, r := range d.bell.take() {
		if r.post.reader == r {
			d.pull(r.post, now)
		}
	}
}

// pull moves what has room from a webhook's topic into its line, and plans its next
// attempt.
func (d *Deliverer) pull(p *post, now time.Time) {
	if r := p.reader; r != nil {
		d.notes.by(p, now.Add(noteEvery))
		if lost := r.pull(&p.line, now); lost > 0 {
			d.tally.behind(lost)
			p.report.behind(d.config.Logger, p.hook, lost, now)
		}
		if r.over && d.lookAt.IsZero() {
			d.lookAt = now.Add(lookAgain)
		}
	}
	d.tally.expired(p.expire(now))
	at, ok := p.next()
	d.agenda.put(p, at, ok)
}

// dispatch begins the attempts that are due, as long as there are workers.
func (d *Deliverer) dispatch(ctx context.Context) {
	now := time.Now()
	for d.trying < d.tuning.Workers && len(d.agenda) > 0 && !d.agenda[0].plan.at.After(now) {
		p := d.agenda[0]
		e, hook := p.begin(now), p.hook
		p.plan.served = now
		d.trying++
		go func() { d.ended <- ended{p, e, d.attempt(ctx, hook, e)} }() // Run waits for it, see clear
		d.pull(p, now)
	}
	d.tally.now(d.trying, d.load.events)
}

// attempt makes one attempt, on a goroutine of its own.
func (d *Deliverer) attempt(ctx context.Context, hook *storev1.Webhook, e *event) outcome {
	message, err := d.config.Decode(e.Encoded)
	if err != nil {
		return outcome{fate: refused, why: "its bytes are no message"}
	}
	body, err := encode(e.topic, e.Position, e.taken, time.Now(), message)
	if err != nil {
		return outcome{fate: refused, why: "it cannot be put into words"}
	}
	o := d.poster.post(ctx, hook.GetUrl(), hook.GetSecret(), body)
	if o.sent && d.config.Count != nil {
		d.config.Count(hook, len(body))
	}
	return o
}

// settle takes in how an attempt went.
func (d *Deliverer) settle(e ended) {
	d.trying--
	now, p := time.Now(), e.post
	d.tally.settled(p.end(e.event, e.outcome, now), p.ending)
	p.report.outcome(d.config.Logger, p.hook, e.outcome, now)
	if p.ending && e.fate == postponed {
		d.tally.stopped(p.discard())
	}
	id := idOf(p.hook)
	if d.posts[id] != p { // the webhook was deleted meanwhile
		d.tally.deleted(p.discard())
		return
	}
	d.pull(p, now)
	if p.idle() {
		d.forget(id, p)
	}
}

func idOf(hook *storev1.Webhook) hookID { return hookID{hook.GetCache(), hook.GetName()} }

// Drain has every waiting event tried once more, without a pause, and waits until
// that is done and Run has returned, or for ctx. Topics should not take anything
// more when it is called. Run must have been called.
func (d *Deliverer) Drain(ctx context.Context) {
	d.once.Do(func() { close(d.finish) })
	select {
	case <-d.done:
	case <-ctx.Done():
	}
}

// wrapUp begins the end: what waits gets its last attempt now.
func (d *Deliverer) wrapUp() {
	d.ending = true
	now := time.Now()
	for _, p := range d.posts {
		p.finish(now)
		d.pull(p, now)
	}
}

// clear ends what is under way and counts what was not delivered.
func (d *Deliverer) clear(cut context.CancelFunc) {
	cut()
	for ; d.trying > 0; d.trying-- {
		e := <-d.ended
		e.post.ending = true
		d.tally.settled(e.post.end(e.event, e.outcome, time.Now()), true)
	}
	for _, p := range d.posts {
		p.reader.close()
		p.heir.close()
		d.tally.stopped(p.discard())
	}
	d.tally.now(0, 0)
	d.poster.close()
}
