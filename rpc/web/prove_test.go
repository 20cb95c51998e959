package web

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"testing"
	"time"
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
	served, clients := make(chan error, 1), make(chan int)
	go func() { served <- p.Serve() }()
	go func() {
		n := 0
		for {
			conn, err := p.HTTP().Accept()
			if err != nil {
				clients <- n
				return
			}
			n++
			conn.Write([]byte("a client"))
			conn.Close()
		}
	}()
	defer func() {
		p.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if n := <-clients; n != 1 {
			t.Errorf("%d connections came to HTTP, want the one that was a client's", n)
		}
	}()
	ask := func(name string, protocols ...string) (tls.ConnectionState, error) {
		t.Helper()
		line := l.dial()
		defer line.Close()
		client := tls.Client(line, &tls.Config{InsecureSkipVerify: true, ServerName: name, NextProtos: protocols})
		if err := client.Handshake(); err != nil {
			return tls.ConnectionState{}, err
		}
		state := client.ConnectionState()
		want := "a client"
		if state.NegotiatedProtocol == protocolACME {
			want = ""
		}
		if said, _ := io.ReadAll(client); string(said) != want { // the end of a connection is told in one of two ways
			t.Errorf("%q is told %q, want %q", protocols, said, want)
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
	for p.Stats().Dropped == 0 {
		time.Sleep(time.Millisecond)
	}
	if got := p.Stats().Dropped; got != 1 {
		t.Errorf("%d connections count as dropped, want the refused one", got)
	}
}
