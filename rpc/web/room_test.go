package web

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/mayfly-broker/mayfly/rpc/api"
	"github.com/mayfly-broker/mayfly/rpc/share"
)

func TestReadAllTakesRoom(t *testing.T) {
	for _, size := range []int{0, 1, 511, 512, 513, unasked, unasked + 1, 1 << 20} {
		for _, limit := range []int64{0, 256 << 10, 16 << 20} {
			text := bytes.Repeat([]byte("x"), size)
			pool := share.New(limit, 1)
			room := pool.Holder()
			got, err := readAll(iotest.HalfReader(bytes.NewReader(text)), &room)
			switch {
			case err == nil && !bytes.Equal(got, text):
				t.Errorf("%d bytes became %d", size, len(got))
			case err == nil && size > 2*unasked && room.Held() < int64(size)/2:
				t.Errorf("%d bytes took room for %d", size, room.Held())
			case err == nil && size <= unasked/2 && room.Held() > 0:
				t.Errorf("%d bytes took room for %d, want none", size, room.Held())
			case err != nil && (!errors.Is(err, api.ErrNoRoom) || int64(size) < limit/4 || size <= unasked/2):
				t.Errorf("%d bytes with room for %d: %v", size, limit, err)
			case err == nil && size > unasked && limit < int64(size)/4:
				t.Errorf("%d bytes found room in %d", size, limit)
			}
		}
	}
	broken := errors.New("broken")
	if _, err := readAll(iotest.ErrReader(broken), new(share.Holder)); !errors.Is(err, broken) {
		t.Errorf("a reader that is broken: %v", err)
	}
}

// What a request took is given back, and no other is in its way.
func TestRequestsGiveRoomBack(t *testing.T) {
	pool := share.New(1<<20, 1)
	s := &Server{config: Config{Room: pool}}
	h := s.roomy(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := readAll(r.Body, roomOf(r))
		if err != nil || len(body) != 200_000 || pool.Used() == 0 {
			t.Errorf("%d bytes, %v, %d taken", len(body), err, pool.Used())
		}
	}))
	for range 3 {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", 200_000))))
		if used := pool.Used(); used != 0 {
			t.Fatalf("%d bytes are taken when the request is over", used)
		}
	}
}

func TestCompressedBodiesAreRefused(t *testing.T) {
	h := plainOnly(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for encoding, want := range map[string]int{"": 200, "identity": 200, "gzip": 415, "br": 415, "identity, gzip": 415} {
		r := httptest.NewRequest(http.MethodPost, "/topics/a/b", strings.NewReader("x"))
		r.Header.Set("Content-Encoding", encoding)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("Content-Encoding %q is answered %d, want %d", encoding, w.Code, want)
		}
		_, _ = io.Copy(io.Discard, w.Body)
	}
}
