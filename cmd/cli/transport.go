package cli

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// secure reports whether the user wants TLS.
func (o *clientOptions) secure() bool { return o.tls || o.caCert != "" || o.tlsName != "" }

// transport is how a broker is talked to: within TLS if the user wants that, and
// then with no way around it.
func (o *clientOptions) transport() (credentials.TransportCredentials, error) {
	if !o.secure() {
		return insecure.NewCredentials(), nil
	}
	host, _, err := net.SplitHostPort(o.server)
	if err != nil {
		return nil, fmt.Errorf("server address %q: %w", o.server, err)
	}
	settings := &tls.Config{ServerName: cmp.Or(o.tlsName, host), MinVersion: tls.VersionTLS12}
	if o.caCert == "" {
		return credentials.NewTLS(settings), nil
	}
	pem, err := os.ReadFile(o.caCert)
	if err != nil {
		return nil, fmt.Errorf("ca-cert: %w", err)
	}
	settings.RootCAs = x509.NewCertPool()
	if !settings.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca-cert: %s holds no certificate in PEM", o.caCert)
	}
	return credentials.NewTLS(settings), nil
}
