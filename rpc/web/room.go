package web

import (
	"context"
	"io"
	"net/http"
	"slices"

	"github.com/mayfly-broker/mayfly/rpc/api"
	"github.com/mayfly-broker/mayfly/rpc/share"
)

// unasked is how much of a body, and of an answer, a request may hold without asking
// for room.
const unasked = 64 << 10

type roomKey struct{}

// roomy gives every request a place to take room from for what it holds: its body as
// far as it has come, and an answer that its client has to read. It is given back when
// the handler returns.
func (s *Server) roomy(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		room := s.config.Room.Holder()
		defer func() { room.Give(room.Held()) }()
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), roomKey{}, &room)))
	})
}

// roomOf is what a request takes room from.
func roomOf(r *http.Request) *share.Holder {
	if room, ok := r.Context().Value(roomKey{}).(*share.Holder); ok {
		return room
	}
	return new(share.Holder)
}

// roomyCall takes room for the answer, which stays until the client has read it.
type roomyCall struct {
	*plainCall
	room *share.Holder
}

// Send implements api.Exchange.
func (c roomyCall) Send(message []byte) error {
	if len(message) > unasked && !c.room.Take(int64(len(message))) {
		return api.ErrNoRoom
	}
	return c.plainCall.Send(message)
}

// readAll is io.ReadAll, and takes room for what it reads before it has room for it.
func readAll(from io.Reader, room *share.Holder) ([]byte, error) {
	b := make([]byte, 0, 512)
	for {
		n, err := from.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case err == io.EOF: //nolint:errorlint // as io.Reader has it
			return b, nil
		case err != nil:
			return b, err
		case len(b) < cap(b):
			continue
		}
		more := cap(b)
		if 2*more > unasked && !room.Take(int64(more)) {
			return b, api.ErrNoRoom
		}
		b = slices.Grow(b, more)
	}
}

// plainOnly refuses bodies that are compressed: nothing here unpacks what clients
// send.
func plainOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if how := r.Header.Get("Content-Encoding"); how != "" && how != "identity" {
			w.Header().Set("Accept-Encoding", "identity")
			refuse(w, http.StatusUnsupportedMediaType, "INVALID_ARGUMENT", "The body is compressed; send it as it is, without Content-Encoding.")
			return
		}
		next.ServeHTTP(w, r)
	})
}
