package node

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/rpc/address"
	"github.com/mayfly-broker/mayfly/rpc/api"
	"github.com/mayfly-broker/mayfly/rpc/hook"
	"github.com/mayfly-broker/mayfly/rpc/web"
)

// Config is everything a node is told at birth. Nothing below cmd reads flags,
// environment or files.
type Config struct {
	// DataDir is where Raft logs, snapshots and the admin credential live.
	// Empty keeps everything in memory and forgets it at the end.
	DataDir string
	// Name is the node's name in the cluster, unique and stable over restarts.
	// Empty means the name that the data directory records.
	Name string
	// NameHint is the name of a node that is born without a Name, such as its
	// host's. Later it has no say: a host may be renamed.
	NameHint string
	// Listen is the client port as host:port; port 0 picks a free one.
	Listen string
	// TLSCert and TLSKey are files with the client port's certificate, its chain
	// behind it, and its private key, both PEM; they are read again when they
	// change. Both empty leave the port without TLS.
	TLSCert, TLSKey string
	// ACME has a certificate ordered and renewed; with files as well, those are
	// shown as long as there is none.
	ACME ACME
	// PeerListen is the node-to-node port as host:port, and GossipListen the
	// membership port. Both empty make a node that is alone and stays alone.
	PeerListen, GossipListen string
	// Advertise is the host, name or address, under which other nodes reach this
	// one. Empty means that of PeerListen, or this machine's own address when
	// that is unspecified.
	Advertise string
	// Join are peer addresses, host:port, of nodes to turn to at birth: with
	// BootstrapExpect those to found a cluster with, else members of the cluster
	// to join by JoinToken. They mean nothing to a node that was born.
	Join      []string
	JoinToken string
	// FoundingSecret is what those know each other by that found a cluster together;
	// all are given the same one, of 16 characters at least. FoundingSecretFile is a
	// file that holds it instead, read when it is needed. Nodes that only this machine
	// can reach need none.
	FoundingSecret, FoundingSecretFile string
	// Replace: this node is a member of the cluster to join whose disk was lost,
	// and takes its place with an empty one.
	Replace bool
	// BootstrapExpect is how many nodes found a cluster together, this one among
	// them; 0 and 1 mean that it founds one alone, unless Join is set.
	BootstrapExpect int
	// Zone is what fails together with this node, such as a rack; replicas of a
	// group are kept in different ones. Empty shares its fate with nobody.
	Zone string
	// DownAfter is how long a node may be silent before it counts as down, so that
	// its replicas are made anew elsewhere and it may be removed by force.
	DownAfter time.Duration
	// Endpoint is the base host that is put into minted keys and tokens, for
	// clients that derive host names from it. Empty means the client port's
	// address.
	Endpoint string
	// DataGroups is the number of data groups a new cluster is born with, 1 to
	// 64; it is fixed from then on. 0 means what the data directory records, or
	// 16 for a new cluster.
	DataGroups int
	// Open allows calls without a credential whatever keys exist. Only a
	// loopback listener may be open.
	Open bool
	// Origins are the origins whose web pages may call; see web.Config. Empty
	// means pages of this machine.
	Origins []string
	// Proxies are networks and addresses of proxies that are believed, by their
	// X-Forwarded-For, when they say from where a request came.
	Proxies []string
	// Vend are the endpoints that vend tokens over HTTP.
	Vend []VendEndpoint
	// WebhookAllow are addresses, networks and hosts that webhooks may reach beside
	// public addresses; see hook.NewGuard.
	WebhookAllow []string
	// Heartbeat is the pause between heartbeats on a quiet subscription.
	Heartbeat time.Duration
	// StopGrace is how long a node that is told to stop goes on serving, once it
	// has given away what it leads and says on GET /readyz that it is going; so
	// whoever sends clients to it has time to look. A drain or a leave counts from
	// when it was ordered. OwnGrace leaves it to the node.
	StopGrace time.Duration
	// DrainTimeout bounds a graceful stop, without the grace before it.
	DrainTimeout time.Duration
	// Caches are created at start when they are missing.
	Caches []string
	// Limits are the product limits of this node.
	Limits Limits
	// MaxConnections is how many connections the client port has at a time, 0 for
	// web.DefaultConnections, and no more than the system's file descriptors allow.
	// MaxPerAddress is how many of them one address may have; 0 leaves room for
	// others and says no more.
	MaxConnections, MaxPerAddress int
	// Usage says how what is used is counted.
	Usage Usage
	// Memory is what the process should take, in bytes, at least 64 MiB. Half of it
	// is for items, which give way when that is used up. 0 sets no bound.
	Memory int64
	// Version and Commit say what is running.
	Version, Commit string
	// Faults, Line and Pace are for brokers that apps are tested against, and unset
	// elsewhere: what makes calls fail on purpose, what the connections of the client
	// port run through, and how many times as fast time passes for what is stored.
	Faults api.Faults
	Line   interface {
		Listen(on net.Listener) net.Listener
	}
	Pace float64
	// Logger receives what operators should know; nil is silent.
	Logger *slog.Logger
}

