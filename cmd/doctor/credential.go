package doctor

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/mayfly-broker/mayfly/cmd/cli/grant"
	"github.com/mayfly-broker/mayfly/cmd/endpoint"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	tokenpb "github.com/mayfly-broker/mayfly/proto/token"
	"github.com/mayfly-broker/mayfly/rpc/auth"
)

const (
	checkCredential = "credential"
	checkMinted     = "minted-endpoint"
)

// nowhere is a cache that nobody has, and a topic that nobody publishes to.
const nowhere = "mayfly-doctor"

// credential sees what the credential says of itself, and whether the broker
// takes it.
func (x *exam) credential(ctx context.Context) (all []Finding) {
	if x.Credential == "" {
		return []Finding{skipped(checkCredential, "none was given; set MAYFLY_API_KEY or MOMENTO_API_KEY")}
	}
	text := x.Credential
	if x.Wrapped != "" {
		text = x.Wrapped
	}
	in, err := auth.Inspect(text)
	if err != nil {
		return []Finding{wrong(checkCredential, "it is no key and no token", "was it copied whole? `mayfly key create` makes a new one")}
	}
	if in.Endpoint != "" && x.Derived {
		all = append(all, x.points(in.Endpoint))
	}
	if end := in.ExpiresAt; !end.IsZero() && !x.Now().Before(end) {
		return append(all, wrong(checkCredential, "it ended at "+end.UTC().Format(time.DateTime)+" UTC", "make a new one with `mayfly key create` or `mayfly token create`"))
	}
	h := x.at(endpoint.Cache)
	switch {
	case h.unusable != "":
		return append(all, skipped(checkCredential, "it was not tried: %s", h.unusable))
	case !x.proven(h):
		return append(all, skipped(checkCredential, "it was not tried: it is not sent to a server whose certificate is not good"))
	}
	return append(all, x.taken(ctx, h, in))
}

// points compares the endpoint inside a wrapped credential with the one that is
// examined.
func (x *exam) points(inside string) Finding {
	if e, err := endpoint.Parse(inside); err == nil && e == x.Endpoint {
		return ok(checkCredential, "it leads SDKs to %s", inside)
	}
	return wrong(checkCredential, fmt.Sprintf("it leads SDKs to %s, not to %s", inside, x.Endpoint),
		"start the broker with --endpoint "+x.Endpoint.String()+" and make a new key; only SDKs with overrides can use this one")
}

// taken has the broker look at the credential.
func (x *exam) taken(ctx context.Context, h *host, in auth.Inspection) Finding {
	err := x.call(ctx, h, func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := cachepb.NewScsClient(conn).Get(metadata.AppendToOutgoingContext(ctx, "cache", nowhere), &cachepb.GetRequest{CacheKey: []byte(nowhere)})
		return err
	})
	until := "without an end"
	if !in.ExpiresAt.IsZero() {
		until = "until " + in.ExpiresAt.UTC().Format(time.DateTime) + " UTC"
	}
	switch status.Code(err) {
	case codes.Unauthenticated:
		return wrong(checkCredential, "the broker does not take it: "+said(err), "is it one of this broker, and not revoked? `mayfly key list` shows the keys, `mayfly token inspect` what this one says of itself")
	case codes.OK, codes.NotFound, codes.PermissionDenied:
		return ok(checkCredential, "the broker takes it (%s, %s)", in.Form, until)
	default:
		return warning(checkCredential, "it could not be tried: "+said(err), "see the findings above")
	}
}

// minted makes a token that allows next to nothing, and sees where it leads its
// holder. It takes a super user key.
func (x *exam) minted(ctx context.Context) []Finding {
	h := x.at(endpoint.Token)
	if !x.Derived || x.Credential == "" || h.unusable != "" || !x.proven(h) {
		return nil
	}
	little, err := grant.Parse("topic:subscribeonly:" + nowhere + ":topic=" + nowhere)
	if err != nil {
		return []Finding{skipped(checkMinted, "%v", err)}
	}
	var answer *tokenpb.GenerateDisposableTokenResponse
	err = x.call(ctx, h, func(ctx context.Context, conn *grpc.ClientConn) (err error) {
		answer, err = tokenpb.NewTokenClient(conn).GenerateDisposableToken(ctx, &tokenpb.GenerateDisposableTokenRequest{
			AuthToken: x.Credential, Expires: &tokenpb.Expires{ValidForSeconds: 1}, Permissions: grant.Explicit([]*permissionpb.PermissionsType{little}),
		})
		return err
	})
	switch {
	case err != nil:
		return []Finding{skipped(checkMinted, "the credential may not make tokens, which would say where they lead SDKs")}
	case answer.GetEndpoint() != x.Endpoint.String():
		return []Finding{wrong(checkMinted, fmt.Sprintf("tokens of this broker lead SDKs to %s, not to %s", answer.GetEndpoint(), x.Endpoint),
			"start the broker with --endpoint "+x.Endpoint.String())}
	default:
		return []Finding{ok(checkMinted, "tokens of this broker lead SDKs to %s", answer.GetEndpoint())}
	}
}

// someCache is a cache to subscribe in: the one that was named, or the first.
func (x *exam) someCache(ctx context.Context) (string, error) {
	if x.Cache != "" {
		return x.Cache, nil
	}
	name := ""
	err := x.call(ctx, x.at(endpoint.Control), func(ctx context.Context, conn *grpc.ClientConn) error {
		answer, err := controlpb.NewScsControlClient(conn).ListCaches(ctx, &controlpb.ListCachesRequest{})
		if caches := answer.GetCache(); len(caches) > 0 {
			name = caches[0].GetCacheName()
		}
		return err
	})
	return name, err
}
