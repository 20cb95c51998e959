package store

import (
	"bytes"
	"cmp"
	"slices"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// requests remembers the results of commands by the id of the request, so
// that a repeated one is answered instead of carried out again.
//
// A gateway declares with each command below which sequence everything is
// answered; what lies below that mark is forgotten and refused. The same mark
// is raised over the oldest answers when all gateways together hold too much.
type requests[R any] struct {
	// sizeOf is what a result counts beside answerOverhead.
	sizeOf func(R) int
	// gateways are in the order of their ids. A gateway is written only in the
	// epoch it was made in.
	gateways []*gateway[R]
	epoch    uint64
	// idle is no later than when the first gateway can be forgotten.
	idle uint64

	count, size int
}

// gateway is one process that takes requests from clients.
type gateway[R any] struct {
	id    [GatewayIDBytes]byte
	epoch uint64
	// mark is the lowest sequence that may still be carried out or answered.
	mark uint64
	// seen is the time of its last command.
	seen uint64
	// answers are in the order of their sequences.
	answers window[answer[R]]
	size    int
}

type answer[R any] struct {
	sequence uint64
	result   R
}

// Overheads of what is remembered, in the manner of itemOverhead.
const (
	answerOverhead  = 64
	gatewayOverhead = 128
)

// maxSequence keeps the sequence after the last from being 0.
const maxSequence = 1<<63 - 1

type verdict int

const (
	// requestNew was never seen and is to be carried out.
	requestNew verdict = iota
	requestKnown
	requestForgotten
	requestInvalid
)

func newRequests[R any](sizeOf func(R) int) *requests[R] {
	return &requests[R]{sizeOf: sizeOf}
}

// search finds the place of a gateway.
func (r *requests[R]) search(id []byte) (i int, known bool) {
	return slices.BinarySearchFunc(r.gateways, id, func(g *gateway[R], id []byte) int {
		return bytes.Compare(g.id[:], id)
	})
}

// recall takes note of a request made at the given time and tells what to do
// with it.
func (r *requests[R]) recall(id *storev1.RequestId, at uint64) (first R, v verdict) {
	switch n := id.GetSequence(); {
	case len(id.GetGateway()) != GatewayIDBytes, n == 0, n > maxSequence, id.GetDoneBelow() > n:
		return first, requestInvalid
	}
	g := r.writable(id.GetGateway(), at)
	g.seen = at
	r.raise(g, id.GetDoneBelow())
	if id.GetSequence() < g.mark {
		return first, requestForgotten
	}
	if i, known := g.search(id.GetSequence()); known {
		return g.answers.live()[i].result, requestKnown
	}
	return first, requestNew
}

// search finds the place of an answer. Nearly always it is the end.
func (g *gateway[R]) search(sequence uint64) (i int, known bool) {
	answers := g.answers.live()
	if n := len(answers); n == 0 || answers[n-1].sequence < sequence {
		return n, false
	}
	return slices.BinarySearchFunc(answers, sequence, func(a answer[R], sequence uint64) int {
		return cmp.Compare(a.sequence, sequence)
	})
}

// remember keeps the result of a request that recall found to be new.
func (r *requests[R]) remember(id *storev1.RequestId, result R) {
	i, known := r.search(id.GetGateway())
	if !known {
		return
	}
	r.insert(r.gateways[i], id.GetSequence(), result)
	for r.size > MaxRequestBytes {
		r.forgetOldest()
	}
}

// insert adds an answer in its place. Requests of one gateway overtake each
// other by a little only, so it is carried there from the end.
func (r *requests[R]) insert(g *gateway[R], sequence uint64, result R) {
	g.answers.pushBack(answer[R]{sequence, result}, noBound)
	answers := g.answers.live()
	for i := len(answers) - 1; i > 0 && answers[i-1].sequence > sequence; i-- {
		answers[i-1], answers[i] = answers[i], answers[i-1]
	}
	r.account(g, 1, answerOverhead+r.sizeOf(result))
}

func (r *requests[R]) account(g *gateway[R], answers, size int) {
	g.size += size
	r.size += size
	r.count += answers
}

// writable returns the gateway of the id for writing, a new one, seen at the
// given time, when it is unknown.
func (r *requests[R]) writable(id []byte, at uint64) *gateway[R] {
	i, known := r.search(id)
	if known {
		return r.own(i)
	}
	if len(r.gateways) == MaxGateways {
		r.forgetQuietest()
		i, _ = r.search(id)
	}
	g := &gateway[R]{id: [GatewayIDBytes]byte(id), epoch: r.epoch, mark: 1, seen: at}
	r.add(i, g)
	return g
}

// add takes in a new gateway at its place.
func (r *requests[R]) add(i int, g *gateway[R]) {
	if idle := g.seen + RequestMemoryMs; len(r.gateways) == 0 || idle < r.idle {
		r.idle = idle
	}
	r.gateways = slices.Insert(r.gateways, i, g)
	r.account(g, 0, gatewayOverhead)
}

// own returns the i-th gateway for writing: it, or a copy in its place.
func (r *requests[R]) own(i int) *gateway[R] {
	if r.gateways[i].epoch != r.epoch {
		g := *r.gateways[i]
		g.epoch, g.answers = r.epoch, g.answers.clone()
		r.gateways[i] = &g
	}
	return r.gateways[i]
}

// raise moves a gateway's mark, never back, and forgets what is below it.
func (r *requests[R]) raise(g *gateway[R], mark uint64) {
	if mark <= g.mark {
		return
	}
	g.mark = mark
	n := 0
	for _, a := range g.answers.live() {
		if a.sequence >= mark {
			break
		}
		r.account(g, -1, -answerOverhead-r.sizeOf(a.result))
		n++
	}
	g.answers.dropFront(n)
	g.answers.shrink()
}

// forgetOldest gives up the oldest answer of the gateway that uses most.
func (r *requests[R]) forgetOldest() {
	most := 0
	for i, g := range r.gateways {
		if g.size > r.gateways[most].size {
			most = i
		}
	}
	g := r.own(most)
	r.raise(g, g.answers.live()[0].sequence+1)
}

// forgetQuietest makes room for one more gateway.
func (r *requests[R]) forgetQuietest() {
	quietest := slices.MinFunc(r.gateways, func(a, b *gateway[R]) int {
		return cmp.Or(cmp.Compare(a.seen, b.seen), bytes.Compare(a.id[:], b.id[:]))
	})
	r.forget(func(g *gateway[R]) bool { return g == quietest })
}

// forgetIdle gives up the gateways that have been silent for too long at the
// given time.
func (r *requests[R]) forgetIdle(at uint64) {
	if len(r.gateways) == 0 || at < r.idle {
		return
	}
	r.forget(func(g *gateway[R]) bool { return g.seen+RequestMemoryMs <= at })
	r.idle = at + RequestMemoryMs
	for _, g := range r.gateways {
		r.idle = min(r.idle, g.seen+RequestMemoryMs)
	}
}

func (r *requests[R]) forget(which func(g *gateway[R]) bool) {
	r.gateways = slices.DeleteFunc(r.gateways, func(g *gateway[R]) bool {
		if !which(g) {
			return false
		}
		r.count -= g.answers.len()
		r.size -= g.size
		return true
	})
}

// freeze returns the gateways as they are now and will remain.
func (r *requests[R]) freeze() []*gateway[R] {
	r.epoch++
	return slices.Clone(r.gateways)
}
