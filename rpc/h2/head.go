package h2

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	contentType  = "application/grpc"
	binarySuffix = "-bin"
	timeoutField = "grpc-timeout"
)

// head is the beginning of a request.
type head struct {
	method, path string // of HTTP
	encoding     string
	host         string
	authorities  int
	connection   bool
	metadata     metadata.MD
	// timeout counts if timed.
	timeout time.Duration
	timed   bool
	wrong   string // what cannot be read, if something cannot
}

// refusal is why a request is answered without asking a handler.
type refusal struct {
	http int
	*status.Status
}

func refuse(http int, code codes.Code, text string) *refusal {
	return &refusal{http: http, Status: status.New(code, text)}
}

// errHead is a request that is malformed by the rules of HTTP/2, so that its stream is
// reset.
var errHead = http2.StreamError{Code: http2.ErrCodeProtocol}

// readHead sorts the fields of a request. Metadata gets what handlers may look
// at.
func readHead(fields []hpack.HeaderField) *head {
	h := &head{metadata: make(metadata.MD, len(fields))}
	values := make([]string, len(fields)) // one allocation for all
	for i, f := range fields {
		value := f.Value
		switch f.Name {
		case ":method":
			h.method = value
		case ":path":
			h.path = value
		case "connection":
			h.connection = true
		case "grpc-encoding":
			h.encoding = value
		case timeoutField:
			h.setTimeout(value)
		case "host":
			h.host = value
			h.authorities++
			continue
		case ":authority", "content-type", "user-agent":
			h.enter(f.Name, values[i:i+1:i+1], value)
		default:
			if isReserved(f.Name) {
				continue
			}
			if strings.HasSuffix(f.Name, binarySuffix) {
				var err error
				if value, err = readBinary(value); err != nil {
					h.wrong = "malformed binary metadata in header " + strconv.Quote(f.Name)
					continue
				}
			}
			h.enter(f.Name, values[i:i+1:i+1], value)
		}
	}
	return h
}

// habit is the head that a connection sent before, because clients repeat themselves:
// but for the timeout, and what differs is told in the body. It holds up to
// Config.MaxHeaders bytes.
type habit struct {
	fields []hpack.HeaderField
	head   *head
}

// read is as readHead, and shares the metadata of a head that was the same.
func (u *habit) read(fields []hpack.HeaderField) (h head, repeated bool) {
	if !u.repeats(fields) {
		return *readHead(fields), false
	}
	h = *u.head
	for _, f := range fields {
		if f.Name == timeoutField {
			h.setTimeout(f.Value)
		}
	}
	return h, true
}

func (u *habit) repeats(fields []hpack.HeaderField) bool {
	if u.head == nil {
		return false
	}
	return slices.EqualFunc(fields, u.fields, func(a, b hpack.HeaderField) bool {
		return a.Name == b.Name && (a.Value == b.Value || a.Name == timeoutField)
	})
}

// keep remembers a head that nothing was wrong with.
func (u *habit) keep(fields []hpack.HeaderField, h head) { u.fields, u.head = fields, &h }

// setTimeout takes in a timeout as the client wrote it.
func (h *head) setTimeout(text string) {
	h.timed = true
	var ok bool
	if h.timeout, ok = readTimeout(text); !ok {
		h.wrong = "malformed grpc-timeout, want up to eight digits and one of H, M, S, m, u, n"
	}
}

// enter adds a value; room has place for it.
func (h *head) enter(name string, room []string, value string) {
	if others, ok := h.metadata[name]; ok {
		h.metadata[name] = append(others, value)
		return
	}
	room[0] = value
	h.metadata[name] = room
}

// check finds what is wrong with a request before its method is looked for. The
// error says that HTTP/2 itself does not allow it.
func (h *head) check() (*refusal, error) {
	named := h.metadata[":authority"]
	switch content := first(h.metadata["content-type"]); {
	case h.connection:
		return nil, errHead
	case len(named) > 1 || h.authorities > 1:
		return refuse(http.StatusBadRequest, codes.Internal, "more than one :authority or host"), nil
	case !isGRPC(content):
		return refuse(http.StatusUnsupportedMediaType, codes.InvalidArgument, "the content type must be "+contentType), nil
	case h.wrong != "":
		return refuse(http.StatusBadRequest, codes.Internal, h.wrong), nil
	case len(named) == 0 && h.host == "":
		return refuse(http.StatusBadRequest, codes.Internal, "neither :authority nor host is set"), nil
	case h.method != http.MethodPost:
		return refuse(http.StatusMethodNotAllowed, codes.Internal, "gRPC calls are POST requests"), nil
	case h.encoding != "" && h.encoding != "identity":
		return refuse(http.StatusOK, codes.Unimplemented, "compressed requests are not taken; send grpc-encoding identity or none"), nil
	case h.timed && h.timeout <= 0:
		return refuse(http.StatusOK, codes.DeadlineExceeded, "the deadline passed before the call began"), nil
	}
	if len(named) == 0 {
		h.metadata[":authority"] = []string{h.host}
	}
	return nil, nil
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// isGRPC reports whether a content type is gRPC's, whatever its subtype.
func isGRPC(content string) bool {
	rest, ok := strings.CutPrefix(content, contentType)
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// isReserved reports whether a field is the protocol's own and none of
// metadata.
func isReserved(name string) bool {
	switch name {
	case "content-type", "user-agent", "te", "grpc-encoding", timeoutField, "grpc-status", "grpc-message", "grpc-message-type":
		return true
	default:
		return strings.HasPrefix(name, ":")
	}
}

// readBinary decodes a value of a "-bin" field, padded or not.
func readBinary(value string) (string, error) {
	decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(value, "="))
	return string(decoded), err
}

// readTimeout decodes a timeout: up to eight digits and a unit. What is longer
// than a Duration can say is as good as its longest.
func readTimeout(text string) (d time.Duration, ok bool) {
	const digits = 8
	if len(text) < 2 || len(text) > digits+1 {
		return 0, false
	}
	unit := unitOf(text[len(text)-1])
	if unit == 0 {
		return 0, false
	}
	n, err := strconv.ParseUint(text[:len(text)-1], 10, 63)
	if err != nil {
		return 0, false
	}
	const longest = time.Duration(1<<63 - 1)
	if time.Duration(n) > longest/unit {
		return longest, true
	}
	return time.Duration(n) * unit, true
}

// unitOf returns the unit that a letter stands for, 0 if for none.
func unitOf(letter byte) time.Duration {
	switch letter {
	case 'H':
		return time.Hour
	case 'M':
		return time.Minute
	case 'S':
		return time.Second
	case 'm':
		return time.Millisecond
	case 'u':
		return time.Microsecond
	case 'n':
		return time.Nanosecond
	default:
		return 0
	}
}