// Limits bound what one client, or all of them together, may ask for.
type Limits = api.Limits

// DefaultConfig is a node that works with no configuration at all: loopback
// only, in memory.
func DefaultConfig() Config {
	return Config{
		NameHint:     "mayfly",
		Listen:       "127.0.0.1:8080",
		PeerListen:   "127.0.0.1:7947",
		GossipListen: "127.0.0.1:7946",
		DownAfter:    10 * time.Minute,
		Heartbeat:    5 * time.Second,
		StopGrace:    OwnGrace,
		DrainTimeout: 10 * time.Second,
		Limits:       api.DefaultLimits(),
		Usage:        DefaultUsage(),
	}
}

const (
	// OwnGrace as a Config.StopGrace has the node decide: none if there is nobody
	// else to send clients to, or only this machine can reach it, else clusterGrace.
	OwnGrace time.Duration = -1
	// clusterGrace is longer than it takes balancers that look every two seconds,
	// as most do by default, to look twice, and shorter than the ten seconds that
	// containers are given to stop.
	clusterGrace = 5 * time.Second
)

// leastDownAfter is longer than an election and a restart take.
const leastDownAfter = 10 * time.Second

// Validate names the first setting that cannot work and what would.
func (c Config) Validate() error {
	for _, name := range []string{c.Name, c.NameHint} {
		if name == "" {
			continue
		}
		if _, err := cluster.ParseNodeID(name); err != nil {
			return fmt.Errorf("node name %q: want 1 to %d letters, digits, dots, dashes or underscores, a letter or digit first",
				name, cluster.MaxNodeIDLen)
		}
	}
	for _, a := range []struct{ setting, addr string }{
		{"listen", c.Listen}, {"peer-listen", c.PeerListen}, {"gossip-listen", c.GossipListen},
	} {
		if c.alone() && a.setting != "listen" {
			continue
		}
		if _, _, err := net.SplitHostPort(a.addr); err != nil {
			return fmt.Errorf("%s address %q: want host:port, such as 127.0.0.1:8080", a.setting, a.addr)
		}
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("tls-cert and tls-key go together: name the file of the certificate and that of its private key")
	}
	if err := c.checkACME(); err != nil {
		return err
	}
	if c.DataGroups < 0 || c.DataGroups > cluster.MaxGroups {
		return fmt.Errorf("data groups: %d is out of range, want 1 to %d", c.DataGroups, cluster.MaxGroups)
	}
	if err := c.checkBirth(); err != nil {
		return err
	}
	if c.Open && !c.loopbackOnly() {
		return fmt.Errorf("open mode needs a loopback listener, %s is not one: listen on 127.0.0.1", c.Listen)
	}
	if err := web.CheckOrigins(c.Origins); err != nil {
		return fmt.Errorf("allow-origins: %w", err)
	}
	if _, err := web.ParseProxies(c.Proxies); err != nil {
		return fmt.Errorf("trust-proxies: %w", err)
	}
	for i := range c.Vend {
		if err := c.checkVend(&c.Vend[i]); err != nil {
			return fmt.Errorf("vend: %s: %w", c.Vend[i].Name, err)
		}
	}
	if _, err := hook.NewGuard(c.WebhookAllow); err != nil {
		return fmt.Errorf("webhook-allow: %w", err)
	}
	if c.MaxConnections < 0 || c.MaxPerAddress < 0 {
		return errors.New("max-connections and max-connections-per-address must not be negative")
	}
	if err := c.Limits.Validate(); err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	if err := c.Usage.validate(); err != nil {
		return fmt.Errorf("usage: %w", err)
	}
	if c.DownAfter < leastDownAfter {
		return fmt.Errorf("down after %v: a node must be silent for at least %v, else one that is only slow is replaced", c.DownAfter, leastDownAfter)
	}
	if c.Heartbeat <= 0 || c.DrainTimeout <= 0 {
		return errors.New("heartbeat and drain timeout must be positive")
	}
	if c.Memory != 0 && c.Memory < leastMemory {
		return fmt.Errorf("max-memory: %d bytes, a node needs at least 64MiB", c.Memory)
	}
	if c.StopGrace < 0 && c.StopGrace != OwnGrace {
		return fmt.Errorf("stop-grace %v: want 0s or more", c.StopGrace)
	}
	return nil
}

