package test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// happening is an item or a discontinuity, as every form of listening over HTTP
// tells it.
type happening struct {
	Item          *heard
	Discontinuity *struct {
		Last uint64 `json:"last_topic_sequence"`
		New  uint64 `json:"new_topic_sequence"`
		Page uint64 `json:"new_sequence_page"`
	}
}

// follower is a client that listens to a topic and comes back whenever it is cut off,
// to the next of its addresses, and goes on from the last place that it was told.
type follower struct {
	name  string
	addrs []string
	once  func(ctx context.Context, f *follower, addr string) error

	next, page uint64

	mu    sync.Mutex
	all   []happening
	comes int // how often it was let in
}

// followers are one client for each way to listen.
func followers(name string, addrs ...string) []*follower {
	return []*follower{
		{name: name + ", polls", addrs: addrs, once: pollOnce},
		{name: name + ", events", addrs: addrs, once: eventsOnce},
		{name: name + ", socket", addrs: addrs, once: socketOnce},
	}
}

// run follows until the test ends.
func (f *follower) run(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for turn := 0; ctx.Err() == nil; turn++ {
			err := f.once(ctx, f, f.addrs[turn%len(f.addrs)])
			if err != nil && !errors.Is(err, errCutOff) && ctx.Err() == nil {
				t.Errorf("%s: %v", f.name, err)
				return
			}
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// errCutOff: the connection was lost, or the node was not there; come back.
var errCutOff = errors.New("cut off")

// take notes what happened, and where that is.
func (f *follower) take(h happening) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h.Item != nil {
		f.next, f.page = h.Item.Sequence+1, h.Item.Page
	} else {
		f.next, f.page = h.Discontinuity.New+1, h.Discontinuity.Page
	}
	f.all = append(f.all, h)
}

// cameIn notes that the client was let in.
func (f *follower) cameIn() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.comes++
}

// values are the items that were heard.
func (f *follower) values() (values []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, h := range f.all {
		if h.Item != nil {
			values = append(values, h.Item.Value.Text)
		}
	}
	return values
}

func (f *follower) has(value string) bool {
	values := f.values()
	return len(values) > 0 && values[len(values)-1] == value
}

// ask makes a GET for the follower's place. 503 and a connection that is refused mean
// that the node is not there yet.
func (f *follower) ask(ctx context.Context, addr, accept, lastID string) (*http.Response, error) {
	url := fmt.Sprintf("http://%s/topics/story/topic?sequence_number=%d&sequence_page=%d", addr, f.next, f.page)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", accept)
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	answer, err := http.DefaultClient.Do(request)
	switch {
	case err != nil:
		return nil, errCutOff
	case answer.StatusCode == http.StatusServiceUnavailable:
		_ = answer.Body.Close()
		return nil, errCutOff
	case answer.StatusCode != http.StatusOK:
		_ = answer.Body.Close()
		return nil, errors.New(answer.Status)
	}
	f.cameIn()
	return answer, nil
}

func pollOnce(ctx context.Context, f *follower, addr string) error {
	for {
		answer, err := f.ask(ctx, addr, "application/json", "")
		if err != nil {
			return err
		}
		var said struct{ Items []happening }
		err = json.NewDecoder(answer.Body).Decode(&said)
		_ = answer.Body.Close()
		if err != nil {
			return errCutOff
		}
		for _, h := range said.Items {
			f.take(h)
		}
	}
}

func eventsOnce(ctx context.Context, f *follower, addr string) error {
	id := ""
	if f.page != 0 {
		id = fmt.Sprintf("%d-%d", f.page, f.next-1)
	}
	answer, err := f.ask(ctx, addr, "text/event-stream", id)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	lines, gap := bufio.NewScanner(answer.Body), false
	for lines.Scan() {
		line := lines.Text()
		gap = gap && line != "" || line == "event: discontinuity"
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var h happening
		if gap {
			err = json.Unmarshal([]byte(data), &h.Discontinuity)
		} else {
			err = json.Unmarshal([]byte(data), &h.Item)
		}
		if err != nil {
			return err
		}
		f.take(h)
	}
	return errCutOff
}

func socketOnce(ctx context.Context, f *follower, addr string) error {
	url := fmt.Sprintf("ws://%s/topics/story/topic?sequence_number=%d&sequence_page=%d", addr, f.next, f.page)
	c, answer, err := websocket.Dial(ctx, url, nil) //nolint:bodyclose // the library did
	if err != nil {
		if answer != nil {
			return errors.New(answer.Status)
		}
		return errCutOff
	}
	defer func() { _ = c.CloseNow() }()
	f.cameIn()
	for {
		_, text, err := c.Read(ctx)
		switch code := websocket.CloseStatus(err); {
		case err != nil && (code == websocket.StatusGoingAway || code == -1):
			return errCutOff
		case err != nil:
			return err
		}
		var said struct {
			Items []happening
			Error *struct{ Code, Message string }
		}
		switch err := json.Unmarshal(text, &said); {
		case err != nil:
			return err
		case said.Error != nil && said.Error.Code == "UNAVAILABLE":
			return errCutOff
		case said.Error != nil:
			return fmt.Errorf("%+v", said.Error)
		}
		for _, h := range said.Items {
			f.take(h)
		}
	}
}

