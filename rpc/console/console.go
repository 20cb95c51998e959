package console

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/mayfly-broker/mayfly/cluster/steward"
	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/usage"
	"github.com/mayfly-broker/mayfly/rpc/web"
)

// Config is what a Console is told at birth.
type Config struct {
	// Version is what is running, Node the name of this node, Cluster the id of its
	// cluster.
	Version, Node, Cluster string
	// Gate tells whether the cluster is open. Needed.
	Gate *auth.Gate
	// Broker is asked for what the pages show. Needed.
	Broker Broker
}

// Broker is the node as a Console asks it.
type Broker interface {
	// Status tells how the cluster is; see api.Cluster.
	Status(ctx context.Context) (steward.Status, error)
	// Versions tells what the nodes run that this one has heard of, by name.
	Versions() map[string]string
	// Look tells about a topic what this node knows.
	Look(cache, topic string) Topic
	// Nodes lists the members by name, this node among them.
	Nodes() []string
	// Usage tells what a member did in the last hour.
	Usage(ctx context.Context, node string) ([]usage.Sample, error)
}

// Calls is the server that calls go to; *api.Server is one, and says what each
// promises.
type Calls interface {
	Identify(ctx context.Context, credential string) (auth.Principal, error)
	Rehearse(ctx context.Context, credential, method, cache string, message proto.Message) *status.Status
}

// Console serves everything below /console.
type Console struct {
	config Config
	mux    *http.ServeMux
	calls  atomic.Pointer[Calls] // nil before Open
}

// patience bounds a question, which may go to other nodes.
const patience = 5 * time.Second

// New makes a Console. It fails when something needed is missing, or when the front
// end in the binary cannot be read.
func New(config Config) (*Console, error) {
	if config.Gate == nil || config.Broker == nil {
		return nil, errors.New("console: Gate and Broker are needed")
	}
	pages, err := newStatic(built())
	if err != nil {
		return nil, err
	}
	c := &Console{config: config, mux: http.NewServeMux()}
	c.mux.Handle("/console", http.RedirectHandler("/console/", http.StatusPermanentRedirect))
	c.mux.Handle("/console/", pages)
	for _, q := range c.questions() {
		c.mux.Handle(q.path, c.asked(q))
	}
	c.mux.HandleFunc("/console/api/", func(w http.ResponseWriter, _ *http.Request) {
		web.Refuse(w, http.StatusNotFound, "NOT_FOUND", "The console has no such question.")
	})
	return c, nil
}

// question is one path below /console/api/.
type question struct {
	path, method string
	// anybody may ask; else only who may do what operators may.
	anybody bool
	answer  http.HandlerFunc
}

// questions is all that can be asked.
func (c *Console) questions() []question {
	return []question{
		{"/console/api/session", http.MethodGet, true, c.session},
		{"/console/api/cluster", http.MethodGet, false, c.cluster},
		{"/console/api/usage", http.MethodGet, false, c.usage},
		{"/console/api/topic", http.MethodGet, false, c.topic},
		{"/console/api/inspect", http.MethodPost, false, c.inspect},
	}
}

// Open has questions answered from now on by what calls go to. Until then callers
// are told to come back.
func (c *Console) Open(calls Calls) { c.calls.Store(&calls) }

// ServeHTTP implements http.Handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.mux.ServeHTTP(w, r) }

// asked checks the verb and the caller of a question, and bounds its time.
func (c *Console) asked(q question) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != q.method {
			w.Header().Set("Allow", q.method)
			web.Refuse(w, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "This path answers "+q.method+".")
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		if !q.anybody {
			if end := c.mayOperate(ctx, web.Credential(r)); end.Code() != codes.OK {
				web.Failed(w, end)
				return
			}
		}
		q.answer(w, r.WithContext(ctx))
	})
}

var errStarting = status.New(codes.Unavailable, "this node is starting, try another one or wait")

// mayOperate answers whether the holder of a credential may do what operators may.
func (c *Console) mayOperate(ctx context.Context, credential string) *status.Status {
	calls := c.calls.Load()
	if calls == nil {
		return errStarting
	}
	return (*calls).Rehearse(ctx, credential, adminv1.Admin_ClusterStatus_FullMethodName, "", &adminv1.ClusterStatusRequest{})
}

// millis is a time as JSON, null for none.
func millis(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	ms := t.UnixMilli()
	return &ms
}
