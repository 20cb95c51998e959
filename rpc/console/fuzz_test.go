package console

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzFiles: whatever is asked for below /console/, by anybody, the answer is one of the
// files of the front end, its page, or no file, and never one that is hidden.
func FuzzFiles(f *testing.F) {
	for _, name := range []string{"", "index.html", "topics/chat", "assets/app-3f2a.js", ".keep", "assets", "../../etc/passwd", "..%2f..%2fgo.mod", "%00", "//", "assets/../index.html"} {
		f.Add("GET", name, "gzip, br", "bytes=0-3", `"x"`)
		f.Add("HEAD", name, "gzip;q=0", "bytes=9-1,-5,x", "*")
	}
	s, err := newStatic(frontEnd)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, name, accept, part, tag string) {
		target, err := url.Parse("/console/" + name)
		if err != nil {
			return
		}
		r := httptest.NewRequest(http.MethodGet, "/console/", nil)
		r.Method, r.URL = method, target
		r.Header = http.Header{"Accept-Encoding": {accept}, "Range": {part}, "If-None-Match": {tag}, "If-Range": {tag}}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		body := w.Body.String()
		if w.Code >= http.StatusInternalServerError {
			t.Fatalf("%d %s", w.Code, body)
		}
		if w.Code != http.StatusOK || method != http.MethodGet {
			return
		}
		asked := strings.TrimPrefix(target.Path, "/console/")
		if file, ok := frontEnd[asked]; body != string(frontEnd[index].Data) && (!ok || asked == ".keep" || body != string(file.Data)) {
			t.Fatalf("%q is answered with %q", name, body)
		}
	})
}
