package peer

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/rpc/peer/trust"
)

// A join token reads "<cluster id>.<pin><secret>": the id tells the new node which
// cluster it is for, the pin by which authority it knows a node of it, and the
// secret is 130 random bits, all in capital letters and digits. The cluster
// remembers the SHA-256 of the whole text only, so who reads its disks cannot
// join with what is found there.
const tokenTailLen = trust.PinLen + 26 // and that of rand.Text

// NewToken makes a join token for a cluster whose authority has that pin, and the
// digest under which the cluster knows it. The text is a secret: it is shown once,
// to who asked for it.
func NewToken(clusterID, pin string) (text string, digest cluster.Digest) {
	text = clusterID + "." + pin + rand.Text()
	return text, sha256.Sum256([]byte(text))
}

// Token is what a join token tells.
type Token struct {
	// ClusterID names the cluster, and Pin its authority.
	ClusterID, Pin string
	// Digest is what the cluster knows it by.
	Digest cluster.Digest
}

// ParseToken takes a join token apart. The error does not repeat the text.
func ParseToken(text string) (Token, error) {
	dot := strings.LastIndexByte(text, '.')
	if dot < 0 || len(text)-dot-1 != tokenTailLen {
		return Token{}, fmt.Errorf("peer: this is not a join token, which reads <cluster id>.<%d letters and digits>; was all of it copied?", tokenTailLen)
	}
	id, tail := text[:dot], text[dot+1:]
	if err := (cluster.Settings{ClusterID: id, Groups: 1}).Check(); err != nil {
		return Token{}, errors.New("peer: the join token does not begin with the id of a cluster; was all of it copied?")
	}
	for _, c := range []byte(tail) {
		if (c < 'A' || c > 'Z') && (c < '2' || c > '7') {
			return Token{}, errors.New("peer: the join token ends with something else than capital letters and the digits 2 to 7; was it changed?")
		}
	}
	return Token{ClusterID: id, Pin: tail[:trust.PinLen], Digest: sha256.Sum256([]byte(text))}, nil
}
