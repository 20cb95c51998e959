package doctor

import (
	"context"
	"fmt"
	"net"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/mayfly-broker/mayfly/cmd/endpoint"
	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
)

const (
	checkNative  = "grpc"
	checkVersion = "version"
)

// rpc makes a connection for calls to a host. Nothing is sent before the first
// call.
func (x *exam) rpc(h *host) (*grpc.ClientConn, error) {
	transport := insecure.NewCredentials()
	if x.TLS {
		transport = credentials.NewTLS(x.settings(h))
	}
	return grpc.NewClient("passthrough:///"+x.Endpoint.Address(h.Host),
		grpc.WithTransportCredentials(transport),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return x.dial(ctx, h.Host) }),
		grpc.WithNoProxy(),
	)
}

// call makes a call to a host, with the credential if there is one for it.
func (x *exam) call(ctx context.Context, h *host, do func(context.Context, *grpc.ClientConn) error) error {
	conn, err := x.rpc(h)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := x.step(ctx)
	defer cancel()
	return do(x.authorized(ctx, h), conn)
}

// authorized has calls carry the credential for a host.
func (x *exam) authorized(ctx context.Context, h *host) context.Context {
	if text := x.present(h); text != "" {
		return metadata.AppendToOutgoingContext(ctx, "authorization", text)
	}
	return ctx
}

// native has every name that SDKs use answer a call of theirs.
func (x *exam) native(ctx context.Context) (all []Finding) {
	hosts := x.among(endpoint.Cache, endpoint.Control, endpoint.Token)
	failed := make([]error, len(hosts))
	each(hosts, func(h *host) {
		if h.unusable != "" {
			return
		}
		failed[slices.Index(hosts, h)] = x.call(ctx, h, func(ctx context.Context, conn *grpc.ClientConn) error {
			_, err := cachepb.NewPingClient(conn).Ping(ctx, &cachepb.PingRequest{})
			return err
		})
	})
	var good, bad grouped
	for i, h := range hosts {
		switch {
		case h.unusable != "":
			all = append(all, skipped(checkNative, "%s was not called: %s", h.Host, h.unusable))
		case failed[i] != nil:
			bad.add(h.Host, said(failed[i]))
		default:
			good.add(h.Host, "native gRPC calls are answered")
		}
	}
	for _, says := range good.said {
		all = append(all, ok(checkNative, "%s (%s)", says, listed(good.names[says])))
	}
	for _, says := range bad.said {
		all = append(all, wrong(checkNative, fmt.Sprintf("native gRPC calls fail: %s (%s)", says, listed(bad.names[says])),
			"is it a Mayfly broker that answers there? A proxy in front must speak HTTP/2 to both sides and pass trailers on (in nginx grpc_pass, not proxy_pass)"))
	}
	return all
}

// said is a status in few words.
func said(err error) string {
	st := status.Convert(err)
	switch st.Code() {
	case codes.DeadlineExceeded:
		return "no answer in time"
	case codes.Unimplemented:
		return "the server does not know the call"
	default:
		return st.Message()
	}
}

// version compares the broker's version with this program's, where the
// credential lets it.
func (x *exam) version(ctx context.Context) []Finding {
	h := x.at(endpoint.Control)
	if h.unusable != "" || !x.proven(h) {
		return nil // said before
	}
	var answer *adminpb.VersionResponse
	err := x.call(ctx, h, func(ctx context.Context, conn *grpc.ClientConn) (err error) {
		answer, err = adminpb.NewAdminClient(conn).Version(ctx, &adminpb.VersionRequest{})
		return err
	})
	switch status.Code(err) {
	case codes.OK:
	case codes.Unauthenticated, codes.PermissionDenied:
		return []Finding{skipped(checkVersion, "only a super user key may ask for the broker's version")}
	case codes.Unimplemented:
		return []Finding{warning(checkVersion, "the server does not know the call that tells its version", "is it a Mayfly broker?")}
	default:
		return []Finding{warning(checkVersion, "the broker does not tell its version: "+said(err), "see its log")}
	}
	theirs := answer.GetVersion()
	switch {
	case theirs == "" || x.Version == "":
		return []Finding{skipped(checkVersion, "one of the two, this program (%s) or the broker (%s), does not know its version", known(x.Version), known(theirs))}
	case theirs != x.Version:
		return []Finding{warning(checkVersion, fmt.Sprintf("the broker is %s, this program %s", theirs, x.Version), "use the same version on both sides where something behaves oddly")}
	default:
		return []Finding{ok(checkVersion, "the broker is %s, as is this program", theirs)}
	}
}

func known(version string) string {
	if version == "" {
		return "unknown"
	}
	return version
}