// loopbackOnly reports whether only this machine can reach the client port.
func (c Config) loopbackOnly() bool { return address.LoopbackPort(c.Listen) }

// alone reports whether the node has no way to others.
func (c Config) alone() bool { return c.PeerListen == "" && c.GossipListen == "" }

// groups is the number of data groups a cluster is born with.
func (c Config) groups() int { return cmp.Or(c.DataGroups, cluster.DefaultGroups) }

// checkBirth names what does not go together.
func (c Config) checkBirth() error {
	switch {
	case c.BootstrapExpect < 0 || c.BootstrapExpect > cluster.MaxMembers:
		return fmt.Errorf("bootstrap-expect: %d nodes are out of range, want 1 to %d", c.BootstrapExpect, cluster.MaxMembers)
	case c.BootstrapExpect > 1 && len(c.Join) == 0:
		return errors.New("bootstrap-expect: nobody to found the cluster with; name the peer addresses of the others with --join")
	case c.BootstrapExpect > 1 && c.JoinToken != "":
		return errors.New("bootstrap-expect founds a cluster, join-token joins one that is there; leave one of them out")
	case c.FoundingSecret != "" && c.FoundingSecretFile != "":
		return errors.New("founding-secret and founding-secret-file are both there; keep one")
	case c.Replace && c.JoinToken == "":
		return errors.New("replace: it takes a token; make one on a member with `mayfly node replace`")
	case c.JoinToken != "" && len(c.Join) == 0:
		return errors.New("join-token: nobody to show it to; name peer addresses of the cluster with --join")
	case len(c.Join) > 0 && c.alone():
		return errors.New("join: this node has no peer port; name one with --peer-listen")
	}
	for _, seed := range c.Join {
		if _, _, err := net.SplitHostPort(seed); err != nil {
			return fmt.Errorf("join: address %q: want host:port of a node's peer port, such as 10.0.0.5:7947", seed)
		}
	}
	return nil
}

// name is what a node is called that is being born.
func (c Config) name() string {
	return cmp.Or(c.Name, c.NameHint, "node-"+strings.ToLower(rand.Text()[:8]))
}

// advertised is a listening address as other nodes dial it.
func (c Config) advertised(listening string) (string, error) {
	host, port, err := net.SplitHostPort(listening)
	if err != nil {
		return "", err
	}
	if c.Advertise != "" {
		return net.JoinHostPort(c.Advertise, port), nil
	}
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		return listening, nil
	}
	host, err = ownAddress()
	if err != nil {
		return "", fmt.Errorf("where other nodes reach %s is not known: %w; name this machine with --advertise", listening, err)
	}
	return net.JoinHostPort(host, port), nil
}

// ownAddress finds the first address of this machine that is neither of loopback
// nor of one link only.
func ownAddress() (string, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return "", err
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			return n.IP.String(), nil
		}
	}
	return "", errors.New("this machine has no address but its own")
}
