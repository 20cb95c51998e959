package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/mayfly-broker/mayfly/rpc/auth"
)

// Reason is something that keeps a node from serving.
type Reason struct {
	// Name is a word that programs know, such as "draining".
	Name string `json:"name"`
	// Detail is for people; it may be empty, and holds no secret.
	Detail string `json:"detail,omitempty"`
}

// String is the reason on one line.
func (r Reason) String() string {
	if r.Detail == "" {
		return r.Name
	}
	return r.Name + ": " + r.Detail
}

const welcomeText = `This is the client port of a Mayfly broker. Momento SDKs connect to this address.

  /cache/{cache}               one item: GET, PUT, DELETE
  /cache/{cache}/lists/{name}  a list: GET, POST adds, DELETE
  /topics/{cache}/{topic}      POST publishes; GET waits for what is published, also as events and WebSocket
  /vend/{name}                 a token for a page, where the node's settings have that endpoint
  /usage                       what clients used, for operators
  /console                     pages to look into the broker with
  /openapi.json                these paths, described for programs
  /livez                       whether the process is alive
  /readyz                      whether it can serve, and why not
  /metrics                     its numbers, for Prometheus`

func (s *Server) welcome(w http.ResponseWriter, _ *http.Request) {
	text(w, http.StatusOK, welcomeText)
}

func (s *Server) live(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok") }

// ready answers 200, or 503 and the reasons: one on each line, or as JSON for
// those who would rather have that.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	reasons := s.config.Ready()
	status := http.StatusOK
	if len(reasons) > 0 {
		status = http.StatusServiceUnavailable
	}
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		answerJSON(w, status, struct {
			Ready   bool     `json:"ready"`
			Reasons []Reason `json:"reasons"`
		}{len(reasons) == 0, append([]Reason{}, reasons...)}) // an empty list, never null
		return
	}
	lines := []string{"ok"}
	if len(reasons) > 0 {
		lines = lines[:0]
	}
	for _, reason := range reasons {
		lines = append(lines, reason.String())
	}
	text(w, status, strings.Join(lines, "\n"))
}

// metrics lets in whoever could call anything in open mode, and otherwise holders
// of an API key: numbers about all callers are not for those who were given a
// token for one room.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	who, err := s.config.Gate.Authenticate(credential(r), time.Now())
	switch {
	case err != nil:
		w.Header().Set("WWW-Authenticate", `Bearer realm="mayfly"`)
		text(w, http.StatusUnauthorized, "The metrics need an API key, as Authorization: Bearer KEY; "+
			strings.TrimPrefix(err.Error(), auth.ErrUnauthenticated.Error()+": ")+".")
	case who.Kind == auth.KindToken:
		text(w, http.StatusForbidden, "The metrics need an API key; a disposable token is not enough.")
	default:
		proven(r.Context())
		s.config.Metrics.ServeHTTP(w, r)
	}
}

// credential returns what the request proves its caller by, with or without the
// word Bearer before it; empty for nothing.
func credential(r *http.Request) string {
	value := r.Header.Get("Authorization")
	const scheme = "Bearer "
	if len(value) >= len(scheme) && strings.EqualFold(value[:len(scheme)], scheme) {
		value = value[len(scheme):]
	}
	return strings.TrimSpace(value)
}
