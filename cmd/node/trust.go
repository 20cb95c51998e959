package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/gossip"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/rpc/address"
	"github.com/mayfly-broker/mayfly/rpc/peer"
	"github.com/mayfly-broker/mayfly/rpc/peer/trust"
)

// renewEvery is how often a node looks whether its certificate is to be renewed,
// for which it has a month.
const renewEvery = time.Hour

// note changes how this node came to be, on disk first. Trust and Left are all that
// changes after a birth, so what else there is may be read at any time.
func (n *Node) note(change func(*charter)) error {
	n.noting.Lock()
	defer n.noting.Unlock()
	next := *n.charter
	change(&next)
	if err := writeCharter(n.config.DataDir, CharterFile, &next); err != nil {
		return err
	}
	change(n.charter)
	return nil
}

// openWallet has this node prove that it is the one that id says. A node that was
// alone when there were no certificates yet gets an authority of its own.
func (n *Node) openWallet(id replica.Identity) (err error) {
	if n.charter.Trust.IsZero() {
		if len(n.charter.Members) > 1 || len(n.charter.Founders) != 1 {
			return errors.New("this data directory is from before nodes had certificates; let this node join its cluster anew, with an empty one")
		}
		first, err := trust.NewTrust()
		if err == nil {
			err = n.note(func(c *charter) { c.Trust = first })
		}
		if err != nil {
			return err
		}
	}
	name := trust.Name{Cluster: id.ClusterID, Node: string(id.Node), Store: id.StoreID}
	n.links.wallet, err = trust.NewWallet(name, n.charter.Trust, nil)
	return err
}

// founders is what those are known by that founded the cluster with this node and
// may have missed it; nil when nobody may ask any more.
func (n *Node) founders() (*trust.Wallet, error) {
	if _, together := n.told(); !together {
		return nil, nil
	}
	secret, err := n.foundingSecret()
	if err != nil || secret == "" && !n.config.foundsOnLoopback() {
		return nil, nil //nolint:nilerr // the secret may be taken away once the cluster is founded
	}
	return trust.NewFounders(secret, string(n.charter.Node), n.charter.Store)
}

// convene founds a cluster together with others.
func (n *Node) convene(ctx context.Context) (peer.Charter, error) {
	secret, err := n.foundingSecret()
	if err != nil {
		return peer.Charter{}, err
	}
	if secret == "" && !n.config.foundsOnLoopback() {
		return peer.Charter{}, errors.New("nodes on several machines prove to each other that they belong together by a founding secret: " +
			"make one, such as by `openssl rand -hex 32`, put it into a file on each of them, and add --founding-secret-file; " +
			"it is needed for this once")
	}
	wallet, err := trust.NewFounders(secret, string(n.charter.Node), n.charter.Store)
	if err != nil {
		return peer.Charter{}, err
	}
	return peer.Convene(ctx, peer.ConveneConfig{
		Listener: n.links.listener, Expect: n.config.BootstrapExpect, Seeds: n.config.Join,
		Self: n.self(), Groups: n.config.groups(), Wallet: wallet, Logger: n.logger,
	})
}

// foundingSecret is what operators gave to all founders; empty if nothing.
func (n *Node) foundingSecret() (string, error) {
	if n.config.FoundingSecretFile == "" {
		return n.config.FoundingSecret, nil
	}
	text, err := os.ReadFile(n.config.FoundingSecretFile)
	if err != nil {
		return "", fmt.Errorf("founding-secret-file: %w", err)
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return "", fmt.Errorf("founding-secret-file: %s is empty", n.config.FoundingSecretFile)
	}
	return secret, nil
}

// foundsOnLoopback reports whether only this machine has a part in founding.
func (c Config) foundsOnLoopback() bool {
	for _, addr := range append([]string{c.PeerListen}, c.Join...) {
		if !address.LoopbackPort(addr) {
			return false
		}
	}
	return c.Advertise == "" || address.LoopbackPort(net.JoinHostPort(c.Advertise, "0"))
}

// watchTrust has this node trust as its cluster has agreed to, and renews its
// certificate, until ctx ends.
func (n *Node) watchTrust(ctx context.Context) {
	renew := time.NewTicker(renewEvery)
	defer renew.Stop()
	for {
		news := n.local.Changed()
		var agreed cluster.Trust
		n.local.Read(func(s *cluster.State) { agreed = s.Trust() })
		if err := n.adopt(agreed); err != nil {
			n.logger.Error("the keys that the cluster has agreed on are not in use here; trying on", slog.Any("err", err))
			news = nil // not again at once
		}
		var again <-chan time.Time
		if news == nil {
			again = time.After(wait)
		}
		select {
		case <-news:
		case <-again:
		case <-renew.C:
			n.renew()
		case <-ctx.Done():
			return
		}
	}
}

// adopt takes over what was agreed on, on disk first: what a node has acknowledged
// it must still know after a crash.
func (n *Node) adopt(agreed cluster.Trust) error {
	if agreed.IsZero() || agreed.Serial == n.trusts() {
		return nil
	}
	if err := n.note(func(c *charter) { c.Trust = agreed }); err != nil {
		return err
	}
	if err := n.links.wallet.Adopt(agreed); err != nil {
		return err
	}
	n.noting.Lock() // the mesh is being opened, perhaps
	defer n.noting.Unlock()
	if mesh := n.links.mesh.Load(); mesh != nil {
		if err := mesh.Adopt(agreed.GossipKeys); err != nil {
			return err
		}
	}
	n.links.trusts.Store(agreed.Serial)
	if agreed.Serial > 1 {
		n.logger.Info("keys between nodes", slog.Uint64("serial", agreed.Serial), slog.String("rotation", stageName(agreed.Stage)))
	}
	return nil
}

// stageName is a stage for people.
func stageName(s cluster.Stage) string {
	if s == cluster.Settled {
		return "done"
	}
	return string(s)
}

// trusts is the serial number of the trust that this node has adopted.
func (n *Node) trusts() uint64 { return n.links.trusts.Load() }

func (n *Node) renew() {
	switch renewed, err := n.links.wallet.Renew(); {
	case err != nil:
		n.logger.Error("the certificate of this node cannot be renewed", slog.Any("err", err), slog.Time("expires", n.links.wallet.Expires()))
	case renewed:
		n.logger.Info("the certificate of this node was renewed", slog.Time("expires", n.links.wallet.Expires()))
	}
}

// openMesh begins to listen for who is around, with the keys of this moment.
func (n *Node) openMesh() error {
	n.noting.Lock()
	defer n.noting.Unlock()
	mesh, err := gossip.Open(gossip.Config{
		Node: n.host.Node(), Cluster: n.host.ClusterID(), Secrets: n.charter.Trust.GossipKeys,
		Bind: n.config.GossipListen, Advertise: n.links.gossipAddr,
		Claim: gossip.Claim{
			Store: n.host.StoreID(), Boot: n.boot, PeerAddr: n.links.peerAddr, ClientAddr: n.Addr(),
			// Go makes up a longer one for a build of no release; the front says enough.
			Version: n.config.Version[:min(len(n.config.Version), gossip.MaxVersionLen)], Level: featureLevel,
		},
		Registered: n.registered,
		Logger:     n.logger,
	})
	if err != nil {
		return fmt.Errorf("gossip port: %w", err)
	}
	n.links.mesh.Store(mesh)
	return nil
}
