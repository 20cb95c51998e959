package console

import (
	"net/http"
)

// Console serves everything below /console.
type Console struct {
	mux *http.ServeMux
}

// New makes a Console. It fails when the front end in the binary cannot be read.
func New() (*Console, error) {
	pages, err := newStatic(built())
	if err != nil {
		return nil, err
	}
	c := &Console{mux: http.NewServeMux()}
	c.mux.Handle("/console", http.RedirectHandler("/console/", http.StatusPermanentRedirect))
	c.mux.Handle("/console/", pages)
	return c, nil
}

// ServeHTTP implements http.Handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.mux.ServeHTTP(w, r) }
