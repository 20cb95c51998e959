package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mayfly-broker/mayfly/cmd/config"
	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
	webhookpb "github.com/mayfly-broker/mayfly/proto/webhook"
	"github.com/mayfly-broker/mayfly/rpc/address"
)

// callError is a failed call in a sentence that says what to do next.
type callError struct {
	code     codes.Code
	sentence string
}

func (e *callError) Error() string { return e.sentence }

// explain turns the error of a call of that method into a callError; nil stays
// nil.
func (s *session) explain(method string, err error) error {
	if err == nil {
		return nil
	}
	st := status.Convert(err)
	return &callError{st.Code(), s.discreet(s.sentence(method, st))}
}

// discreet makes sure that no server's answer shows a credential on the screen.
func (s *session) discreet(text string) string {
	for _, secret := range []string{s.opts.apiKey, s.credential.text} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "[credential]")
		}
	}
	return text
}

func (s *session) sentence(method string, st *status.Status) string {
	said := printable(st.Message())
	switch st.Code() {
	case codes.Unavailable:
		return s.unavailable(said)
	case codes.DeadlineExceeded:
		return s.late()
	case codes.Canceled:
		return "interrupted; whether the server did it is unknown"
	case codes.Unauthenticated:
		return s.unauthenticated(said)
	case codes.PermissionDenied:
		return fmt.Sprintf("not allowed with this credential: %s; use one with the right permissions (`mayfly token inspect` shows what a token may do)", said)
	case codes.NotFound:
		return fmt.Sprintf("not found: %s; %s", said, cmp.Or(whereToLook[method], lookAtCaches))
	case codes.AlreadyExists:
		return "already there: " + said
	case codes.InvalidArgument, codes.OutOfRange, codes.FailedPrecondition:
		return "refused: " + said
	case codes.ResourceExhausted:
		return fmt.Sprintf("over a limit: %s; send less, or raise the limit on the server", said)
	case codes.Unimplemented:
		return fmt.Sprintf("the server at %s does not know this call: %s; is it a broker of this version? compare with `mayfly version --remote`", s.opts.server, said)
	default:
		return fmt.Sprintf("the server failed (%s): %s; its log says more", st.Code(), said)
	}
}

// lookAtCaches is what to do when something is not found and no more is known.
const lookAtCaches = "`mayfly cache list` shows the caches, `mayfly cache create NAME` makes one"

// whereToLook is what shows the names that a call might have meant, for calls whose
// missing one is no cache.
var whereToLook = map[string]string{
	adminpb.Admin_RevokeApiKey_FullMethodName:            lookAtKeys,
	adminpb.Credentials_RotateApiKey_FullMethodName:      lookAtKeys,
	adminpb.Credentials_UpdateApiKey_FullMethodName:      lookAtKeys,
	adminpb.Credentials_RevokeSigningKey_FullMethodName:  lookAtSigningKeys,
	webhookpb.Webhook_GetWebhookSecret_FullMethodName:    lookAtWebhooks,
	webhookpb.Webhook_RotateWebhookSecret_FullMethodName: lookAtWebhooks,
}

const (
	lookAtKeys        = "`mayfly key list` shows the keys"
	lookAtSigningKeys = "`mayfly signing-key list` shows the signing keys"
	lookAtWebhooks    = "`mayfly webhook list CACHE` shows the webhooks"
)

func (s *session) unavailable(said string) string {
	reason := s.network.reason()
	if reason == "" && !s.opts.secure() && strings.Contains(said, "server preface") {
		// grpc-go's words for a server that hangs up on its greeting.
		return fmt.Sprintf("the server at %s does not answer in plaintext; if it speaks TLS, add --tls, or --ca-cert FILE for an authority of your own", s.opts.server)
	}
	if reason == "" {
		return fmt.Sprintf("the server at %s is not available: %s; try again in a moment", s.opts.server, said)
	}
	next := "is the address right, and the port open?"
	if address.LoopbackPort(s.opts.server) {
		next = "is the server running? start one with `mayfly dev`"
	}
	return fmt.Sprintf("cannot reach %s: %s; %s", s.opts.server, reason, next)
}

func (s *session) late() string {
	text := fmt.Sprintf("no answer from %s within %s", s.opts.server, config.FormatDuration(s.opts.timeout))
	if reason := s.network.reason(); reason != "" {
		text += " (" + reason + ")"
	}
	return text + "; wait longer with --timeout, or check that this is the address of a broker"
}

func (s *session) unauthenticated(said string) string {
	switch {
	case s.credential.given:
		return fmt.Sprintf("the server does not accept the credential: %s; make a new one with `mayfly key create` or `mayfly token create`", said)
	case s.credential.unread != nil:
		return fmt.Sprintf("the server wants a credential: %s; the admin credential of this machine cannot be read (%v), so give a key with MAYFLY_API_KEY", said, s.credential.unread)
	case s.credential.text != "":
		return fmt.Sprintf("the server does not accept the admin credential in %s: %s; name the data folder of this server with --data-dir, or give a key with MAYFLY_API_KEY", s.opts.dataDir, said)
	default:
		return fmt.Sprintf("the server wants a credential: %s; give a key with MAYFLY_API_KEY (`mayfly key create`, on the server's machine, makes one)", said)
	}
}

// codeOf is the status code of an explained error.
func codeOf(err error) codes.Code {
	if call, ok := errors.AsType[*callError](err); ok {
		return call.code
	}
	if errors.Is(err, context.Canceled) {
		return codes.Canceled
	}
	return codes.Unknown
}
