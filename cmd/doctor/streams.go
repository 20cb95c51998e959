package doctor

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/mayfly-broker/mayfly/cmd/endpoint"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
)

const checkStreams = "streams"

// slowBeat is how late a first heartbeat is that a broker sends at once. What
// comes later still was held back, or came a long way.
const slowBeat = 2 * time.Second

// errRefused is a subscription that the broker itself has refused, so that
// nothing is known of the way to it.
var errRefused = errors.New("refused")

// stream is one of the ways in which a subscription comes to a client.
type stream struct {
	name string
	role endpoint.Role
	// beat subscribes, and returns when the first heartbeat is there.
	beat func(ctx context.Context, h *host, cache string) error
}

// streams subscribes in every way that there is. A broker says at once that a
// subscription stands, so what says nothing is held back by somebody in between.
func (x *exam) streams(ctx context.Context) []Finding {
	if h := x.at(endpoint.Control); x.Cache == "" && (h.unusable != "" || !x.proven(h)) {
		return []Finding{skipped(checkStreams, "no subscription was tried, for what was found before; name a cache with --cache to try all the same")}
	}
	cache, err := x.someCache(ctx)
	switch {
	case err != nil && refusal(err):
		return []Finding{skipped(checkStreams, "no subscription was tried: the credential may not list caches; name one with --cache, and give a credential that may subscribe there")}
	case err != nil:
		return []Finding{skipped(checkStreams, "no subscription was tried: %s", said(err))}
	case cache == "":
		return []Finding{skipped(checkStreams, "no subscription was tried: there is no cache yet; `mayfly cache create` makes one")}
	}
	ways := []stream{
		{"native gRPC", endpoint.Cache, x.nativeBeat},
		{"gRPC-Web", endpoint.WebCache, x.pageBeat},
		{"server-sent events", endpoint.API, x.eventBeat},
		{"WebSocket", endpoint.API, x.socketBeat},
	}
	checks := make([]func(context.Context) []Finding, len(ways))
	for i, way := range ways {
		checks[i] = func(ctx context.Context) []Finding { return x.beats(ctx, way, cache) }
	}
	return together(ctx, checks)
}

// beats waits for the first heartbeat of one way.
func (x *exam) beats(ctx context.Context, way stream, cache string) []Finding {
	h := x.at(way.role)
	if h.unusable != "" {
		return nil // said before
	}
	if x.Credential != "" && !x.proven(h) {
		return []Finding{skipped(checkStreams, "%s: not tried, since the credential is not sent to a server whose certificate is not good (%s)", way.name, h.Host)}
	}
	ctx, cancel := x.step(ctx)
	defer cancel()
	begin := time.Now()
	err := way.beat(ctx, h, cache)
	took := time.Since(begin)
	switch {
	case errors.Is(err, errRefused):
		return []Finding{skipped(checkStreams, "%s: the broker does not let this credential subscribe in cache %s: %v", way.name, cache, err)}
	case err != nil && ctx.Err() != nil:
		return []Finding{x.bad(checkStreams, h, fmt.Sprintf("%s: nothing of a subscription came within %s (%s): something in between holds it back", way.name, x.Timeout, h.Host),
			"have the proxy in front pass on what it receives at once (in nginx proxy_buffering off, and long timeouts), and upgrades to WebSocket too")}
	case err != nil:
		return []Finding{x.bad(checkStreams, h, fmt.Sprintf("%s: a subscription fails (%s): %s", way.name, h.Host, reason(err)), "see what stands in front of the broker, and its log")}
	case took > slowBeat:
		return []Finding{warning(checkStreams, fmt.Sprintf("%s: the first heartbeat took %s (%s)", way.name, took.Round(100*time.Millisecond), h.Host), "see whether something in between holds streams back")}
	default:
		return []Finding{ok(checkStreams, "%s: a subscription's heartbeat comes at once (%s)", way.name, h.Host)}
	}
}

// refusal reports whether an error is the broker's own judgement of the caller.
func refusal(err error) bool {
	switch status.Code(err) {
	case codes.Unauthenticated, codes.PermissionDenied, codes.NotFound:
		return true
	default:
		return false
	}
}

func (x *exam) nativeBeat(ctx context.Context, h *host, cache string) error {
	err := x.call(ctx, h, func(ctx context.Context, conn *grpc.ClientConn) error {
		subscription, err := pubsubpb.NewPubsubClient(conn).Subscribe(ctx, &pubsubpb.SubscribeRequest{CacheName: cache, Topic: nowhere})
		if err != nil {
			return err
		}
		_, err = subscription.Recv()
		return err
	})
	switch {
	case refusal(err):
		return fmt.Errorf("%w: %s", errRefused, said(err))
	case err != nil:
		return errors.New(said(err))
	default:
		return nil
	}
}

