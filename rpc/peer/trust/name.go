package trust

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base32"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Name is whom a certificate is for: a node of a cluster, on one data directory.
type Name struct {
	Cluster, Node string
	// Store is the random name of the data directory. Certificates hold its hash,
	// since whoever reaches the port is shown one.
	Store string
}

// FoundingCluster stands in certificates for the cluster that is not there yet.
const FoundingCluster = "founding"

const scheme = "mayfly"

// uri is a name as certificates hold it: mayfly:/cluster/node/hash of the store.
// The parts are paths, not hosts, because node names may hold what hosts may not.
func (n Name) uri() *url.URL {
	return &url.URL{Scheme: scheme, Path: "/" + strings.Join([]string{n.Cluster, n.Node, storeHash(n.Store)}, "/")}
}

func storeHash(store string) string {
	sum := sha256.Sum256([]byte(store))
	return base32.StdEncoding.EncodeToString(sum[:])[:PinLen]
}

// Holder is whom a certificate that was found good says it is for.
type Holder struct{ cluster, node, store string }

// Node is the name of the node.
func (h Holder) Node() string { return h.node }

// Is reports whether the certificate is for that name.
func (h Holder) Is(n Name) bool {
	return h == Holder{n.Cluster, n.Node, storeHash(n.Store)}
}

// holderOf reads whom a certificate is for.
func holderOf(c *x509.Certificate) (Holder, error) {
	if len(c.URIs) != 1 || c.URIs[0].Scheme != scheme {
		return Holder{}, errors.New("the certificate does not name a node")
	}
	parts := strings.Split(c.URIs[0].Path, "/")
	if len(parts) != 4 || parts[0] != "" {
		return Holder{}, errors.New("the certificate does not name a node")
	}
	return Holder{cluster: parts[1], node: parts[2], store: parts[3]}, nil
}

// of requires that the holder is of a cluster and, if one is named, that node.
func (h Holder) of(cluster, node string) error {
	switch {
	case h.cluster != cluster:
		return fmt.Errorf("%w: the certificate is of another cluster", ErrStranger)
	case node != "" && h.node != node:
		return fmt.Errorf("%w: the certificate is of node %.64q, not of node %s; the address was another node's before", ErrStranger, h.node, node)
	}
	return nil
}
