package cli

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/mayfly-broker/mayfly/cmd/node"
	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	tokenpb "github.com/mayfly-broker/mayfly/proto/token"
)

func TestSentences(t *testing.T) {
	const again = "; it is not x"
	tests := []struct {
		code          codes.Code
		message, want string
	}{
		{codes.NotFound, `cache "chat" does not exist`, "not found: cache \"chat\" does not exist; `mayfly cache list` shows the caches, `mayfly cache create NAME` makes one"},
		{codes.AlreadyExists, "cache exists", "already there: cache exists"},
		{codes.InvalidArgument, "bad" + again, "refused: bad" + again},
		{codes.FailedPrecondition, "not a list", "refused: not a list"},
		{codes.ResourceExhausted, "item size over 7 bytes", "over a limit: item size over 7 bytes; send less, or raise the limit on the server"},
		{codes.PermissionDenied, "may not write", "not allowed with this credential: may not write; use one with the right permissions (`mayfly token inspect` shows what a token may do)"},
		{codes.Unauthenticated, "no credential", "the server wants a credential: no credential; give a key with MAYFLY_API_KEY (`mayfly key create`, on the server's machine, makes one)"},
		{codes.Unimplemented, "unknown method", "the server at 127.0.0.1:8080 does not know this call: unknown method; is it a broker of this version? compare with `mayfly version --remote`"},
		{codes.Unavailable, "draining", "the server at 127.0.0.1:8080 is not available: draining; try again in a moment"},
		{codes.Internal, "a bug\x1b[2J", `the server failed (Internal): "a bug\x1b[2J"; its log says more`},
	}
	for _, tt := range tests {
		got := invocation{broker: (&broker{answer: fails(tt.code, tt.message)}).start(t)}.run(t, "list", "length", "chat", "room")
		if want := "mayfly: " + tt.want + "\n"; got.code != ExitFailure || got.stderr != want || got.stdout != "" {
			t.Errorf("%s: exit code %d\ngot  %swant %s", tt.code, got.code, got.stderr, want)
		}
	}
}

func TestUnreachable(t *testing.T) {
	refuse := func(context.Context, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	for server, want := range map[string]string{
		"127.0.0.1:8080":   "mayfly: cannot reach 127.0.0.1:8080: connection refused; is the server running? start one with `mayfly dev`\n",
		"[::1]:1":          "mayfly: cannot reach [::1]:1: connection refused; is the server running? start one with `mayfly dev`\n",
		"broker.test:8080": "mayfly: cannot reach broker.test:8080: connection refused; is the address right, and the port open?\n",
	} {
		for _, args := range [][]string{{"cache", "list"}, {"topic", "subscribe", "chat", "room"}} {
			got := invocation{dial: refuse, environ: []string{"MAYFLY_SERVER=" + server}}.run(t, args...)
			if got.code != ExitFailure || got.stderr != want {
				t.Errorf("%v: exit code %d\ngot  %swant %s", args, got.code, got.stderr, want)
			}
		}
	}
	unknown := func(context.Context, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "broker.test"}}
	}
	got := invocation{dial: unknown}.run(t, "cache", "list")
	if want := "cannot reach 127.0.0.1:8080: lookup broker.test: no such host;"; !strings.Contains(got.stderr, want) {
		t.Errorf("got %s", got.stderr)
	}
}

