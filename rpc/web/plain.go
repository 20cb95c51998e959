package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/mayfly-broker/mayfly/rpc/api"
)

// statuses is what each code of gRPC is over plain HTTP; what is missing is 500.
var statuses = map[codes.Code]int{
	codes.OK:                 http.StatusOK,
	codes.InvalidArgument:    http.StatusBadRequest,
	codes.OutOfRange:         http.StatusBadRequest,
	codes.Unauthenticated:    http.StatusUnauthorized,
	codes.PermissionDenied:   http.StatusForbidden,
	codes.NotFound:           http.StatusNotFound,
	codes.AlreadyExists:      http.StatusConflict,
	codes.FailedPrecondition: http.StatusConflict,
	codes.ResourceExhausted:  http.StatusTooManyRequests,
	codes.Unimplemented:      http.StatusNotImplemented,
	codes.Unavailable:        http.StatusServiceUnavailable,
	codes.DeadlineExceeded:   http.StatusGatewayTimeout,
}

// problem is the body of every answer that is not a success.
type problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// refuse answers with a problem.
func refuse(w http.ResponseWriter, status int, code, format string, args ...any) {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="mayfly"`)
	}
	again := status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests
	if again && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", "1")
	}
	answerJSON(w, status, problem{code, fmt.Sprintf(format, args...)})
}

func badRequest(w http.ResponseWriter, format string, args ...any) {
	refuse(w, http.StatusBadRequest, "INVALID_ARGUMENT", format, args...)
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may have gone
}

// failed answers for a call that ended otherwise than well.
func failed(w http.ResponseWriter, end *status.Status, md metadata.MD) {
	code, known := statuses[end.Code()]
	if !known {
		code = http.StatusInternalServerError
	}
	message := end.Message()
	if outcome := md.Get("mayfly-outcome"); len(outcome) > 0 { // whether the call changed anything
		w.Header().Set("Mayfly-Outcome", outcome[0])
	}
	switch {
	case end.Code() == codes.NotFound:
		message = "Cache Not Found" // nothing else is looked up here by name, and clients know these words
	case slices.ContainsFunc(md.Get("err"), func(kind string) bool { return strings.HasSuffix(kind, "_size_limit_exceeded") }):
		code = http.StatusRequestEntityTooLarge // trying again later would not help
	}
	refuse(w, code, codeName(end.Code()), "%s", message)
}

// codeName writes a code as gRPC's documents do: NOT_FOUND.
func codeName(c codes.Code) string {
	var b strings.Builder
	for i, r := range c.String() {
		if i > 0 && r >= 'A' && r <= 'Z' && c != codes.OK {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}

// caller returns the metadata that says who makes the request, from its header or
// from the token of its query; both at once are refused, and ok is false. So is a
// query that is malformed: the parts of it that can be read may mean something else,
// such as a whole list in place of a slice.
func caller(w http.ResponseWriter, r *http.Request) (md metadata.MD, ok bool) {
	parts, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		badRequest(w, "The query is malformed; %%, & and ; in a value are written %%25, %%26 and %%3B.")
		return nil, false
	}
	header, query := credential(r), parts.Get("token")
	if header != "" && query != "" {
		badRequest(w, "The request has a credential in its header and one in its query; send one of them.")
		return nil, false
	}
	md = metadata.MD{}
	if text := header + query; text != "" {
		md.Set("authorization", text)
	}
	return md, true
}

// plainCall is the exchange of a unary call that is made for a plain request.
type plainCall struct {
	// request makes the message, of at most max bytes or so.
	request func(max int) (proto.Message, error)
	answer  proto.Message
}

// Receive implements api.Exchange.
func (c *plainCall) Receive(max int) ([]byte, error) {
	message, err := c.request(max)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(message)
}

// Send implements api.Exchange.
func (c *plainCall) Send(message []byte) error { return proto.Unmarshal(message, c.answer) }

// Flush implements api.Exchange.
func (c *plainCall) Flush() error { return nil }

// Cut implements api.Exchange.
func (c *plainCall) Cut() {}

// do makes a unary call, and answers for it unless it ended well.
func (s *Server) do(w http.ResponseWriter, r *http.Request, method string, md metadata.MD, c *plainCall) (ok bool) {
	end, trailer := s.call(r.Context(), api.Call{Method: method, Header: md}, roomyCall{c, roomOf(r)})
	if end.Code() != codes.OK {
		x := newExchange(w, r)
		x.discard()
		failed(w, end, trailer)
		return false
	}
	return true
}
