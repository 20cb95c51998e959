package hook

import (
	"errors"
	"time"

	"github.com/mayfly-broker/mayfly/rpc/route"
)

// lookAgain is the pause after which it is tried again to read a topic that could
// not be read, or whose reading has ended.
const lookAgain = time.Second

// overdue reports whether it is time to look again without news.
func (d *Deliverer) overdue() bool {
	return !d.lookAt.IsZero() && !time.Now().Before(d.lookAt)
}

// look compares the readers with the webhooks there are and the topics that are led
// here.
func (d *Deliverer) look() {
	d.lookAt = time.Time{}
	hooks := d.config.Desk.Webhooks()
	known := make(map[hookID]string, len(hooks))
	for _, hook := range hooks {
		id, topic := idOf(hook), hook.GetTopic()
		// What was published before a webhook was put is not for it. To the first
		// look, and to one after the leadership has moved, all webhooks are old.
		isNew := d.known != nil && d.known[id] != topic
		known[id] = topic
		page := d.config.Desk.Numbers(hook.GetCache(), topic)
		p := d.posts[id]
		if p == nil {
			if d.ending || page == 0 && !d.config.Desk.Follows(hook.GetCache(), topic) {
				continue
			}
			p = &post{line: line{tuning: &d.tuning, load: &d.load}}
			d.posts[id] = p
		}
		p.hook = hook
		d.attend(p, page, isNew)
	}
	d.known = known
	reading, heirs := 0, false
	for id, p := range d.posts {
		if _, ok := known[id]; !ok || p.idle() {
			d.forget(id, p)
		} else if p.reader != nil {
			reading++
		}
		heirs = heirs || p.heir != nil
	}
	d.tally.reading(reading)
	if heirs && d.lookAt.IsZero() {
		d.lookAt = time.Now().Add(heirEvery)
	}
}

// attend sees to it that a webhook's topic is read if, and only if, it is numbered
// here, with that page.
func (d *Deliverer) attend(p *post, page uint64, isNew bool) {
	d.follow(p, page)
	old := p.reader
	if old != nil && !old.over && old.base == page && old.topic == topicOf(p.hook) {
		return
	}
	old.close()
	if p.reader = nil; page == 0 || d.ending {
		return
	}
	r, err := d.bell.open(d.config.Desk, p, page, old, isNew, d.inherit(p, old, isNew))
	switch {
	case err == nil:
		p.reader = r
		d.notes.by(p, time.Now()) // at once: what is numbered from now on is ours
	case !errors.Is(err, route.ErrNotExecuted): // else it is led elsewhere by now, which will be told
		d.lookAt = time.Now().Add(lookAgain)
	}
}

// forget lets go of a webhook that is no more, or has nothing to do here.
func (d *Deliverer) forget(id hookID, p *post) {
	p.reader.close()
	p.heir.close()
	delete(d.notes.due, p)
	d.agenda.put(p, time.Time{}, false)
	delete(d.posts, id)
	d.tally.deleted(p.discard())
}