func TestNoAnswer(t *testing.T) {
	b := (&broker{answer: func(string, proto.Message, string) (proto.Message, error) {
		<-t.Context().Done()
		return nil, errors.New("too late")
	}}).start(t)
	got := invocation{broker: b}.run(t, "cache", "list", "--timeout", "20ms")
	want := "mayfly: no answer from 127.0.0.1:8080 within 20ms; wait longer with --timeout, or check that this is the address of a broker\n"
	if got.code != ExitFailure || got.stderr != want {
		t.Errorf("got %s", got.stderr)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := (&broker{answer: func(string, proto.Message, string) (proto.Message, error) {
		cancel()
		<-t.Context().Done()
		return nil, errors.New("too late")
	}}).start(t)
	got := invocation{broker: b}.runContext(ctx, "list", "push", "chat", "room", "hi")
	if want := "mayfly: interrupted; whether the server did it is unknown\n"; got.code != ExitFailure || got.stderr != want {
		t.Errorf("got %+v", got)
	}
}

// dataDir is a data folder with an admin credential in it.
func dataDir(t *testing.T) string {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, node.AdminTokenFile), []byte("admin.secret.text\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWhichCredentialTravels(t *testing.T) {
	dir := "MAYFLY_DATA_DIR=" + dataDir(t)
	tests := []struct {
		name    string
		environ []string
		args    []string
		want    string
	}{
		{"none", nil, []string{"cache", "list"}, ""},
		{"raw key", []string{"MAYFLY_API_KEY=x.y.z"}, []string{"cache", "list"}, "x.y.z"},
		{"wrapped key", []string{"MAYFLY_API_KEY= " + wrapped + "\n"}, []string{"cache", "list"}, "a.b.c"},
		{"admin file", []string{dir}, []string{"cache", "list"}, "admin.secret.text"},
		{"admin file, on localhost", []string{dir, "MAYFLY_SERVER=localhost:1"}, []string{"key", "list"}, "admin.secret.text"},
		{"admin file stays at home", []string{dir, "MAYFLY_SERVER=192.0.2.1:8080"}, []string{"cache", "list"}, ""},
		{"admin file is not for data", []string{dir}, []string{"list", "length", "chat", "room"}, ""},
		{"a key goes before the admin file", []string{dir, "MAYFLY_API_KEY=x.y.z"}, []string{"cache", "list"}, "x.y.z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := (&broker{answer: fails(codes.Internal, "seen")}).start(t)
			invocation{broker: b, environ: tt.environ}.run(t, tt.args...)
			if calls := b.took(); len(calls) != 1 || calls[0].credential != tt.want {
				t.Errorf("got %v, want credential %q", calls, tt.want)
			}
		})
	}
}

// A data folder may belong to another broker than the one that listens.
func TestForeignAdminCredential(t *testing.T) {
	answer := &tokenpb.GenerateDisposableTokenResponse{ApiKey: "a.b.c", Endpoint: "h:1", ValidUntil: 1}
	b := (&broker{answer: func(_ string, _ proto.Message, credential string) (proto.Message, error) {
		if credential != "" {
			return nil, status.Error(codes.Unauthenticated, "not ours")
		}
		return answer, nil
	}}).start(t)
	i := invocation{broker: b, environ: []string{"MAYFLY_DATA_DIR=" + dataDir(t)}}
	got := i.run(t, "token", "create", "--cache", "chat", "--topic", "room")
	if got.code != ExitOK {
		t.Errorf("exit code %d: %s", got.code, got.stderr)
	}
	calls := b.took()
	if len(calls) != 2 || calls[1].request.(*tokenpb.GenerateDisposableTokenRequest).GetAuthToken() != "" {
		t.Fatalf("got calls %v", calls)
	}
	if text := calls[0].request.(*tokenpb.GenerateDisposableTokenRequest).GetAuthToken(); text != "admin.secret.text" {
		t.Errorf("first call carried %q", text)
	}

	b.answer = fails(codes.Unauthenticated, "not ours")
	got = i.run(t, "cache", "list")
	if !strings.Contains(got.stderr, "does not accept the admin credential in "+strings.TrimPrefix(i.environ[0], "MAYFLY_DATA_DIR=")) {
		t.Errorf("got %s", got.stderr)
	}
	// A credential that the user named is never left out.
	i.environ = append(i.environ, "MAYFLY_API_KEY=x.y.z")
	b.took()
	got = i.run(t, "cache", "list")
	if len(b.took()) != 1 || !strings.Contains(got.stderr, "does not accept the credential: not ours") {
		t.Errorf("got %s", got.stderr)
	}
}

func TestSecretsStayOutOfMessages(t *testing.T) {
	b := (&broker{answer: fails(codes.InvalidArgument, "I dislike hunter.two.secret and "+wrapped)}).start(t)
	for environ, want := range map[string]string{
		"MAYFLY_API_KEY=hunter.two.secret": "refused: I dislike [credential] and " + wrapped + "\n",
		"MAYFLY_API_KEY=" + wrapped:        "refused: I dislike hunter.two.secret and [credential]\n",
		"MAYFLY_API_KEY=two words":         "the API key holds characters that no key has; was it copied whole, without line breaks?\nSee `mayfly cache list --help`.\n",
	} {
		got := invocation{broker: b, environ: []string{environ}}.run(t, "cache", "list")
		if got.stderr != "mayfly: "+want {
			t.Errorf("%s: got %s", environ, got.stderr)
		}
	}
	for _, args := range [][]string{{"cache", "list", "--help"}, {"cache", "lst"}, {"key", "revoke", "hunter.two.secret"}} {
		got := invocation{broker: b, environ: []string{"MAYFLY_API_KEY=hunter.two.secret"}}.run(t, args...)
		if strings.Contains(got.stdout+got.stderr, "hunter") {
			t.Errorf("%v shows the key: %+v", args, got)
		}
	}
}

