package trust

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"
)

// Purpose is what a connection is for, as its handshake says it.
type Purpose string

// The purposes. They are on the wire.
const (
	Peer  Purpose = "mayfly-peer"  // between members
	Join  Purpose = "mayfly-join"  // of a newcomer, with a token
	Found Purpose = "mayfly-found" // between nodes that found a cluster
)

// Port is what a listening node answers handshakes with: those of members and
// newcomers with Members, those of founders with Founders. One that is nil answers
// none.
type Port struct{ Members, Founders *Wallet }

// Accepted is a connection whose handshake went well.
type Accepted struct {
	*tls.Conn
	Purpose Purpose
	// Holder is who calls; of a Join it is nobody, for nothing is known of it.
	Holder Holder
}

// Accept answers the handshake of a caller until ctx ends. claimed is the name by
// which the caller goes, also with an error; it may be empty, and is not proven.
// The connection is not closed, but with an error the caller has been told what
// there was to tell and was given a moment to hear it.
func (p Port) Accept(ctx context.Context, conn net.Conn) (accepted *Accepted, claimed string, err error) {
	first := &firstWord{Conn: conn}
	server := tls.Server(first, &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			claimed = hello.ServerName
			return p.answer(hello)
		},
	})
	if err := server.HandshakeContext(ctx); err != nil {
		err = explain(first.why(err), "the caller")
		linger(conn)
		return nil, claimed, err
	}
	state := server.ConnectionState()
	accepted = &Accepted{Conn: server, Purpose: Purpose(state.NegotiatedProtocol)}
	if len(state.PeerCertificates) > 0 {
		accepted.Holder, err = holderOf(state.PeerCertificates[0])
	}
	return accepted, claimed, err
}

// answer chooses how to answer a handshake by what it is for.
func (p Port) answer(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if len(hello.SupportedProtos) == 0 { // the library would let it in
		return nil, fmt.Errorf("%w: the caller does not say what for, as nodes do; clients belong on the client port", ErrStranger)
	}
	for _, purpose := range []Purpose{Peer, Join, Found} {
		wallet := p.Members
		if purpose == Found {
			wallet = p.Founders
		}
		if wallet == nil || !slices.Contains(hello.SupportedProtos, string(purpose)) {
			continue
		}
		held := wallet.papers.Load()
		config := held.config(purpose)
		config.Time = wallet.now
		if purpose != Join {
			config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, held.believed
			config.VerifyConnection = func(state tls.ConnectionState) error {
				holder, err := holderOf(state.PeerCertificates[0])
				if err == nil {
					err = holder.of(wallet.name.Cluster, "")
				}
				return err
			}
		}
		return config, nil
	}
	// What nobody answers is refused by the library, with an alert that says so.
	return &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"none"}, Certificates: p.anything()}, nil
}

// anything is a certificate to be refused with: the library wants to see one.
func (p Port) anything() []tls.Certificate {
	for _, w := range []*Wallet{p.Members, p.Founders} {
		if w != nil {
			return []tls.Certificate{*w.papers.Load().own}
		}
	}
	return nil
}

// config is what all handshakes have in common.
func (h *papers) config(purpose Purpose) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{string(purpose)},
		Certificates:           []tls.Certificate{*h.own},
		SessionTicketsDisabled: true, // every connection shows its certificates
	}
}

// Call makes the handshake of a member (Peer) or a founder (Found) on a connection
// it has dialled, until ctx ends. The callee must be the node that is named, or
// any if node is empty. With an error the connection is not closed.
//
// A callee that refuses the caller's certificate says so only when the caller
// reads for the first time: Explain makes a sentence of that.
func (w *Wallet) Call(ctx context.Context, conn net.Conn, purpose Purpose, node string) (net.Conn, error) {
	held := w.papers.Load()
	config := held.config(purpose)
	config.ServerName = w.name.Node
	own := config.Certificates[0]
	config.Certificates = nil
	// Shown whatever the callee believes, so that it can say what is wrong with it.
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
	// The library would look for a host's name, and with the system's authorities.
	config.InsecureSkipVerify = true //nolint:gosec // all of it is verified below
	config.VerifyConnection = func(state tls.ConnectionState) error {
		if state.NegotiatedProtocol != string(purpose) {
			return fmt.Errorf("%w: it does not answer as a node does", ErrStranger)
		}
		holder, err := verify(state.PeerCertificates, held.believed, w.now())
		if err == nil {
			err = holder.of(w.name.Cluster, node)
		}
		return err
	}
	return call(ctx, conn, config)
}

// verify requires that a server's certificate is good at a time and was issued by
// one of those, and returns whom it is for.
func verify(chain []*x509.Certificate, believed *x509.CertPool, now time.Time) (Holder, error) {
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: believed, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return Holder{}, err
	}
	return holderOf(chain[0])
}

// Knock makes the handshake of a newcomer, which calls itself by that name, on a
// connection it has dialled, until ctx ends. The callee must be a node of the
// cluster whose authority has that pin. With an error the connection is not closed.
func Knock(ctx context.Context, conn net.Conn, name Name, pin string) (net.Conn, error) {
	config := &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{string(Join)}, ServerName: name.Node,
		InsecureSkipVerify: true, //nolint:gosec // all of it is verified below
		VerifyConnection: func(state tls.ConnectionState) error {
			believed := x509.NewCertPool()
			for _, c := range state.PeerCertificates {
				if c.IsCA && pinOf(c) == pin {
					believed.AddCert(c)
				}
			}
			holder, err := verify(state.PeerCertificates, believed, time.Now())
			if unknown := (x509.UnknownAuthorityError{}); errors.As(err, &unknown) {
				return fmt.Errorf("%w: the node there is not of the cluster that the join token is for, or the token is from before a rotation of its authority", ErrStranger)
			}
			if err == nil {
				err = holder.of(name.Cluster, "")
			}
			return err
		},
	}
	return call(ctx, conn, config)
}

func call(ctx context.Context, conn net.Conn, config *tls.Config) (net.Conn, error) {
	client := tls.Client(conn, config)
	if err := client.HandshakeContext(ctx); err != nil {
		return nil, explain(err, "the node there")
	}
	return client, nil
}

// lingerTime is for how long a caller that was refused may still send: a
// connection that is closed with words unread takes the last word back.
const lingerTime = time.Second

// linger has a caller hear why it is refused before its connection is closed.
func linger(conn net.Conn) {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || conn.SetDeadline(time.Now().Add(lingerTime)) != nil || half.CloseWrite() != nil {
		return
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(bufio.NewReader(conn), 64<<10))
}

// firstWord remembers how a connection began.
type firstWord struct {
	net.Conn
	word []byte
}

// wordLen is as much as it takes to tell what is spoken.
const wordLen = 5

func (f *firstWord) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	f.word = append(f.word, p[:min(n, wordLen-len(f.word))]...)
	return n, err
}

// why tells what it means that the handshake has failed.
func (f *firstWord) why(err error) error {
	record := tls.RecordHeaderError{}
	switch {
	case len(f.word) == 0:
		return fmt.Errorf("%w: %w", ErrSilent, err)
	case !errors.As(err, &record) && f.word[0] == recordHandshake:
		return err
	case string(f.word) == "MYFLY":
		return fmt.Errorf("%w: it is a Mayfly from before nodes had certificates; upgrade it", ErrPlain)
	}
	return fmt.Errorf("%w: clients belong on the client port", ErrPlain)
}

// recordHandshake is what every TLS connection begins with.
const recordHandshake = 0x16