// open makes a request whose answer goes on, and returns its body once the header
// is there; the body ends with ctx. Closing the answer is the caller's.
func (x *exam) open(ctx context.Context, h *host, method, path, body string, headers ...string) (*http.Response, func(), error) {
	request, err := http.NewRequestWithContext(ctx, method, x.url(h, path), strings.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	if text := x.present(h); text != "" {
		request.Header.Set("Authorization", text)
	}
	client := x.client(h)
	response, err := client.Do(request)
	if err != nil {
		client.CloseIdleConnections()
		return nil, nil, err
	}
	return response, func() {
		_ = response.Body.Close()
		client.CloseIdleConnections()
	}, nil
}

func (x *exam) pageBeat(ctx context.Context, h *host, cache string) error {
	message, err := proto.Marshal(&pubsubpb.SubscribeRequest{CacheName: cache, Topic: nowhere})
	if err != nil {
		return err
	}
	frame := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	headers := []string{"Content-Type", pageType, "Accept", pageType, "X-Grpc-Web", "1"}
	if x.Origin != "" {
		headers = append(headers, "Origin", x.Origin)
	}
	response, end, err := x.open(ctx, h, http.MethodPost, pubsubpb.Pubsub_Subscribe_FullMethodName, base64.StdEncoding.EncodeToString(frame), headers...) //nolint:bodyclose // end does
	if err != nil {
		return err
	}
	defer end()
	if response.StatusCode != http.StatusOK {
		return refusedWith(response)
	}
	first := make([]byte, 4) // the first letters hold the kind of the frame
	if _, err := io.ReadFull(response.Body, first); err != nil {
		return err
	}
	if text := plainText(string(first)); text == "" || text[0]&0x80 != 0 {
		rest, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer)) // what there is of it is told
		return fmt.Errorf("%w: %s", errRefused, strings.Join(strings.Fields(trailer(string(first)+string(rest))), " "))
	}
	return nil
}

// trailer is the text of a frame of trailers.
func trailer(body string) string {
	text := plainText(body)
	return text[min(len(text), 5):]
}

func (x *exam) eventBeat(ctx context.Context, h *host, cache string) error {
	response, end, err := x.open(ctx, h, http.MethodGet, topicPath(cache), "", "Accept", "text/event-stream") //nolint:bodyclose // end does
	if err != nil {
		return err
	}
	defer end()
	if response.StatusCode != http.StatusOK {
		return refusedWith(response)
	}
	for lines := bufio.NewScanner(response.Body); ; {
		if !lines.Scan() {
			return errors.Join(lines.Err(), io.ErrUnexpectedEOF)
		}
		if strings.HasPrefix(lines.Text(), ": heartbeat") {
			return nil
		}
	}
}

// refusedWith is an answer that is no stream.
func refusedWith(response *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(response.Body, 512)) // what there is of it is told
	switch response.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMisdirectedRequest: // the last in open mode
		return fmt.Errorf("%w: status %d: %s", errRefused, response.StatusCode, strings.TrimSpace(string(text)))
	default:
		return fmt.Errorf("status %d in place of a stream", response.StatusCode)
	}
}

func topicPath(cache string) string { return "/topics/" + url.PathEscape(cache) + "/" + nowhere }

// socketBeat opens a WebSocket (RFC 6455) and waits for the first frame.
func (x *exam) socketBeat(ctx context.Context, h *host, cache string) error {
	if x.Credential == "" && x.Derived {
		return fmt.Errorf("%w: a socket waits for a credential, and there is none", errRefused)
	}
	conn, err := x.connect(ctx, h, "http/1.1")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, x.url(h, topicPath(cache)), nil)
	if err != nil {
		return err
	}
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // never fails
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": base64.StdEncoding.EncodeToString(nonce), "Authorization": x.present(h),
	} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	if err := request.Write(conn); err != nil {
		return err
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, request)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		defer func() { _ = response.Body.Close() }()
		return refusedWith(response)
	}
	first, err := reader.ReadByte() // of the first frame, which is the heartbeat's
	if err == nil && first != textFrame {
		err = fmt.Errorf("%w: the socket was closed at once", errRefused)
	}
	return err
}

// textFrame is how a frame begins that is text as a whole (RFC 6455, 5.2).
const textFrame = 0x81