func TestUnreadableAdminCredential(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, node.AdminTokenFile), 0o700); err != nil {
		t.Fatal(err)
	}
	b := (&broker{answer: fails(codes.Unauthenticated, "no credential")}).start(t)
	got := invocation{broker: b}.run(t, "cache", "list", "--data-dir", dir)
	if !strings.Contains(got.stderr, "the admin credential of this machine cannot be read") {
		t.Errorf("got %s", got.stderr)
	}
}

func TestPublishTellsHowFarItCame(t *testing.T) {
	b := &broker{}
	b.answer = func(_ string, request proto.Message, _ string) (proto.Message, error) {
		if request.(*pubsubpb.PublishRequest).GetValue().GetText() == "c" {
			return nil, status.Error(codes.ResourceExhausted, "enough")
		}
		return &pubsubpb.PublishResponse{}, nil
	}
	got := invocation{broker: b.start(t), stdin: "a\nb\nc\nd\n"}.run(t, "topic", "publish", "chat", "room", "--lines")
	if got.code != ExitFailure || !strings.HasPrefix(got.stderr, "mayfly: after 2 published items: over a limit: enough;") {
		t.Errorf("got %+v", got)
	}
}

func TestCacheNamesAreCompleted(t *testing.T) {
	b := (&broker{answer: always(&adminpb.DescribeCachesResponse{Caches: []*adminpb.CacheDescription{{Cache: "chat"}, {Cache: "users"}}})}).start(t)
	i := invocation{broker: b, environ: []string{"MAYFLY_API_KEY=x.y.z"}}
	for line, want := range map[string]string{
		"cache delete":        "chat\nusers\n:4\n",
		"list push":           "chat\nusers\n:4\n",
		"topic subscribe":     "chat\nusers\n:4\n",
		"list push chat":      ":4\n",
		"cache create":        ":4\n",
		"cache list -o":       "table\njson\n:4\n",
		"server --log-level":  "debug\ninfo\nwarn\nerror\n:4\n",
		"token create --role": "readonly\nreadwrite\nwriteonly\npublishonly\npublishsubscribe\nsubscribeonly\n:4\n",
	} {
		got := i.run(t, append(append([]string{"__completeNoDesc"}, strings.Fields(line)...), "")...)
		if got.stdout != want {
			t.Errorf("%s: got %q, want %q", line, got.stdout, want)
		}
	}
	for _, call := range b.took() {
		if call.credential != "x.y.z" {
			t.Errorf("completion sent credential %q", call.credential)
		}
	}
	silent := (&broker{answer: fails(codes.Internal, "no")}).start(t)
	if got := (invocation{broker: silent}).run(t, "__completeNoDesc", "cache", "delete", ""); got.stdout != ":4\n" {
		t.Errorf("without an answer: got %+v", got)
	}
}

func TestInputs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		args  []string
		stdin string
		want  []string
	}{
		{"arguments", []string{"a", "-"}, "x", []string{"a", "-"}},
		{"an empty argument", []string{""}, "x", []string{""}},
		{"standard input loses one line break", nil, "x\n\n", []string{"x\n"}},
		{"empty standard input", []string{"-"}, "", []string{""}},
		{"a file byte for byte", []string{"--file", file}, "", []string{"one\ntwo\n"}},
		{"a file by line", []string{"--file", file, "--lines"}, "", []string{"one", "two"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := (&broker{answer: always(&cachepb.ListConcatenateBackResponse{ListLength: 1})}).start(t)
			got := invocation{broker: b, stdin: tt.stdin}.run(t, append([]string{"list", "push", "chat", "room"}, tt.args...)...)
			calls := b.took()
			if len(calls) != 1 {
				t.Fatalf("got calls %v, %s", calls, got.stderr)
			}
			var values []string
			for _, v := range calls[0].request.(*cachepb.ListConcatenateBackRequest).GetValues() {
				values = append(values, string(v))
			}
			if strings.Join(values, "|") != strings.Join(tt.want, "|") {
				t.Errorf("got %q, want %q", values, tt.want)
			}
		})
	}
}

func TestUnknownKeyIsNotAnUnknownCache(t *testing.T) {
	for args, want := range map[string]string{
		"key revoke k1":         "`mayfly key list` shows the keys",
		"key rotate k1":         "`mayfly key list` shows the keys",
		"signing-key revoke k1": "`mayfly signing-key list` shows the signing keys",
	} {
		got := invocation{broker: (&broker{answer: fails(codes.NotFound, "no such key")}).start(t)}.run(t, strings.Fields(args)...)
		if got.stderr != "mayfly: not found: no such key; "+want+"\n" {
			t.Errorf("%s: got %s", args, got.stderr)
		}
	}
}