// post publishes a value.
func post(ctx context.Context, addr, value string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/topics/story/topic", strings.NewReader(value))
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusNoContent {
		return errors.New(answer.Status)
	}
	return nil
}

// greet waits until all followers hear what is published.
func greet(t *testing.T, server *harness.Server, all []*follower) {
	t.Helper()
	for _, f := range all {
		f.run(t)
	}
	harness.Eventually(t, harness.Patience, "everybody's ear", func() (bool, string) {
		server.Request(t, http.MethodPost, "/topics/story/topic", "hello")
		for _, f := range all {
			if len(f.values()) == 0 {
				return false, f.name
			}
		}
		return true, ""
	})
}

// awaitAll waits until the last that each follower heard is the value.
func awaitAll(t *testing.T, all []*follower, value string) {
	t.Helper()
	harness.Eventually(t, harness.Patience, value, func() (bool, string) {
		for _, f := range all {
			if !f.has(value) {
				return false, fmt.Sprintf("%s: %q", f.name, f.values())
			}
		}
		return true, ""
	})
}

// nothingMissed demands that each follower heard all of what was said behind the
// greeting, once and in order, and was let in again as often as its node came back. It
// may be told of gaps only where the page of the topic changed, when gaps says so.
func nothingMissed(t *testing.T, all []*follower, said []string, comes int, gaps bool) {
	t.Helper()
	for _, f := range all {
		var values []string
		for _, v := range f.values() {
			if v != "hello" {
				values = append(values, v)
			}
		}
		if got, want := strings.Join(values, " "), strings.Join(said, " "); got != want {
			t.Errorf("%s heard %s\nwant %s", f.name, got, want)
		}
		if f.comes <= comes {
			t.Errorf("%s came in %d times, so nothing was tried", f.name, f.comes)
		}
		for _, h := range f.all {
			// A place that is told at the end of a quiet stream is no gap.
			if d := h.Discontinuity; d != nil && d.Last != 0 && !gaps {
				t.Errorf("%s was told of a gap: %+v", f.name, *d)
			}
		}
	}
}

// Whoever listens to a broker by nothing but HTTP goes on when it is stopped or killed
// and comes back. Topics live in memory, so the page is a new one, which is announced.
func TestListeningOverHTTPOutlivesTheBroker(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	all := followers("the client", server.Addr)
	greet(t, server, all)
	var said []string
	say := func() {
		t.Helper()
		for range 20 {
			said = append(said, fmt.Sprintf("item-%03d", len(said)))
			if err := post(t.Context(), server.Addr, said[len(said)-1]); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, end := range []func(testing.TB){server.Stop, server.Kill} {
		say()
		awaitAll(t, all, said[len(said)-1])
		end(t)
		server.Start(t)
		say() // while they are on their way back
		awaitAll(t, all, said[len(said)-1])
	}
	nothingMissed(t, all, said, 2, true)
}

// In a cluster nothing is lost, and nobody is told of a gap, when the node that clients
// are on is stopped or killed: they go on at another node, or at the same one when it
// is back, while others publish all the time.
func TestListeningOverHTTPOutlivesANode(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{})
	c.Nodes[0].CreateCache(t, "story")
	leader := c.Leader(t, c.Group("story", "topic"))
	others := c.Except(leader)
	theirs, speaker := others[0], others[1]
	all := append(followers("the faithful", theirs.Addr), followers("the movable", theirs.Addr, speaker.Addr, leader.Addr)...)
	greet(t, speaker.Server, all)

	var said []string
	say := func() error {
		value := fmt.Sprintf("item-%03d", len(said))
		said = append(said, value)
		return post(t.Context(), speaker.Addr, value)
	}
	for _, end := range []func(testing.TB){theirs.Stop, theirs.Kill} {
		silence, silent := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(silent)
			for pause := time.NewTicker(2 * time.Millisecond); ; <-pause.C {
				if err := say(); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-silence:
					pause.Stop()
					return
				default:
				}
			}
		}()
		end(t)
		theirs.Start(t)
		close(silence)
		<-silent
		awaitAll(t, all, said[len(said)-1])
	}
	nothingMissed(t, all[:3], said, 2, false)
	nothingMissed(t, all[3:], said, 1, false)
}
