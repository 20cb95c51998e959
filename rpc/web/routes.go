package web

import (
	"net/http"
	"strings"
)

// route is a path, in the words of http.ServeMux, and the verbs that it answers.
type route struct {
	path  string
	verbs []verb
}

// verb is a method of HTTP at a path.
type verb struct {
	method string
	handle http.HandlerFunc
}

// table is all that can be asked for, beside the console and calls in gRPC-Web, which
// have paths of their own. What is here is in openapi.json, too. A verb that is not
// here is answered with 405 and those that are.
func (s *Server) table() []route {
	return []route{
		{"/{$}", page(s.welcome)},
		{"/livez", page(s.live)},
		{"/readyz", page(s.ready)},
		{"/metrics", page(s.metrics)},
		{"/openapi.json", page(s.describe)},
		{"/cache/{cache}", []verb{{"GET", s.getItem}, {"HEAD", s.getItem}, {"PUT", s.putItem}, {"DELETE", s.deleteItem}}},
		{"/cache/{cache}/lists/{name}", []verb{{"GET", s.getList}, {"POST", s.push}, {"DELETE", s.deleteList}}},
		{"/cache/{cache}/lists/{name}/length", []verb{{"GET", s.getLength}}},
		{"/cache/{cache}/lists/{name}/pop", []verb{{"POST", s.pop}}},
		{"/topics/{cache}/{topic}", []verb{{"GET", s.listen}, {"POST", s.publish}}},
		{"/usage", []verb{{"GET", s.usage}}},
		{"/vend/{name}", []verb{{"GET", s.vend}, {"POST", s.vend}}},
	}
}

// page is something to look at.
func page(handle http.HandlerFunc) []verb { return []verb{{"GET", handle}, {"HEAD", handle}} }

// routes serves the table, and calls.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.table() {
		mux.Handle(r.path, r)
	}
	// The console tells its own paths and verbs apart.
	if console := s.config.Console; console != nil {
		mux.Handle("/console", console)
		mux.Handle("/console/", console)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "NOT_FOUND", "There is nothing at this path; / says what there is.")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if text, ok := grpcWebForm(r); ok {
			s.grpcWeb(w, r, text)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// ServeHTTP implements http.Handler.
func (t route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	methods := make([]string, 0, len(t.verbs))
	for _, v := range t.verbs {
		if v.method == r.Method {
			v.handle(w, r)
			return
		}
		methods = append(methods, v.method)
	}
	allowed := strings.Join(methods, ", ")
	w.Header().Set("Allow", allowed)
	refuse(w, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "This path answers %s.", allowed)
}
