package web

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
)

func fetched(values ...string) *cachepb.ListFetchResponse {
	found := &cachepb.ListValues{}
	for _, v := range values {
		found.Values = append(found.Values, []byte(v))
	}
	return &cachepb.ListFetchResponse{List: &cachepb.ListFetchResponse_Found{Found: found}}
}

func TestListRequests(t *testing.T) {
	good := status.New(codes.OK, "")
	const l = "/cache/c/lists/l"
	all := `list_name:"l" unbounded_start:{} unbounded_end:{}`
	octets := []string{"Content-Type", "application/octet-stream"}
	poppedBack := &cachepb.ListPopBackResponse{List: &cachepb.ListPopBackResponse_Found{Found: &cachepb.PoppedBack{Back: []byte("z"), ListLength: 4}}}
	poppedFront := &cachepb.ListPopFrontResponse{List: &cachepb.ListPopFrontResponse_Found{Found: &cachepb.PoppedFront{Front: []byte{255}}}}
	for name, test := range map[string]struct {
		method, path, body string
		headers            []string
		answer             proto.Message
		end                *status.Status
		status             int
		says               string // all of it for a success
		asked              string
	}{
		"get":                {"GET", l, "", nil, fetched("a", "\xff", ""), good, 200, `{"values":[{"text":"a"},{"binary":"/w=="},{"text":""}]}`, all},
		"get, as binary":     {"GET", l + "?as=binary", "", nil, fetched("a", ""), good, 200, `{"values":[{"binary":"YQ=="},{"binary":""}]}`, all},
		"get, as is wrong":   {"GET", l + "?as=text", "", nil, nil, good, 400, "binary", ""},
		"get, none":          {"GET", l, "", nil, &cachepb.ListFetchResponse{List: &cachepb.ListFetchResponse_Missing{}}, good, 200, `{"values":[]}`, all},
		"get, the last":      {"GET", l + "?start=-50", "", nil, fetched("a"), good, 200, `{"values":[{"text":"a"}]}`, `list_name:"l" inclusive_start:-50 unbounded_end:{}`},
		"get, a slice":       {"GET", l + "?start=0&end=0", "", nil, fetched(), good, 200, `{"values":[]}`, `list_name:"l" inclusive_start:0 exclusive_end:0`},
		"get, no number":     {"GET", l + "?start=x", "", nil, nil, good, 400, "start", ""},
		"get, too far":       {"GET", l + "?end=2147483648", "", nil, nil, good, 400, "end", ""},
		"get, odd name":      {"GET", "/cache/c/lists/a%2Fb%20%FF%3F", "", nil, fetched(), good, 200, `{"values":[]}`, `list_name:"a/b \xff?" unbounded_start:{} unbounded_end:{}`},
		"get, no cache":      {"GET", l, "", nil, nil, status.New(codes.NotFound, ""), 404, "Cache Not Found", all},
		"get, other type":    {"GET", l, "", nil, nil, status.New(codes.FailedPrecondition, "a scalar"), 409, "a scalar", all},
		"get, forbidden":     {"GET", l, "", nil, nil, status.New(codes.PermissionDenied, "no"), 403, "PERMISSION_DENIED", all},
		"length":             {"GET", l + "/length", "", nil, &cachepb.ListLengthResponse{List: &cachepb.ListLengthResponse_Found{Found: &cachepb.Length{Length: 7}}}, good, 200, `{"length":7}`, `list_name:"l"`},
		"length, none":       {"GET", l + "/length", "", nil, &cachepb.ListLengthResponse{List: &cachepb.ListLengthResponse_Missing{}}, good, 200, `{"length":0}`, `list_name:"l"`},
		"push":               {"POST", l + "?ttl_seconds=60", "hé", nil, &cachepb.ListPushBackResponse{ListLength: 3}, good, 200, `{"length":3}`, `list_name:"l" value:"hé" ttl_milliseconds:60000 refresh_ttl:true`},
		"push, all said":     {"POST", l + "?ttl_seconds=1&at=back&refresh_ttl=false&truncate_to_size=100", "x", nil, &cachepb.ListPushBackResponse{ListLength: 100}, good, 200, `{"length":100}`, `list_name:"l" value:"x" ttl_milliseconds:1000 truncate_front_to_size:100`},
		"push, front":        {"POST", l + "?ttl_seconds=1&at=front&refresh_ttl=true&truncate_to_size=9", "x", nil, &cachepb.ListPushFrontResponse{ListLength: 1}, good, 200, `{"length":1}`, `list_name:"l" value:"x" ttl_milliseconds:1000 refresh_ttl:true truncate_back_to_size:9`},
		"push, bytes":        {"POST", l + "?ttl_seconds=1", "\xff", octets, &cachepb.ListPushBackResponse{ListLength: 1}, good, 200, `{"length":1}`, `list_name:"l" value:"\xff" ttl_milliseconds:1000 refresh_ttl:true`},
		"push, no text":      {"POST", l + "?ttl_seconds=1", "\xff", nil, nil, good, 400, "octet-stream", ""},
		"push, no ttl":       {"POST", l, "x", nil, nil, good, 400, "ttl_seconds", ""},
		"push, odd end":      {"POST", l + "?ttl_seconds=1&at=left", "x", nil, nil, good, 400, "front nor back", ""},
		"push, odd refresh":  {"POST", l + "?ttl_seconds=1&refresh_ttl=1", "x", nil, nil, good, 400, "refresh_ttl", ""},
		"push, odd truncate": {"POST", l + "?ttl_seconds=1&truncate_to_size=0", "x", nil, nil, good, 400, "truncate_to_size", ""},
		"push, too large":    {"POST", l + "?ttl_seconds=1", strings.Repeat("x", 1001), nil, nil, good, 413, "RESOURCE_EXHAUSTED", ""},
		"push, who knows":    {"POST", l + "?ttl_seconds=1", "x", nil, nil, status.New(codes.Aborted, "unknown"), 500, "ABORTED", `list_name:"l" value:"x" ttl_milliseconds:1000 refresh_ttl:true`},
		"pop, back":          {"POST", l + "/pop?at=back", "", nil, poppedBack, good, 200, `{"value":{"text":"z"},"length":4}`, `list_name:"l"`},
		"pop, front":         {"POST", l + "/pop?at=front", "", nil, poppedFront, good, 200, `{"value":{"binary":"/w=="},"length":0}`, `list_name:"l"`},
		"pop, none":          {"POST", l + "/pop?at=front", "", nil, &cachepb.ListPopFrontResponse{List: &cachepb.ListPopFrontResponse_Missing{}}, good, 404, "Key Not Found", `list_name:"l"`},
		"pop, none, back":    {"POST", l + "/pop?at=back", "", nil, &cachepb.ListPopBackResponse{List: &cachepb.ListPopBackResponse_Missing{}}, good, 404, "Key Not Found", `list_name:"l"`},
		"pop, where?":        {"POST", l + "/pop", "", nil, nil, good, 400, "at=front", ""},
		"delete":             {"DELETE", l, "", nil, &cachepb.ListEraseResponse{}, good, 204, "", `list_name:"l" all:{}`},
		"delete, token":      {"DELETE", l + "?token=x", "", nil, &cachepb.ListEraseResponse{}, good, 204, "", `list_name:"l" all:{}`},
		"delete, misspelt":   {"DELETE", l + "?from=1", "", nil, nil, good, 400, "nothing else", ""},
		"delete, a slice":    {"DELETE", l + "?start=2&end=5", "", nil, &cachepb.ListEraseResponse{}, good, 204, "", `list_name:"l" some:{ranges:{begin_index:2 count:3}}`},
		"delete, to the end": {"DELETE", l + "?start=2", "", nil, &cachepb.ListEraseResponse{}, good, 204, "", `list_name:"l" some:{ranges:{begin_index:2 count:4294967293}}`},
		"delete, from 0":     {"DELETE", l + "?end=5", "", nil, &cachepb.ListEraseResponse{}, good, 204, "", `list_name:"l" some:{ranges:{count:5}}`},
		"delete, nothing":    {"DELETE", l + "?start=5&end=5", "", nil, nil, good, 400, "below end", ""},
		"delete, negative":   {"DELETE", l + "?start=-5", "", nil, nil, good, 400, "below zero", ""},
		"delete, no slice":   {"DELETE", l + "?start=x", "", nil, nil, good, 400, "start", ""},
		"delete, no start":   {"DELETE", l + "?start=", "", nil, nil, good, 400, "start", ""},
		"delete, no end":     {"DELETE", l + "?start=1&end=", "", nil, nil, good, 400, "end", ""},
		"delete, a percent":  {"DELETE", l + "?value=50%", "", nil, nil, good, 400, "malformed", ""},
		"delete, semicolon":  {"DELETE", l + "?start=1;end=2", "", nil, nil, good, 400, "malformed", ""},
		"push, a percent":    {"POST", l + "?ttl_seconds=1&refresh_ttl=%", "x", nil, nil, good, 400, "malformed", ""},
		"delete, a value":    {"DELETE", l + "?value=a%20b", "", nil, &cachepb.ListRemoveResponse{}, good, 204, "", `list_name:"l" all_elements_with_value:"a b"`},
		"delete, no value":   {"DELETE", l + "?value=", "", nil, &cachepb.ListRemoveResponse{}, good, 204, "", `list_name:"l" all_elements_with_value:""`},
		"delete, bytes":      {"DELETE", l + "?value_base64=_w", "", nil, &cachepb.ListRemoveResponse{}, good, 204, "", `list_name:"l" all_elements_with_value:"\xff"`},
		"delete, no base64":  {"DELETE", l + "?value_base64=*", "", nil, nil, good, 400, "base64url", ""},
		"delete, two ways":   {"DELETE", l + "?value=a&start=1", "", nil, nil, good, 400, "one of them", ""},
		"delete, both forms": {"DELETE", l + "?value=a&value_base64=YQ", "", nil, nil, good, 400, "one of them", ""},
		"put":                {"PUT", l, "x", nil, nil, good, 405, "GET, POST, DELETE", ""},
		"get a pop":          {"GET", l + "/pop", "", nil, nil, good, 405, "POST", ""},
		"put a length":       {"PUT", l + "/length", "", nil, nil, good, 405, "GET", ""},
		"two credentials":    {"GET", l + "?token=a", "", []string{"Authorization", "b"}, nil, good, 400, "one of them", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := &backend{end: test.end, trailer: metadata.Pairs("mayfly-outcome", "unknown")}
			if test.answer != nil {
				b.answers = []proto.Message{test.answer}
			}
			w := send(serverOf(t, b), test.method, test.path, test.body, test.headers...)
			isKnown(t, test.method, test.path, w)
			body := w.Body.String()
			if w.Code != test.status || w.Code < 300 && strings.TrimSuffix(body, "\n") != test.says || !strings.Contains(body, test.says) {
				t.Errorf("%d %q, want %d and %q", w.Code, w.Body, test.status, test.says)
			}
			asked := ""
			if b.got != nil && b.got.ProtoReflect().IsValid() {
				asked = strings.ReplaceAll(prototext.MarshalOptions{}.Format(b.got), "  ", " ")
			}
			if asked != test.asked {
				t.Errorf("asked for %s, want %s", asked, test.asked)
			}
			if asked != "" && !slices.Equal(b.header["cache"], []string{"c"}) {
				t.Errorf("the call's header is %v", b.header)
			}
			if body != "" && w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("type %q", w.Header().Get("Content-Type"))
			}
			if outcome := w.Header().Get("Mayfly-Outcome"); (outcome == "unknown") != (test.end.Code() != codes.OK) {
				t.Errorf("the outcome is %q", outcome)
			}
		})
	}
}
