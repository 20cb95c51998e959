package fault

import (
	"io"
	"net/http"
)

// Admin serves GET /block, which cuts the line, and GET /unblock, which mends it.
func (l *Line) Admin() http.Handler {
	mux := http.NewServeMux()
	answer := func(do func(), text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			do()
			_, _ = io.WriteString(w, text+"\n") // a client that has gone does not care
		}
	}
	mux.HandleFunc("GET /block", answer(l.Cut, "blocked"))
	mux.HandleFunc("GET /unblock", answer(l.Mend, "unblocked"))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "GET /block cuts the client port, GET /unblock mends it", http.StatusNotFound)
	})
	return mux
}
