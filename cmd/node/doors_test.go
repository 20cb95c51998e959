package node

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/rpc/api"
	"github.com/mayfly-broker/mayfly/rpc/fault"
)

// get asks the client port for a page; status 0 means that nobody answered.
func get(t *testing.T, conn *grpc.ClientConn, path, credential string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+conn.Target()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if credential != "" {
		request.Header.Set("Authorization", "Bearer "+credential)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// Pages may ask for faults where somebody listens to that, and nowhere else.
func TestPagesAskForFaults(t *testing.T) {
	injector, err := fault.NewInjector(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	const asked = "request-id error-rpcs return-error error-count delay-rpcs delay-ms delay-count stream-error-rpcs stream-error stream-error-message-limit"
	for name, faults := range map[string]api.Faults{"a broker to test against": injector, "a broker": nil} {
		t.Run(name, func(t *testing.T) {
			config := small(t)
			config.Faults = faults
			conn, _ := run(t, config)
			request, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, "http://"+conn.Target()+"/cache_client.Scs/Get", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Origin", "http://localhost:3000")
			request.Header.Set("Access-Control-Request-Method", http.MethodPost)
			client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			answer, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			allowed := strings.Split(answer.Header.Get("Access-Control-Allow-Headers"), ", ")
			if !slices.Contains(allowed, "authorization") {
				t.Fatalf("%s: %q", answer.Status, allowed)
			}
			for header := range strings.FieldsSeq(asked) {
				if slices.Contains(allowed, header) != (faults != nil) {
					t.Errorf("%s may be sent: %v", header, faults == nil)
				}
			}
		})
	}
}

func TestMetricsOfANode(t *testing.T) {
	config := small(t)
	conn, _ := run(t, config)
	if err := list(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	code, text := get(t, conn, "/metrics", "")
	for _, line := range []string{
		`mayfly_calls_total{code="OK",method="ListCaches",service="control_client.ScsControl"} 1`,
		`mayfly_connections{protocol="grpc"} 1`,
		`mayfly_connections{protocol="http"} 1`,
		`mayfly_raft_groups{role="leader"} 3`,
		`mayfly_raft_leader_known{group="2"} 1`,
		`mayfly_topics 0`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("%d, no line %s", code, line)
		}
	}
	admin := adminToken(t, config.DataDir)
	if _, err := adminv1.NewAdminClient(conn).CreateApiKey(as(t, admin), &adminv1.CreateApiKeyRequest{
		Permissions: &permissionpb.Permissions{Kind: &permissionpb.Permissions_SuperUser{}},
	}); err != nil {
		t.Fatal(err)
	}
	if code, _ := get(t, conn, "/metrics", ""); code != http.StatusUnauthorized {
		t.Errorf("without a key, secured: %d", code)
	}
	if code, _ := get(t, conn, "/metrics", admin); code != http.StatusOK {
		t.Errorf("with the admin credential: %d", code)
	}
}

// While a node drains it says so, until the last subscription is gone.
func TestReadyUntilTheEnd(t *testing.T) {
	config := small(t)
	config.Caches = []string{"default"}
	n, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	conn, err := grpc.NewClient(n.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// They are ended one after the other, which takes a while.
	var streams [8]grpc.ServerStreamingClient[pubsubpb.SubscribeResponse]
	for i := range streams {
		streams[i], err = pubsubpb.NewPubsubClient(conn).Subscribe(t.Context(), &pubsubpb.SubscribeRequest{CacheName: "default", Topic: "t"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := streams[i].Recv(); err != nil {
			t.Fatal(err)
		}
	}
	if code, text := get(t, conn, "/readyz", ""); code != http.StatusOK || text != "ok\n" {
		t.Errorf("before: %d %q", code, text)
	}
	cancel()
	code, text := get(t, conn, "/readyz", "")
	for code == http.StatusOK {
		code, text = get(t, conn, "/readyz", "")
	}
	if code != http.StatusServiceUnavailable || text != "draining: this node is stopping\n" {
		t.Errorf("while it drains: %d %q", code, text)
	}
	if code, _ := get(t, conn, "/livez", ""); code != http.StatusOK {
		t.Errorf("a node that drains is alive, and yet: %d", code)
	}
	for _, s := range streams {
		for err = nil; err == nil; {
			_, err = s.Recv()
		}
		if err != io.EOF && status.Code(err) != codes.OK {
			t.Errorf("a subscription ended with %v", err)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if code, _ := get(t, conn, "/livez", ""); code != 0 {
		t.Errorf("after its end: %d", code)
	}
}
