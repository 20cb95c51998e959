package web

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"slices"
	"time"
)

// The protocols that are offered within TLS (RFC 7301).
const (
	protocolH2    = "h2"
	protocolHTTP1 = "http/1.1"
	// protocolACME is how an ACME server asks for proof that a name leads here
	// (RFC 8737); nothing is said within it.
	protocolACME = "acme-tls/1"
)

// Secure has every connection of the port speak TLS, with the certificate of the
// moment: 1.2 or newer, with the suites that Go prefers. It is called before Serve.
func (p *Port) Secure(certificate func() *tls.Certificate) {
	config := func(protocols ...string) *tls.Config {
		return &tls.Config{
			MinVersion:     tls.VersionTLS12,
			NextProtos:     protocols,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate(), nil },
		}
	}
	both, plain := config(protocolH2, protocolHTTP1), config(protocolHTTP1)
	both.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if p.prove != nil && slices.Equal(hello.SupportedProtos, []string{protocolACME}) {
			return p.proving(), nil
		}
		if p.grpc.accepting() {
			return nil, nil
		}
		return plain, nil // a node that starts or stops still tells why, to who asks in HTTP/1
	}
	p.tls = both
}

// Prove has the port show an ACME server what it asks for, which prove finds by
// name. It is called before Serve, and means nothing without Secure.
func (p *Port) Prove(prove func(ctx context.Context, name string) (*tls.Certificate, error)) {
	p.prove = prove
}

// proving is for a connection of an ACME server.
func (p *Port) proving() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{protocolACME},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			ctx, cancel := context.WithTimeout(hello.Context(), p.sniffTime)
			defer cancel()
			return p.prove(ctx, hello.ServerName)
		},
	}
}

// errProved ends a connection that has shown all that it was for.
var errProved = errors.New("an ACME server was shown a proof")

// secure shakes hands with a new connection. It returns the connection within TLS,
// and whether HTTP/2 was agreed on.
func (p *Port) secure(c *conn) (inner *tls.Conn, isHTTP2 bool, err error) {
	c.tally = new(tally) // until it has a side
	inner = tls.Server(c, p.tls)
	if err := inner.HandshakeContext(context.Background()); err != nil { // the connection has a deadline
		explain(err)
		p.logger.Debug("a TLS handshake failed", slog.Any("err", err))
		return nil, false, err
	}
	protocol := inner.ConnectionState().NegotiatedProtocol
	if protocol == protocolACME {
		return nil, false, errProved
	}
	return inner, protocol == protocolH2, nil
}

// explain tells a client that came without TLS what it did wrong, as far as it
// speaks HTTP/1.
func explain(err error) {
	wrong, ok := errors.AsType[tls.RecordHeaderError](err)
	if !ok || wrong.Conn == nil {
		return
	}
	switch string(wrong.RecordHeader[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET":
		_ = wrong.Conn.SetWriteDeadline(time.Now().Add(explainTime))
		_, _ = io.WriteString(wrong.Conn, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"+
			"This port speaks TLS; use https:// in place of http://.\n") // the client may have gone
	}
}

// explainTime bounds the explanation: it fits any socket's buffer.
const explainTime = time.Second
