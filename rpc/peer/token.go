package peer

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"strings"

	"github.com/mayfly-broker/mayfly/cluster"
)

// A join token reads "<cluster id>.<26 letters and digits>": the id tells the new
// node which cluster it is for, the rest are 130 random bits. The cluster
// remembers the SHA-256 of the whole text only, so who reads its disks cannot
// join with what is found there.
const tokenSecretLen = 26 // of rand.Text

// NewToken makes a join token for a cluster, and the digest under which the
// cluster knows it. The text is a secret: it is shown once, to who asked for it.
func NewToken(clusterID string) (text string, digest cluster.Digest) {
	text = clusterID + "." + rand.Text()
	return text, sha256.Sum256([]byte(text))
}

// ParseToken takes a join token apart. The error does not repeat the text.
func ParseToken(text string) (clusterID string, digest cluster.Digest, err error) {
	dot := strings.LastIndexByte(text, '.')
	if dot < 0 || len(text)-dot-1 != tokenSecretLen {
		return "", digest, errors.New("peer: this is not a join token, which reads <cluster id>.<26 letters and digits>; was all of it copied?")
	}
	clusterID = text[:dot]
	if err := (cluster.Settings{ClusterID: clusterID, Groups: 1}).Check(); err != nil {
		return "", digest, errors.New("peer: the join token does not begin with the id of a cluster; was all of it copied?")
	}
	for _, c := range []byte(text[dot+1:]) {
		if (c < 'A' || c > 'Z') && (c < '2' || c > '7') {
			return "", digest, errors.New("peer: the join token ends with something else than capital letters and the digits 2 to 7; was it changed?")
		}
	}
	return clusterID, sha256.Sum256([]byte(text)), nil
}
