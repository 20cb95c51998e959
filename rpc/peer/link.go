package peer

import (
	"context"
	"errors"
	"fmt"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
)

// link is one connection for calls as the node that is called sees it.
type link struct {
	caller Identity
	// version is the one of the peer protocol that is spoken on it. There is only
	// one yet; where a later one differs, this tells which is meant.
	version  byte
	lateness lateness
}

// AuthType implements credentials.AuthInfo: who calls is known by its hello.
func (*link) AuthType() string { return "hello" }

// introducedConn is a connection whose hello was heard and found welcome.
type introducedConn struct {
	net.Conn
	link *link
}

// introduced joins a connection with its hello, which was heard at that tick.
func introduced(conn net.Conn, hello *peerv1.Hello, version byte, heard uint64) net.Conn {
	l := &link{caller: identityOf(hello), version: version}
	l.lateness.waited(0, hello.GetSentAtMs(), heard)
	return &introducedConn{Conn: conn, link: l}
}

// hellos lets gRPC take over from the Mux who calls. It is the server's
// credentials.TransportCredentials.
type hellos struct{}

// ServerHandshake finds the link of a connection; there is nothing left to be
// said on it.
func (hellos) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	i, ok := conn.(*introducedConn)
	if !ok {
		return nil, nil, errors.New("peer: a connection that no Mux has handed out")
	}
	return i.Conn, i.link, nil
}

// ClientHandshake fails: these are the credentials of a server.
func (hellos) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("peer: credentials of a server, used by a client")
}

// Info implements credentials.TransportCredentials.
func (hellos) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "hello"}
}

// Clone implements credentials.TransportCredentials.
func (h hellos) Clone() credentials.TransportCredentials { return h }

// OverrideServerName implements credentials.TransportCredentials.
func (hellos) OverrideServerName(string) error { return nil }

// linkOf finds the link that a call came over.
func linkOf(ctx context.Context) (*link, error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil, errors.New("peer: a call without a connection")
	}
	l, ok := p.AuthInfo.(*link)
	if !ok {
		return nil, errors.New("peer: a call over a connection without a hello")
	}
	return l, nil
}

// sentBy checks that a request was made by the process that opened the link.
func (l *link) sentBy(origin *peerv1.Origin) error {
	if origin.GetNode() != l.caller.Node || origin.GetBootId() != l.caller.BootID {
		return fmt.Errorf("the request says it is from node %q, the connection is node %s's; send requests over the sender's own connection",
			clip(origin.GetNode()), l.caller.Node)
	}
	return nil
}
