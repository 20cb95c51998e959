package cli

import (
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/mayfly-broker/mayfly/cmd/config"
	"github.com/mayfly-broker/mayfly/cmd/node"
)

// systemDataDir is where a broker that root starts keeps its data, after the
// Filesystem Hierarchy Standard.
const systemDataDir = "/var/lib/mayfly"

func fileSetting(path *string) config.Setting {
	return config.Setting{Name: config.FileSetting, Help: "YAML file with settings, one \"flag-name: value\" per line", Value: config.Path(path)}
}

func dataDirSetting(dir *string) config.Setting {
	return config.Setting{
		Name: "data-dir", Help: "folder of a broker's data and of its admin credential", Value: config.Path(dir),
		Default: "$XDG_DATA_HOME/mayfly or ~/.local/share/mayfly; " + systemDataDir + " for root",
	}
}

func listenSetting(address *string) config.Setting {
	return config.Setting{Name: "listen", Help: "address of the client port; port 0 picks a free one", Value: config.Address(address)}
}

func endpointSetting(endpoint *string, standard string) config.Setting {
	return config.Setting{
		Name: "endpoint", Help: "base host in keys and tokens, from which SDKs derive the names that they connect to",
		Value: config.Text(endpoint), Default: standard,
	}
}

func originsSetting(origins *[]string) config.Setting {
	return config.Setting{
		Name: "allow-origins", Help: "origins whose web pages may call, such as https://chat.example; * for all, once there is a key",
		Value: config.List(origins), Default: "pages of this machine",
	}
}

func webhookSetting(allow *[]string, standard string) config.Setting {
	return config.Setting{
		Name: "webhook-allow", Help: "networks, addresses and hosts that webhooks may reach beside public addresses, such as 10.0.0.0/8",
		Value: config.List(allow), Default: standard,
	}
}

// serverSettings are the settings of a node that keeps its data.
func serverSettings(c *node.Config) []config.Setting {
	return []config.Setting{
		listenSetting(&c.Listen),
		{Name: "tls-cert", Help: "PEM file with the certificate of the client port, its chain behind it; read again when it changes", Value: config.Path(&c.TLSCert), Default: "no TLS"},
		{Name: "tls-key", Help: "PEM file with the private key of that certificate", Value: config.Path(&c.TLSKey)},
		{Name: "acme-accept-terms", Help: "order and renew the certificate of the client port from an ACME server, whose terms you accept by this", Value: config.Switch(&c.ACME.AcceptTerms)},
		{Name: "acme-domain", Help: "names to order it for", Value: config.List(&c.ACME.Domains), Default: "those that SDKs derive from --endpoint"},
		{Name: "acme-email", Help: "address that the ACME server may write to", Value: config.Text(&c.ACME.Email), Default: "none"},
		{Name: "acme-directory", Help: "URL of the ACME server's directory", Value: config.Text(&c.ACME.Directory), Default: "that of Let's Encrypt"},
		dataDirSetting(&c.DataDir),
		{Name: "node-name", Help: "name of this node in the cluster, stable over restarts", Value: config.Text(&c.Name), Default: "the host name at the first start"},
		{Name: "peer-listen", Help: "address of the node-to-node port", Value: config.Address(&c.PeerListen)},
		{Name: "gossip-listen", Help: "address of the membership port", Value: config.Address(&c.GossipListen)},
		{Name: "advertise", Help: "host under which other nodes reach this one", Value: config.Text(&c.Advertise), Default: "the host of --peer-listen, or an address of this machine"},
		{Name: "join", Help: "peer addresses of nodes to found a cluster with, or of the cluster to join, at the first start", Value: config.List(&c.Join)},
		{Name: "join-token", Help: "token that lets this node into a cluster, see `mayfly cluster join-token`", Value: config.Text(&c.JoinToken), Secret: true},
		{Name: "founding-secret", Help: "secret by which the nodes that found a cluster know each other, the same on all; not needed on one machine", Value: config.Text(&c.FoundingSecret), Secret: true},
		{Name: "founding-secret-file", Help: "file with that secret", Value: config.Path(&c.FoundingSecretFile)},
		{Name: "replace", Help: "take the place of the cluster's node of this name, whose disk was lost", Value: config.Switch(&c.Replace)},
		{Name: "bootstrap-expect", Help: "how many nodes found a cluster together at their first start", Value: config.Integer(&c.BootstrapExpect, 1, 128), Default: "1"},
		{Name: "zone", Help: "what fails together with this node, such as a rack; replicas are spread over zones", Value: config.Text(&c.Zone)},
		{Name: "down-after", Help: "silence after which a node counts as down; its replicas are then made anew elsewhere, the same on all nodes", Value: config.Duration(&c.DownAfter)},
		endpointSetting(&c.Endpoint, "the client address"),
		{Name: "data-groups", Help: "data groups of a new cluster, 1 to 64, fixed from its first start on", Value: config.Integer(&c.DataGroups, 1, 64), Default: "16"},
		{Name: "create-caches", Help: "caches to create at start when they are missing", Value: config.List(&c.Caches)},
		originsSetting(&c.Origins),
		webhookSetting(&c.WebhookAllow, "none"),
		{Name: "trust-proxies", Help: "proxies, as addresses or networks, whose X-Forwarded-For says who asks, and whose connections are not one client's", Value: config.List(&c.Proxies), Default: "none"},
		{
			Name: "max-connections", Help: "connections that the client port has at a time",
			Value: config.Integer(&c.MaxConnections, 0, math.MaxInt32), Default: "200000, or what the system's file descriptors allow", Live: true,
		},
		{
			Name: "max-connections-per-address", Help: "how many of them one address may have",
			Value: config.Integer(&c.MaxPerAddress, 0, math.MaxInt32), Default: "four times as many as are free", Live: true,
		},
		{Name: "heartbeat", Help: "pause between heartbeats on a quiet subscription", Value: config.Duration(&c.Heartbeat)},
		{
			Name: "stop-grace", Help: "how long a node that is told to stop serves on while /readyz sends clients elsewhere", Value: config.Pause(&c.StopGrace),
			Default: "5s in a cluster that others than this machine reach, else 0s",
		},
		{Name: "drain-timeout", Help: "longest graceful stop after that", Value: config.Duration(&c.DrainTimeout)},
	}
}

