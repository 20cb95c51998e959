package endpoint

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// DefaultPort is where SDKs connect to when an endpoint names no port.
const DefaultPort = 443

// maxHost is the longest host name, in bytes, that still has room for the
// longest label that SDKs put in front, within the 253 bytes of a name (RFC 1035,
// 2.3.4).
const maxHost = 253 - len("web.control.")

// Endpoint is the base host of a credential. The zero value is none.
type Endpoint struct {
	// Host is a name in lower case, or an address without brackets.
	Host string
	// Port is 0 when the endpoint names none.
	Port int
}

// Parse reads an endpoint as it stands in credentials and in MOMENTO_ENDPOINT: a
// host, which may be an address, with or without a port. It fails when there is a
// scheme, a path or anything else that SDKs would take for a part of the host.
func Parse(text string) (Endpoint, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	switch {
	case text == "":
		return Endpoint{}, errors.New("the endpoint is empty; want a host, such as mayfly.example.com")
	case strings.Contains(text, "/"):
		return Endpoint{}, fmt.Errorf("endpoint %q: want the host alone, such as mayfly.example.com, without a scheme and a path", text)
	}
	e := Endpoint{Host: text}
	if host, port, err := net.SplitHostPort(text); err == nil {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return Endpoint{}, fmt.Errorf("endpoint %q: %q is no port, want 1 to 65535", text, port)
		}
		e = Endpoint{Host: host, Port: n}
	}
	e.Host = strings.Trim(e.Host, "[]")
	if _, err := netip.ParseAddr(e.Host); err == nil {
		return e, nil
	}
	if err := CheckName(e.Host); err != nil {
		return Endpoint{}, fmt.Errorf("endpoint %q: %w", text, err)
	}
	if len(e.Host) > maxHost {
		return Endpoint{}, fmt.Errorf("endpoint %q: %d bytes, and the longest that leaves room for what SDKs put in front has %d", text, len(e.Host), maxHost)
	}
	return e, nil
}

// CheckName says what keeps a text from being a host name: up to 253 bytes of
// labels of letters, digits, dashes and underscores, with dots between them.
func CheckName(name string) error {
	if len(name) == 0 || len(name) > 253 {
		return fmt.Errorf("a host name has 1 to 253 bytes, %q has %d", name, len(name))
	}
	for label := range strings.SplitSeq(name, ".") {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return fmt.Errorf("%q is no host name: %q is no label of 1 to 63 letters, digits and dashes", name, label)
		}
		if i := strings.IndexFunc(label, func(r rune) bool {
			return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		}); i >= 0 {
			return fmt.Errorf("%q is no host name: it holds %q", name, label[i:i+1])
		}
	}
	return nil
}

// IsAddress reports whether the endpoint is an IP address, below which there
// are no names.
func (e Endpoint) IsAddress() bool {
	_, err := netip.ParseAddr(e.Host)
	return err == nil
}

// String is the endpoint as it stands in a credential.
func (e Endpoint) String() string {
	if e.Port == 0 {
		return e.Host
	}
	return net.JoinHostPort(e.Host, strconv.Itoa(e.Port))
}

// Address is a name of this endpoint with the port that SDKs take.
func (e Endpoint) Address(name string) string {
	port := e.Port
	if port == 0 {
		port = DefaultPort
	}
	return net.JoinHostPort(name, strconv.Itoa(port))
}
