package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/vend"
)

// document is openapi.json as far as the tests look at it.
type document struct {
	OpenAPI    string
	Paths      map[string]map[string]json.RawMessage // by path and verb; "parameters" is none
	Components struct {
		Parameters map[string]parameter
		Responses  map[string]response
		Schemas    map[string]shape
	}
}

type operation struct {
	Parameters  []parameter
	RequestBody *struct{ Content map[string]json.RawMessage }
	Responses   map[string]response
}

type parameter struct {
	Ref      string `json:"$ref"`
	Name, In string
}

type response struct {
	Ref         string `json:"$ref"`
	Description string
	Headers     map[string]json.RawMessage
	Content     map[string]struct{ Schema shape }
}

// shape is a schema; a $ref stands for one of the components.
type shape struct {
	Ref           string `json:"$ref"`
	Type          string
	Properties    map[string]shape
	Required      []string
	Items         *shape
	MinProperties int
	MaxProperties int
}

func readDocument(t testing.TB) *document {
	t.Helper()
	d := new(document)
	if err := json.Unmarshal(openAPI, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// named is the last part of a $ref.
func named(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// operations are those of the document, by "VERB /path", each with its path's
// parameters.
func (d *document) operations(t testing.TB) map[string]operation {
	t.Helper()
	all := make(map[string]operation)
	for path, verbs := range d.Paths {
		var shared []parameter
		if raw, ok := verbs["parameters"]; ok {
			if err := json.Unmarshal(raw, &shared); err != nil {
				t.Fatal(err)
			}
		}
		for verb, raw := range verbs {
			if verb == "parameters" {
				continue
			}
			var o operation
			if err := json.Unmarshal(raw, &o); err != nil {
				t.Fatalf("%s %s: %v", verb, path, err)
			}
			o.Parameters = append(o.Parameters, shared...)
			for i, p := range o.Parameters {
				if p.Ref != "" {
					o.Parameters[i] = d.Components.Parameters[named(p.Ref)]
				}
			}
			for code, r := range o.Responses {
				if r.Ref != "" {
					o.Responses[code] = d.Components.Responses[named(r.Ref)]
				}
			}
			all[strings.ToUpper(verb)+" "+path] = o
		}
	}
	return all
}

// misfit says where a value does not have a shape; empty when it has.
func (d *document) misfit(at string, s shape, v any) string {
	if s.Ref != "" {
		s = d.Components.Schemas[named(s.Ref)]
	}
	switch v := v.(type) {
	case map[string]any:
		if s.Type != "object" || len(v) < s.MinProperties || s.MaxProperties > 0 && len(v) > s.MaxProperties {
			return fmt.Sprintf("%s is an object of %d properties", at, len(v))
		}
		for _, name := range s.Required {
			if _, ok := v[name]; !ok {
				return at + " lacks " + name
			}
		}
		for name, one := range v {
			property, ok := s.Properties[name]
			if !ok && s.Properties != nil {
				return at + " has " + name
			}
			if ok {
				if why := d.misfit(at+"."+name, property, one); why != "" {
					return why
				}
			}
		}
		return ""
	case []any:
		for i, one := range v {
			if s.Items == nil {
				return at + " is an array"
			}
			if why := d.misfit(fmt.Sprintf("%s[%d]", at, i), *s.Items, one); why != "" {
				return why
			}
		}
		return ""
	default:
		kind := map[string]string{"string": "string", "bool": "boolean", "float64": "integer"}[fmt.Sprintf("%T", v)]
		if s.Type == "number" && kind == "integer" {
			kind = s.Type
		}
		if kind != s.Type {
			return fmt.Sprintf("%s is %v, want %s", at, v, s.Type)
		}
		return ""
	}
}

// conforms demands that an answer is one that the document describes: its status, its
// headers, its type and the shape of its body.
func (d *document) conforms(t *testing.T, name string, o operation, verb string, w *httptest.ResponseRecorder) {
	t.Helper()
	r, ok := o.Responses[fmt.Sprint(w.Code)]
	if !ok {
		t.Errorf("%s: the document does not know the status %d (%s)", name, w.Code, w.Body)
		return
	}
	for header := range r.Headers {
		if w.Header().Get(header) == "" {
			t.Errorf("%s, %d: no header %s", name, w.Code, header)
		}
	}
	kind, _, _ := mime.ParseMediaType(w.Header().Get("Content-Type"))
	content, ok := r.Content[kind]
	if !ok && (kind != "" || len(r.Content) > 0) {
		t.Errorf("%s, %d: type %q is not among %v", name, w.Code, kind, slices.Collect(maps.Keys(r.Content)))
	}
	if kind != "application/json" || verb == "HEAD" {
		return
	}
	var body any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Errorf("%s, %d: %v", name, w.Code, err)
		return
	}
	if why := d.misfit("body", content.Schema, body); why != "" {
		t.Errorf("%s, %d: %s", name, w.Code, why)
	}
}

// isKnown demands that an answer to a request is one that the document describes,
// unless it refuses the verb.
func isKnown(t *testing.T, method, target string, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code == http.StatusMethodNotAllowed {
		return
	}
	d := readDocument(t)
	path, _, _ := strings.Cut(target, "?")
	parts := strings.Split(path, "/")
	for name, o := range d.operations(t) {
		verb, template, _ := strings.Cut(name, " ")
		fits := func(a, b string) bool { return a == b || strings.HasPrefix(b, "{") }
		if verb == method && slices.EqualFunc(parts, strings.Split(template, "/"), fits) {
			d.conforms(t, name, o, verb, w)
			return
		}
	}
	t.Errorf("the document does not know %s %s", method, target)
}

// What the document knows is served, and what is served the document knows.
func TestTheDocumentKnowsEveryRoute(t *testing.T) {
	d := readDocument(t)
	if d.OpenAPI != "3.1.0" {
		t.Errorf("version %q", d.OpenAPI)
	}
	var served []string
	for _, r := range serverOf(t, noCalls{}).table() {
		for _, v := range r.verbs {
			served = append(served, v.method+" "+strings.TrimSuffix(r.path, "{$}"))
		}
	}
	known := slices.Collect(maps.Keys(d.operations(t)))
	slices.Sort(served)
	slices.Sort(known)
	if !slices.Equal(served, known) {
		t.Errorf("served is\n%s\nand known\n%s", strings.Join(served, "\n"), strings.Join(known, "\n"))
	}
	for name, o := range d.operations(t) {
		_, path, _ := strings.Cut(name, " ")
		for _, p := range o.Parameters {
			if p.Name == "" || p.In == "path" && !strings.Contains(path, "{"+p.Name+"}") {
				t.Errorf("%s: parameter %+v", name, p)
			}
		}
		for part := range strings.SplitSeq(path, "/") {
			want, ok := strings.CutPrefix(part, "{")
			if ok && !slices.ContainsFunc(o.Parameters, func(p parameter) bool { return p.In == "path" && p.Name+"}" == want }) {
				t.Errorf("%s: no parameter %s", name, want)
			}
		}
	}
}

// errorsOf are calls that end in each documented problem.
var errorsOf = map[string]struct {
	end     *status.Status
	trailer metadata.MD
}{
	"401": {status.New(codes.Unauthenticated, "who?"), nil},
	"403": {status.New(codes.PermissionDenied, "no"), nil},
	"404": {status.New(codes.NotFound, ""), nil},
	"409": {status.New(codes.FailedPrecondition, "a list"), nil},
	"413": {status.New(codes.ResourceExhausted, "large"), metadata.Pairs("err", "item_size_limit_exceeded")},
	"429": {status.New(codes.ResourceExhausted, "busy"), metadata.Pairs("err", "operations_rate_limit_exceeded")},
	"500": {status.New(codes.Aborted, "unknown"), metadata.Pairs("mayfly-outcome", "unknown")},
	"503": {status.New(codes.Unavailable, "soon"), nil},
	"504": {status.New(codes.DeadlineExceeded, "late"), nil},
}

// trial is a request to an operation that goes well.
type trial struct {
	path    string // with a query that holds every parameter at least once over all trials
	headers []string
	answer  proto.Message
	status  string
}

// trials are for each operation that is a call.
var trials = map[string][]trial{
	"GET /cache/{cache}": {
		{"/cache/c?key=k", nil, &cachepb.GetResponse{Result: cachepb.ECacheResult_Hit, CacheBody: []byte("v")}, "200"},
		{"/cache/c?key_base64=aw", nil, &cachepb.GetResponse{Result: cachepb.ECacheResult_Miss}, "404"},
	},
	"HEAD /cache/{cache}": {
		{"/cache/c?key=k", nil, &cachepb.GetResponse{Result: cachepb.ECacheResult_Hit, CacheBody: []byte("v")}, "200"},
		{"/cache/c?key_base64=aw", nil, &cachepb.GetResponse{Result: cachepb.ECacheResult_Miss}, "404"},
	},
	"PUT /cache/{cache}": {
		{"/cache/c?key=k&ttl_seconds=1", nil, &cachepb.SetResponse{}, "204"},
		{"/cache/c?key_base64=aw&ttl_seconds=1", nil, &cachepb.SetResponse{}, "204"},
	},
	"DELETE /cache/{cache}": {
		{"/cache/c?key=k", nil, &cachepb.DeleteResponse{}, "204"},
		{"/cache/c?key_base64=aw", nil, &cachepb.DeleteResponse{}, "204"},
	},
	"GET /cache/{cache}/lists/{name}": {
		{"/cache/c/lists/l?start=-2&end=9", nil, fetched("a", "\xff"), "200"},
		{"/cache/c/lists/l?as=binary", nil, fetched(), "200"},
	},
	"POST /cache/{cache}/lists/{name}": {
		{"/cache/c/lists/l?ttl_seconds=1&at=back&refresh_ttl=true&truncate_to_size=9", nil, &cachepb.ListPushBackResponse{ListLength: 1}, "200"},
	},
	"DELETE /cache/{cache}/lists/{name}": {
		{"/cache/c/lists/l?start=1&end=2", nil, &cachepb.ListEraseResponse{}, "204"},
		{"/cache/c/lists/l?value=a", nil, &cachepb.ListRemoveResponse{}, "204"},
		{"/cache/c/lists/l?value_base64=YQ", nil, &cachepb.ListRemoveResponse{}, "204"},
	},
	"GET /cache/{cache}/lists/{name}/length": {
		{"/cache/c/lists/l/length", nil, &cachepb.ListLengthResponse{List: &cachepb.ListLengthResponse_Found{Found: &cachepb.Length{Length: 7}}}, "200"},
	},
	"POST /cache/{cache}/lists/{name}/pop": {
		{"/cache/c/lists/l/pop?at=back", nil, &cachepb.ListPopBackResponse{List: &cachepb.ListPopBackResponse_Found{Found: &cachepb.PoppedBack{Back: []byte("z"), ListLength: 4}}}, "200"},
		{"/cache/c/lists/l/pop?at=front", nil, &cachepb.ListPopFrontResponse{}, "404"},
	},
	"GET /usage": {
		{"/usage?since=2026-11-01&until=2026-11-02T10:00:00Z&by=topic-prefix&cache=c&limit=2&after=x", nil, used("room-"), "200"},
		{"/usage?by=token", nil, used("token:alice"), "200"},
		{"/usage?by=hour", nil, used("hour"), "200"},
		{"/usage", nil, used("cache"), "200"},
	},
	"POST /topics/{cache}/{topic}": {{"/topics/c/t", nil, nil, "204"}},
	"GET /topics/{cache}/{topic}": {
		{"/topics/c/t?sequence_number=1&sequence_page=7", nil, itemOf(4, textValue("x")), "200"},
		{"/topics/c/t", nil, gap(3, 9), "200"},
		{"/topics/c/t?subscribe=false", []string{"Accept", "text/event-stream", "Last-Event-ID", "7-4"}, itemOf(4, textValue("x")), "200"},
	},
}

// isCall tells whether what is at a path is answered by a call.
func isCall(path string) bool {
	return strings.HasPrefix(path, "/cache/") || strings.HasPrefix(path, "/topics/") || path == "/usage"
}

// Every operation of the document is made to answer with every status that the
// document knows for it, and the answers are as it says.
func TestTheDocumentIsTrue(t *testing.T) {
	d := readDocument(t)
	for name, o := range d.operations(t) {
		verb, path, _ := strings.Cut(name, " ")
		if !isCall(path) {
			continue // see TestTheDocumentKnowsThePages, and Vending
		}
		if len(trials[name]) == 0 {
			t.Errorf("%s is not tried", name)
			continue
		}
		seen, asked := map[string]bool{}, ""
		try := func(path string, headers []string, b *backend) {
			body := ""
			if o.RequestBody != nil {
				body = "body"
			}
			w := send(serverOf(t, b), verb, path, body, headers...)
			d.conforms(t, name, o, verb, w)
			seen[fmt.Sprint(w.Code)] = true
		}
		for _, one := range trials[name] {
			b := &backend{end: status.New(codes.OK, "")}
			if one.answer != nil {
				b.answers = []proto.Message{one.answer}
			}
			try(one.path, one.headers, b)
			if !seen[one.status] {
				t.Errorf("%s %s: no %s", verb, one.path, one.status)
			}
			asked += one.path + " " + strings.Join(one.headers, "=") + " "
		}
		first := trials[name][0]
		try(first.path+map[bool]string{true: "&", false: "?"}[strings.Contains(first.path, "?")]+"token=a",
			append([]string{"Authorization", "b"}, first.headers...), &backend{}) // 400
		for code, fault := range errorsOf {
			if _, ok := o.Responses[code]; ok {
				try(first.path, first.headers, &backend{end: fault.end, trailer: fault.trailer})
			}
		}
		for code := range o.Responses {
			if !seen[code] && code != "101" { // see TestTheDocumentKnowsSockets
				t.Errorf("%s: nothing led to %s", name, code)
			}
		}
		for _, p := range o.Parameters {
			if p.In != "path" && !strings.Contains(asked, p.Name+"=") {
				t.Errorf("%s: nothing was asked with %s", name, p.Name)
			}
		}
	}
}

func TestTheDocumentKnowsVending(t *testing.T) {
	d := readDocument(t)
	for name, o := range d.operations(t) {
		verb, path, _ := strings.Cut(name, " ")
		if path != "/vend/{name}" {
			continue
		}
		seen := map[string]bool{}
		try := func(err error, body string) {
			s := newTestServer(t, newKeyring(t).gate(t), nil)
			s.config.Vending = &counter{err: err}
			w := send(s, verb, "/vend/chat?room=a", body, "Content-Type", "application/json", "Mayfly-Secret", "x")
			d.conforms(t, name, o, verb, w)
			seen[fmt.Sprint(w.Code)] = true
		}
		for _, err := range []error{
			nil, auth.ErrExpired, auth.ErrPermissionDenied, auth.ErrInvalidArgument,
			vend.ErrNoEndpoint, vend.ErrUnavailable, vend.TooOften{}, errors.New("a bug"),
		} {
			try(err, "{}")
		}
		if verb == "POST" {
			try(nil, strings.Repeat("x", maxVendBody+1))
		}
		for code := range o.Responses {
			if !seen[code] {
				t.Errorf("%s: nothing led to %s", name, code)
			}
		}
	}
}

func TestTheDocumentKnowsThePages(t *testing.T) {
	d := readDocument(t)
	keys := newKeyring(t)
	gate := keys.gate(t)
	s := newTestServer(t, gate, nil)
	s.config.Metrics = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Crowd") == "" {
			text(w, http.StatusOK, "metrics")
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	key, token, _ := keys.mint(t, gate)
	seen := make(map[string]bool)
	for _, one := range []struct {
		path    string
		headers []string
		unready bool
	}{
		{"/", nil, false}, {"/livez", nil, false}, {"/openapi.json", nil, false},
		{"/readyz", nil, false}, {"/readyz", nil, true},
		{"/readyz", []string{"Accept", "application/json"}, false}, {"/readyz", []string{"Accept", "application/json"}, true},
		{"/metrics", nil, false}, {"/metrics", []string{"Authorization", token}, false},
		{"/metrics", []string{"Authorization", key}, false}, {"/metrics", []string{"Authorization", key, "Crowd", "yes"}, false},
	} {
		for _, verb := range []string{"GET", "HEAD"} {
			s.config.Ready = func() []Reason {
				if one.unready {
					return []Reason{{"starting", "a while"}, {Name: "no-leader"}}
				}
				return nil
			}
			w := ask(s, verb, one.path, one.headers...)
			d.conforms(t, verb+" "+one.path, d.operations(t)[verb+" "+one.path], verb, w)
			seen[fmt.Sprint(verb, " ", one.path, " ", w.Code)] = true
		}
	}
	for name, o := range d.operations(t) {
		for code := range o.Responses {
			_, path, _ := strings.Cut(name, " ")
			if !strings.Contains(path, "{") && !isCall(path) && !seen[name+" "+code] {
				t.Errorf("%s: nothing led to %s", name, code)
			}
		}
	}
}

func TestTheDocumentKnowsSockets(t *testing.T) {
	d := readDocument(t)
	synctest.Test(t, func(t *testing.T) {
		c, a := knock(openDoorTo(t, serverOf(t, newHub())), "/topics/c/t")
		if c == nil {
			t.Fatal(a.body)
		}
		defer c.CloseNow()
		r, ok := d.operations(t)["GET /topics/{cache}/{topic}"].Responses[fmt.Sprint(a.status)]
		if !ok {
			t.Errorf("status %d", a.status)
		}
		for header := range r.Headers {
			if a.header.Get(header) == "" {
				t.Errorf("no header %s", header)
			}
		}
	})
	for kind, texts := range map[string][]string{
		"SocketWish": {
			`{"token":"x"}`, `{"id":"1","publish":{"topic":"t","value":{"text":"x"}}}`, `{"publish":{"value":{"binary":"/wA="}}}`,
			`{"subscribe":{"topic":"t","sequence_number":1,"sequence_page":7}}`, `{"unsubscribe":{"topic":"t"}}`,
		},
		"SocketNews": {
			beat, `{"id":"1","ok":true}`, `{"id":"1","topic":"t","error":{"code":"NOT_FOUND","message":"Cache Not Found"}}`,
			`{"topic":"t","items":[{"item":{"topic_sequence_number":1,"sequence_page":7,"value":{"text":"x"},"publisher_id":"alice"}},{"discontinuity":{"last_topic_sequence":1,"new_topic_sequence":4,"new_sequence_page":7}}]}`,
		},
	} {
		for _, text := range texts {
			if kind == "SocketWish" {
				if _, err := parseWish([]byte(text)); err != nil {
					t.Errorf("%s: %v", text, err)
				}
			}
			var v any
			if err := json.Unmarshal([]byte(text), &v); err != nil {
				t.Fatal(err)
			}
			if why := d.misfit(kind, shape{Ref: "#/components/schemas/" + kind}, v); why != "" {
				t.Errorf("%s: %s", text, why)
			}
		}
	}
}

// Every path refuses the verbs that it does not have, and says which it has.
func TestVerbs(t *testing.T) {
	s := serverOf(t, noCalls{})
	for _, r := range s.table() {
		var has []string
		for _, v := range r.verbs {
			has = append(has, v.method)
		}
		path := strings.NewReplacer("{$}", "", "{", "", "}", "").Replace(r.path)
		for _, verb := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
			if slices.Contains(has, verb) {
				continue
			}
			w := send(s, verb, path, "")
			if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != strings.Join(has, ", ") || !strings.Contains(w.Body.String(), "METHOD_NOT_ALLOWED") {
				t.Errorf("%s %s: %d, allowed %q, %s", verb, path, w.Code, w.Header().Get("Allow"), w.Body)
			}
		}
	}
}