// unlimited is the default of limits that are not there unless they are set.
const unlimited = "no limit"

// limitSettings are the product limits, which both kinds of node have. A server takes
// up others while it runs.
func limitSettings(l *node.Limits) []config.Setting {
	settings := []config.Setting{
		{Name: "max-message-size", Help: "largest topic message", Value: config.Size(&l.MessageBytes)},
		{Name: "max-item-size", Help: "largest value together with its key", Value: config.Size(&l.ItemBytes)},
		{Name: "max-request-size", Help: "largest request", Value: config.Size(&l.RequestBytes)},
		{Name: "max-in-flight", Help: "budget of all requests being served at one moment", Value: config.Size(&l.InFlightBytes)},
		{Name: "max-ttl", Help: "longest life an item may be given", Value: config.Duration(&l.MaxTTL)},
		{Name: "max-subscriptions", Help: "subscriptions that one cache may have on this node at a time", Value: config.Integer(&l.Subscriptions, 1, math.MaxInt32)},
		{Name: "max-operations", Help: "operations on items a second in one cache, in the whole cluster, the same on all nodes", Value: config.Integer(&l.Operations, 1, math.MaxInt32), Default: unlimited},
		{Name: "max-publishes", Help: "messages published a second in one cache, likewise", Value: config.Integer(&l.Publishes, 1, math.MaxInt32), Default: unlimited},
		{Name: "max-throughput", Help: "size of requests and answers a second in one cache, likewise", Value: config.Size(&l.Throughput), Default: unlimited},
		{Name: "node-max-operations", Help: "operations a second on this node, publishing included", Value: config.Integer(&l.Node.Operations, 1, math.MaxInt32), Default: unlimited},
		{Name: "node-max-throughput", Help: "size of requests and answers a second on this node", Value: config.Size(&l.Node.Throughput), Default: unlimited},
		{Name: "node-max-subscriptions", Help: "subscriptions of all caches on this node at a time", Value: config.Integer(&l.Node.Subscriptions, 1, math.MaxInt32), Default: unlimited},
		{Name: "token-max-operations", Help: "operations a second with one disposable token on this node, publishing included", Value: config.Integer(&l.Token.Operations, 1, math.MaxInt32), Default: unlimited},
		{Name: "token-max-throughput", Help: "size of requests and answers a second with one disposable token on this node", Value: config.Size(&l.Token.Throughput), Default: unlimited},
		{Name: "token-max-subscriptions", Help: "subscriptions with one disposable token on this node at a time", Value: config.Integer(&l.Token.Subscriptions, 1, math.MaxInt32), Default: unlimited},
		{Name: "max-streams", Help: "calls that one connection may have open", Value: config.Integer(&l.StreamsPerConnection, 1, math.MaxInt32)},
	}
	for i := range settings {
		settings[i].Live = true
	}
	return settings
}

// defaultDataDir is the folder for data of this user.
func (p *Program) defaultDataDir() string {
	if os.Geteuid() == 0 {
		return systemDataDir
	}
	// The XDG specification wants relative paths to be ignored.
	if base := p.getenv("XDG_DATA_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, "mayfly")
	}
	return filepath.Join(p.getenv("HOME"), ".local", "share", "mayfly")
}

// nodeName makes a host name fit to be a node name: 1 to 63 letters, digits,
// dots or dashes.
func nodeName(host string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-':
			return r
		default:
			return '-'
		}
	}, host)
	if len(name) > 63 {
		name = name[:63]
	}
	name = strings.Trim(name, "-.")
	if name == "" {
		return node.DefaultConfig().NameHint
	}
	return name
}
