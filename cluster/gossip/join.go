package gossip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

const (
	// maxJoins bounds the joins under way; each sends the whole table.
	maxJoins = 16
	// roundEvery is the time between rounds of looking for who is missing.
	roundEvery = 10 * time.Second
)

// ErrNotJoined: none of the addresses answered as a node of this cluster.
var ErrNotJoined = errors.New("gossip: no node of the cluster answered")

// errSelf: there is nobody else at this address.
var errSelf = errors.New("gossip: this node's own address")

// Join makes this node known to the nodes at the addresses, host:port each, and
// them to it; the others follow from there. One answer is enough. This node's
// own address is passed over, so a list that all nodes share will do, and a
// list of nothing else is no error. With nobody answering the error is
// ErrNotJoined and says what may be wrong; the seeds and the members on record
// are asked again anyway.
func (m *Mesh) Join(ctx context.Context, addrs []string) error {
	outcomes := make([]error, len(addrs))
	var wg sync.WaitGroup
	for i, addr := range addrs {
		wg.Go(func() { outcomes[i] = m.join(ctx, addr) })
	}
	wg.Wait()
	var errs []error
	for _, err := range outcomes {
		if err == nil {
			return nil
		}
		if !errors.Is(err, errSelf) {
			errs = append(errs, err)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrNotJoined, errors.Join(errs...))
}

// join asks the addresses that addr stands for, until one answers.
func (m *Mesh) join(ctx context.Context, addr string) error {
	targets, err := resolve(ctx, addr)
	if err != nil {
		return err
	}
	var errs []error
	for _, to := range targets {
		if to == m.addr {
			continue
		}
		if err = m.exchange(ctx, to); err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return errSelf
	}
	return errors.Join(errs...)
}

// exchange tells one node the whole table, and hears its. The library knows no
// context: when ctx ends the exchange is left to its own limit of some 20 s, or
// to Close.
func (m *Mesh) exchange(ctx context.Context, to netip.AddrPort) error {
	select {
	case m.joins <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", to, ctx.Err())
	}
	done := make(chan error, 1)
	begun := m.begin(func() {
		defer func() { <-m.joins }()
		_, err := m.inner.Join([]string{to.String()})
		done <- err
	})
	if !begun {
		<-m.joins
		return ErrClosed
	}
	select {
	case err := <-done:
		return joinError(to, err)
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", to, ctx.Err())
	}
}

// joinError says in one line what the library says in several, and what that
// may mean. Part of the text may be the other side's.
func joinError(to netip.AddrPort, err error) error {
	if err == nil {
		return nil
	}
	if first := errors.Unwrap(err); first != nil {
		err = first // of a list of one
	}
	text := strings.TrimPrefix(err.Error(), fmt.Sprintf("failed to join %s: ", to))
	if hint := explain(text); hint != "" {
		return fmt.Errorf("%s: %s (%s)", to, clip(text), hint)
	}
	return fmt.Errorf("%s: %s", to, clip(text))
}

// rounds looks for who is missing until ctx ends.
func (m *Mesh) rounds(ctx context.Context) {
	tick := time.NewTicker(roundEvery)
	defer tick.Stop()
	for {
		m.table.forget(time.Now())
		m.seek(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// seek joins every member on record that is not alive here, and the seeds when
// nobody is.
func (m *Mesh) seek(ctx context.Context) {
	alive := make(map[cluster.NodeID]bool)
	for _, p := range m.Peers() {
		if p.Alive {
			alive[p.Node] = true
		}
	}
	var wg sync.WaitGroup
	for _, a := range m.cfg.Registered() {
		if a.Node != m.cfg.Node && !alive[a.Node] {
			wg.Go(func() { m.try(ctx, a.Addr, "gossip: looked for a member on record", "node", string(a.Node)) })
		}
	}
	if len(alive) == 0 {
		for _, seed := range m.cfg.Seeds {
			wg.Go(func() { m.try(ctx, seed, "gossip: asked a seed") })
		}
	}
	wg.Wait()
}

func (m *Mesh) try(ctx context.Context, addr, what string, args ...any) {
	args = append(args, "addr", clip(addr))
	switch err := m.join(ctx, addr); {
	case ctx.Err() != nil, errors.Is(err, errSelf), errors.Is(err, ErrClosed):
	case err != nil:
		m.log.warn(what+" in vain", append(args, "error", err)...)
	default:
		m.log.info(what+", it answers", args...)
	}
}
