package trust

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// What a handshake fails with, beside the errors of the connection.
var (
	// ErrStranger: the other side is not of this cluster, or not the node it was
	// taken for, or its certificate is not good now.
	ErrStranger = errors.New("trust: refused")
	// ErrRefused: the other side has refused this node's certificate.
	ErrRefused = errors.New("trust: refused by the other side")
	// ErrPlain: the other side does not speak TLS.
	ErrPlain = errors.New("trust: the other side does not speak TLS, as nodes do")
	// ErrSilent: the other side said nothing, as what only looks whether a port is
	// open.
	ErrSilent = errors.New("trust: the other side said nothing")
)

const checkClocks = "check the clocks of both machines; a node that runs renews its certificate by itself"

// alerts are the words with which the library of the other side refuses. They are
// those of RFC 8446 (6.2) as Go spells them.
var alerts = []struct{ word, means string }{
	{"tls: unknown certificate authority", "it does not know the authority of this node's certificate, which is that of another cluster, or was given up by a rotation while this node was away"},
	{"tls: expired certificate", "it says that this node's certificate is not good at this time; " + checkClocks},
	{"tls: bad certificate", "it does not accept this node's certificate; its own log says why"},
	{"tls: certificate required", "it wants a certificate of its cluster, and this node showed none"},
	{"tls: no application protocol", "it does not answer what this node asks: it belongs to no cluster yet, or belongs to one and founds none"},
	{"tls: protocol version not supported", "it does not speak TLS 1.3"},
}

// Explain makes a sentence of what a connection failed with after its handshake.
// Other errors are returned as they are.
func Explain(err error) error {
	if err == nil {
		return nil
	}
	for _, a := range alerts {
		if text := err.Error(); strings.Contains(text, "remote error: ") && strings.Contains(text, a.word) {
			return fmt.Errorf("%w: %s", ErrRefused, a.means)
		}
	}
	return err
}

// explain makes a sentence of what a handshake with who failed with.
func explain(err error, who string) error {
	var (
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
		plain   tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("%w: the certificate of %s is not of this cluster's authority: it is a node of another cluster, a client, or was away while the authority was rotated", ErrStranger, who)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("%w: the certificate of %s is not good at this time, or this clock is wrong: %s; %s", ErrStranger, who, invalid.Detail, checkClocks)
	case errors.As(err, &invalid):
		return fmt.Errorf("%w: the certificate of %s is not one of a node", ErrStranger, who)
	case errors.As(err, &plain):
		return fmt.Errorf("%w: it is no peer port, or a Mayfly from before nodes had certificates", ErrPlain)
	case strings.Contains(err.Error(), "client didn't provide a certificate"):
		return fmt.Errorf("%w: %s shows no certificate, so it is no node of this cluster", ErrStranger, who)
	case strings.Contains(err.Error(), "client requested unsupported application protocols"),
		strings.Contains(err.Error(), "offered only unsupported versions"):
		return fmt.Errorf("%w: %s does not speak as nodes do", ErrStranger, who)
	}
	return Explain(err)
}
