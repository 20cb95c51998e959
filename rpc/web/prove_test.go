package web

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"testing"
)

// An ACME server is shown a proof, and nothing of the broker; whoever offers more
// than its protocol is a client like any other.
func TestProof(t *testing.T) {
	c, proof := certificates(t), certificates(t)
	l := newPipes()
	p := NewPort(l, nil)
	p.Secure(c.Current)
	p.Prove(func(_ context.Context, name string) (*tls.Certificate, error) {
		if name != "here" {
			return nil, errors.New("no order is under way")
		}
		return proof.Current(), nil
	})
	served := make(chan error, 1)
	go func() { served <- p.Serve() }()
	defer func() {
		p.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	ask := func(name string, protocols ...string) (tls.ConnectionState, error) {
		t.Helper()
		client := tls.Client(l.dial(), &tls.Config{InsecureSkipVerify: true, ServerName: name, NextProtos: protocols})
		defer client.Close()
		if err := client.Handshake(); err != nil {
			return tls.ConnectionState{}, err
		}
		state := client.ConnectionState()
		if state.NegotiatedProtocol == protocolACME {
			if n, err := client.Read(make([]byte, 1)); n != 0 || err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("the connection goes on: %d bytes, %v", n, err)
			}
		}
		return state, nil
	}
	for range 2 { // before there are calls, and not only once
		state, err := ask("here", protocolACME)
		if err != nil || state.NegotiatedProtocol != protocolACME || !state.PeerCertificates[0].Equal(proof.Current().Leaf) {
			t.Errorf("%v, %v", state.NegotiatedProtocol, err)
		}
	}
	if _, err := ask("elsewhere", protocolACME); err == nil {
		t.Error("a name without an order is proved")
	}
	state, err := ask("here", "http/1.1", protocolACME)
	if err != nil || state.NegotiatedProtocol != protocolHTTP1 || !state.PeerCertificates[0].Equal(c.Current().Leaf) {
		t.Errorf("%v, %v", state.NegotiatedProtocol, err)
	}
	if got := p.Stats().Dropped; got != 1 {
		t.Errorf("%d connections count as dropped, want the refused one", got)
	}
}
