package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/rpc/peer"
)

// ErrReborn is what Run returns when the node has stopped to become a member of
// another cluster. A new node, made with the same configuration, is that member.
var ErrReborn = errors.New("this node moves to another cluster")

// ErrLeft is what Run returns when the node has stopped since it has left its
// cluster: it holds nothing any more.
var ErrLeft = errors.New("this node has left its cluster")

// end stops the node of its own accord; Run returns the reason. The first counts.
func (n *Node) end(reason error) {
	select {
	case n.ending <- reason:
	default:
	}
}

// nextCharterFile is the charter of the cluster that this node moves to, until it
// has.
const nextCharterFile = "charter.next.json"

// joinTime bounds how long a running node asks to be let into another cluster.
const joinTime = 30 * time.Second

// Join implements api.Cluster: it has a node that is alone with no data become a
// member of another cluster, for which it stops and starts anew.
func (o office) Join(ctx context.Context, seeds []string, token string, replace bool) error {
	n := o.n
	if !n.joining.TryLock() {
		return &cluster.Refusal{What: "joining another cluster", Node: n.host.Node(), Why: "it is asking to be let into one at this moment"}
	}
	defer n.joining.Unlock()
	if n.leaving {
		return &cluster.Refusal{What: "joining another cluster", Node: n.host.Node(), Why: "it is on its way to one already"}
	}
	// What is acknowledged from here on would be left behind.
	if err := n.router.Hold(ctx); err != nil {
		return err
	}
	charter, err := n.askForPlace(ctx, seeds, token, replace)
	if err != nil {
		n.router.Resume()
		return err
	}
	n.leaving = true
	if err := writeCharter(n.config.DataDir, nextCharterFile, charter); err != nil {
		// It may be on disk all the same: the next start knows where the node belongs.
		n.end(fmt.Errorf("moving to another cluster: %w", err))
		return err
	}
	n.logger.Info("let into another cluster, starting anew as its member", slog.String("cluster", charter.ClusterID))
	n.end(ErrReborn)
	return nil
}

// askForPlace has another cluster let this node in, if it leaves nothing behind,
// and returns what it is to be there.
func (n *Node) askForPlace(ctx context.Context, seeds []string, token string, replace bool) (*charter, error) {
	if err := n.mayMove(ctx); err != nil {
		return nil, err
	}
	next, err := readCharter(n.config.DataDir, nextCharterFile)
	if err != nil {
		return nil, err
	}
	// A call that is repeated is known by its store.
	if next.Store == "" {
		next.Node, next.Store = n.host.Node(), rand.Text()
		if err := writeCharter(n.config.DataDir, nextCharterFile, next); err != nil {
			return nil, err
		}
	}
	self := n.self()
	self.Store = next.Store
	asking, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	granted, err := peer.Join(asking, peer.JoinConfig{Seeds: seeds, Token: token, Self: self, Replace: replace, Logger: n.logger})
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, err
	case err != nil: // nothing has changed here, and to ask again does no harm
		return nil, &cluster.Refusal{What: "joining", Node: self.Node, Why: strings.TrimPrefix(err.Error(), "peer: ")}
	}
	next.take(granted)
	return next, nil
}

// mayMove refuses to leave anything behind that somebody may miss.
func (n *Node) mayMove(ctx context.Context) error {
	refuse := func(why string) error {
		return &cluster.Refusal{What: "joining another cluster", Node: n.host.Node(), Why: why}
	}
	switch {
	case n.config.DataDir == "":
		return refuse("it keeps everything in memory")
	case n.members() > 1:
		return refuse("it is one of several nodes of its cluster; let it leave that first, and start it with an empty data directory")
	}
	held, err := n.router.Held(ctx)
	if err != nil {
		return err
	}
	if len(held) > 0 {
		return refuse("it holds items, which would be lost, in the caches " + strings.Join(held, ", ") + "; delete them first, or start it with an empty data directory")
	}
	return nil
}

// moveOver finishes a move that was decided: what the node was is put aside, in
// a folder named after its former cluster, and it is born anew. It may be cut
// off anywhere and called again.
func moveOver(dir string) error {
	if dir == "" {
		return nil
	}
	next, err := readCharter(dir, nextCharterFile)
	if err != nil || !next.decided() {
		return err
	}
	former, err := readCharter(dir, CharterFile)
	if err != nil {
		return err
	}
	aside := filepath.Join(dir, "before-"+next.Store)
	if err := os.MkdirAll(aside, 0o700); err != nil {
		return err
	}
	if former.Store != next.Store {
		for _, name := range append(replica.Parts(), AdminTokenFile, CharterFile) {
			if err := os.Rename(filepath.Join(dir, name), filepath.Join(aside, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("putting %s aside: %w", name, err)
			}
		}
		// The new charter must not be on disk beside what was before.
		if err := errors.Join(replica.SyncDir(aside), replica.SyncDir(dir)); err != nil {
			return err
		}
	}
	if err := writeCharter(dir, CharterFile, next); err != nil {
		return err
	}
	return os.Remove(filepath.Join(dir, nextCharterFile))
}
