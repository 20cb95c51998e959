package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

// The folder always holds .keep, and all else that `make console` puts there.
//
//go:embed all:app/dist
var embedded embed.FS

// built returns the files of the front end that this binary holds.
func built() fs.FS {
	files, err := fs.Sub(embedded, "app/dist")
	if err != nil {
		panic(err) // the name above is no path
	}
	return files
}

// index is the page that all addresses of the console show.
const index = "index.html"

// hashedFolder is where the front end's build puts files whose names change with
// their content.
const hashedFolder = "assets/"

// contentTypes are those of the files that a front end consists of. The machine's
// own table is not asked: it differs from one to the next.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8", ".json": "application/json", ".map": "application/json",
	".webmanifest": "application/manifest+json", ".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon",
	".webp": "image/webp", ".woff2": "font/woff2", ".wasm": "application/wasm", ".txt": "text/plain; charset=utf-8",
}

// asset is what is known of a file before it is asked for.
type asset struct {
	contentType string
	tag         string // the ETag, made of the content
	hashed      bool
	// zipped is the file compressed, made when a browser first asks; nil for a file
	// that is not worth it.
	zipped func() []byte
}

// static serves the files of the front end.
type static struct {
	files  fs.FS
	assets map[string]asset // by path
}

// newStatic looks through the files once.
func newStatic(files fs.FS) (*static, error) {
	s := &static{files: files, assets: make(map[string]asset)}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || strings.HasPrefix(entry.Name(), ".") {
			return err
		}
		tag, err := tagOf(files, name)
		if err != nil {
			return err
		}
		kind, known := contentTypes[path.Ext(name)]
		if !known {
			kind = "application/octet-stream"
		}
		a := asset{contentType: kind, tag: tag, hashed: strings.HasPrefix(name, hashedFolder)}
		if info, err := entry.Info(); err == nil && info.Size() >= zipFrom && zips[path.Ext(name)] {
			a.zipped = sync.OnceValue(func() []byte { return zip(files, name) })
		}
		s.assets[name] = a
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("console: reading the front end: %w", err)
	}
	return s, nil
}

// zipFrom is the size of the smallest file that is compressed, and zips are the
// kinds that gain by it.
const zipFrom = 4 << 10

var zips = map[string]bool{".html": true, ".js": true, ".mjs": true, ".css": true, ".json": true, ".svg": true, ".map": true}

// zip compresses a file; nil when that fails, or makes it no smaller.
func zip(files fs.FS, name string) []byte {
	plain, err := fs.ReadFile(files, name)
	if err != nil {
		return nil
	}
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // a level that there is
	if _, err := w.Write(plain); err != nil || w.Close() != nil || b.Len() >= len(plain) {
		return nil
	}
	return bytes.Clone(b.Bytes())
}

// takesZip reports whether a client takes files compressed. One that says in which
// order it likes its encodings best has them plain.
func takesZip(r *http.Request) bool {
	for encoding := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		if strings.TrimSpace(encoding) == "gzip" {
			return true
		}
	}
	return false
}

func tagOf(files fs.FS, name string) (string, error) {
	f, err := files.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // it was only read
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", err
	}
	return `"` + base64.RawURLEncoding.EncodeToString(hash.Sum(nil)[:12]) + `"`, nil
}

// policy lets the pages load and call this node and nothing else.
const policy = "default-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// ServeHTTP answers for a path below /console/. Paths that look like no file are
// addresses within the front end and get its page.
func (s *static) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "The console answers GET and HEAD.", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/console/")
	found, ok := s.assets[name]
	if !ok && path.Ext(name) == "" {
		name = index
		found, ok = s.assets[index]
		if !ok {
			h.Set("Cache-Control", "no-store")
			h.Set("Content-Type", contentTypes[".html"])
			_, _ = io.WriteString(w, unbuilt) // the client may have gone
			return
		}
	}
	if !ok {
		h.Set("Cache-Control", "no-store")
		http.Error(w, "The console has no such file.", http.StatusNotFound)
		return
	}
	s.serve(w, r, name, found)
}

// serve answers with a file, or says that the client's copy still is the file.
func (s *static) serve(w http.ResponseWriter, r *http.Request, name string, a asset) {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", "no-cache") // a copy may be kept, and asked about each time
	if a.hashed {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if a.zipped != nil {
		h.Add("Vary", "Accept-Encoding") // beside what others said
		if takesZip(r) && a.zipped() != nil {
			h.Set("Content-Encoding", "gzip")
			h.Set("ETag", strings.TrimSuffix(a.tag, `"`)+`-gzip"`)
			http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(a.zipped()))
			return
		}
	}
	h.Set("ETag", a.tag)
	f, err := s.files.Open(name)
	if err != nil {
		http.Error(w, "The console's file cannot be read.", http.StatusInternalServerError)
		return
	}
	defer f.Close() //nolint:errcheck // it was only read
	content, ok := f.(io.ReadSeeker)
	if !ok {
		http.Error(w, "The console's file cannot be read.", http.StatusInternalServerError)
		return
	}
	http.ServeContent(w, r, name, time.Time{}, content)
}

// unbuilt is the page of a binary without the front end.
const unbuilt = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Mayfly console</title>
<h1>This broker was built without its console</h1>
<p>The broker itself works. The console's pages are built by Node.js and npm, and were not there when this program was
compiled. In the source folder, run</p>
<pre>make console
make build</pre>
<p>and start the program again. <code>make build</code> alone does both where npm is installed.</p>
</html>
`
