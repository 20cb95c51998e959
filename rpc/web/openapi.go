package web

import (
	_ "embed"
	"net/http"
)

// openAPI describes the table to programs. A test compares the two.
//
//go:embed openapi.json
var openAPI []byte

// describe answers with the description of all that can be asked for.
func (s *Server) describe(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store") // it is this version's
	_, _ = w.Write(openAPI)            // the client may have gone
}
