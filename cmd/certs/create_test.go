package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func request(dir string) Request {
	return Request{
		Dir: dir, Names: []string{"mayfly.example.com", "cache.mayfly.example.com"},
		Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("::1")}, Days: DefaultDays, Now: now,
	}
}

func create(t *testing.T, r Request) Made {
	t.Helper()
	made, err := Create(r)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// handshake has a client that trusts the folder's authority alone connect to a
// server with the folder's certificate, by that name.
func handshake(t *testing.T, dir, name string, at time.Time) error {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, File), filepath.Join(dir, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := Read(filepath.Join(dir, CAFile))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca[0])
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	go tls.Server(there, &tls.Config{Certificates: []tls.Certificate{pair}}).HandshakeContext(t.Context()) // its end is that of the pipe
	return tls.Client(here, &tls.Config{RootCAs: roots, ServerName: name, Time: func() time.Time { return at }}).HandshakeContext(t.Context())
}

func TestClientsTrustWhatIsMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	made := create(t, request(dir))
	for _, name := range []string{"mayfly.example.com", "cache.mayfly.example.com", "10.0.0.1", "::1"} {
		if err := handshake(t, dir, name, now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, at := range map[string]time.Time{
		"elsewhere.example.com": now, "10.0.0.2": now,
		"mayfly.example.com": now.Add((DefaultDays*24 + 1) * time.Hour),
	} {
		if err := handshake(t, dir, name, at); err == nil {
			t.Errorf("%s at %s is trusted", name, at)
		}
	}
	if !made.NewCA || made.Old != nil || made.Certificate.IsCA || !made.CA.MaxPathLenZero || len(made.CA.ExtKeyUsage) > 0 {
		t.Errorf("made %+v", made)
	}
	if end := made.CA.NotAfter; !end.Equal(now.AddDate(10, 0, 0)) {
		t.Errorf("the authority ends %s", end)
	}
	for name, mode := range map[string]fs.FileMode{CAFile: 0o644, CAKeyFile: 0o600, File: 0o644, KeyFile: 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, mode)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 4 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

func TestRenewal(t *testing.T) {
	dir := t.TempDir()
	first := create(t, request(dir))
	authority := contents(t, dir, CAFile) + contents(t, dir, CAKeyFile)
	later := request(dir)
	later.Now = now.AddDate(1, 0, 0)
	second := create(t, later)
	if second.NewCA || !second.CA.Equal(first.CA) || contents(t, dir, CAFile)+contents(t, dir, CAKeyFile) != authority {
		t.Error("the authority is another one")
	}
	if !second.Old.Equal(first.Certificate) || second.Certificate.SerialNumber.Cmp(first.Certificate.SerialNumber) == 0 {
		t.Error("the certificate was not renewed")
	}
	if err := handshake(t, dir, "mayfly.example.com", later.Now.Add(300*day)); err != nil {
		t.Error(err)
	}
	// Close to its end the authority bounds what it signs.
	later.Now = first.CA.NotAfter.Add(-10 * day)
	if made := create(t, later); !made.Certificate.NotAfter.Equal(first.CA.NotAfter) {
		t.Errorf("the certificate ends %s, after its authority", made.Certificate.NotAfter)
	}
	later.Now = first.CA.NotAfter.Add(-time.Hour)
	if _, err := Create(later); !errors.Is(err, ErrEnds) {
		t.Errorf("an authority at its end: %v", err)
	}
	later.NewCA = true
	if made := create(t, later); !made.NewCA || made.CA.Equal(first.CA) {
		t.Error("no new authority was made")
	}
	if err := handshake(t, dir, "mayfly.example.com", later.Now); err != nil {
		t.Error(err)
	}
}

// What is there and is not ours stays as it is.
func TestNothingOfOthersIsOverwritten(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(t *testing.T, dir string)
		want   error
		says   string
	}{
		"the authority's key is missing": {remove(CAKeyFile), ErrHalf, CAKeyFile},
		"its certificate is missing":     {remove(CAFile), ErrHalf, CAFile},
		"a key of somebody else":         {other(CAKeyFile), nil, "not the key"},
		"a certificate of somebody else": {other(File), ErrForeign, File},
		"no authority, a certificate": {func(t *testing.T, dir string) {
			remove(CAFile)(t, dir)
			remove(CAKeyFile)(t, dir)
		}, ErrForeign, File},
		"a broken authority":   {overwrite(CAFile, "nonsense"), nil, "no certificate"},
		"a broken key":         {overwrite(CAKeyFile, "nonsense"), nil, "no private key"},
		"a broken certificate": {overwrite(File, "nonsense"), nil, "no certificate"},
		"a file without end":   {overwrite(File, strings.Repeat("x", maxFile+1)), nil, "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			create(t, request(dir))
			tt.change(t, dir)
			before := folder(t, dir)
			_, err := Create(request(dir))
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want %v that says %q", err, tt.want, tt.says)
			}
			if after := folder(t, dir); !slices.Equal(before, after) {
				t.Error("something has changed")
			}
		})
	}
	for _, r := range []Request{{Dir: "d", Days: 1}, {Dir: "d", Names: []string{"a"}}, {Dir: "d", Names: []string{"a"}, Days: MaxDays + 1}} {
		if _, err := Create(r); err == nil {
			t.Errorf("%+v was done", r)
		}
	}
}

func TestMissing(t *testing.T) {
	made := create(t, request(t.TempDir()))
	got := Missing(made.Certificate, []string{"mayfly.example.com", "a.mayfly.example.com", "10.0.0.1", "10.0.0.9"})
	if want := []string{"a.mayfly.example.com", "10.0.0.9"}; !slices.Equal(got, want) {
		t.Errorf("missing %q, want %q", got, want)
	}
}

func remove(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func overwrite(name, text string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// other puts the file of another folder into its place.
func other(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		elsewhere := t.TempDir()
		create(t, request(elsewhere))
		overwrite(name, contents(t, elsewhere, name))(t, dir)
	}
}

func contents(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func folder(t *testing.T, dir string) (all []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		all = append(all, f.Name()+": "+contents(t, dir, f.Name()))
	}
	return all
}
