package test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// marker is a value that can be found in the files.
const marker = "this-value-is-to-be-found-in-the-log-of-its-group-"

// A flipped byte in a record: the broker says which group and which record and
// does not start. With the byte put back it starts, and nothing is missing.
func TestDamagedRecord(t *testing.T) {
	t.Parallel()
	server, values := filled(t)
	log := logWith(t, server.DataDir, values[7])
	whole := read(t, log)
	write(t, log, bytes.ReplaceAll(whole, []byte(values[7]), []byte(strings.Replace(values[7], "found", "Found", 1))))
	refusesToStart(t, server, log, `record \d+`)
	write(t, log, whole)
	server.Start(t)
	if got := fetch(t, server); !slices.Equal(got, values) {
		t.Errorf("with the byte put back the list is %q, want %q", got, values)
	}
}

// A log that was cut short: wherever a record is missing the broker refuses to
// start. What the file has beyond its last record is room that was never used;
// without it everything is as it was.
func TestLogCutShort(t *testing.T) {
	t.Parallel()
	server, values := filled(t)
	log := logWith(t, server.DataDir, values[7])
	whole := read(t, log)
	lastRecord := bytes.LastIndex(whole, []byte(marker))
	for _, size := range []int{lastRecord, len(whole) / 2, 4096, 1, 0} {
		t.Run(fmt.Sprint("to ", size), func(t *testing.T) {
			server := *server // its process belongs to this subtest
			write(t, log, whole[:size])
			refusesToStart(t, &server, log, "")
		})
	}
	t.Run("to nothing at all", func(t *testing.T) {
		server := *server
		if err := os.Remove(log); err != nil {
			t.Fatal(err)
		}
		refusesToStart(t, &server, log, "")
	})
	for _, size := range []int{len(whole) - 1, len(whole) - 4096, len(whole) - 8192} {
		t.Run(fmt.Sprint("or not, to ", size), func(t *testing.T) {
			server := *server
			write(t, log, whole[:size])
			refusesOrIsRight(t, &server, log, values)
		})
	}
}

// A byte flipped anywhere in the log: either the byte did not matter and
// everything is as it was, or the broker refuses to start. It never serves
// something else.
func TestByteFlippedAnywhere(t *testing.T) {
	t.Parallel()
	server, values := filled(t)
	log := logWith(t, server.DataDir, values[7])
	whole := read(t, log)
	const flips = 48
	noticed := 0
	for i := range flips {
		at := (2*i + 1) * len(whole) / (2 * flips)
		t.Run(fmt.Sprint("at ", at), func(t *testing.T) {
			server := *server
			damaged := slices.Clone(whole)
			damaged[at] ^= 0x40
			write(t, log, damaged)
			if refusesOrIsRight(t, &server, log, values) {
				noticed++
			}
		})
	}
	t.Logf("%d of %d flips hit something that mattered", noticed, flips)
	if noticed == 0 {
		t.Error("no flip was noticed")
	}
}

// refusesOrIsRight starts a broker whose log may be damaged and reports whether
// it refused. When it serves, it must serve what was acknowledged.
func refusesOrIsRight(t *testing.T, server *harness.Server, log string, values []string) (refused bool) {
	t.Helper()
	if !server.StartOrExit(t) {
		saysWhatIsDamaged(t, server, log, "")
		return true
	}
	if got := fetch(t, server); !slices.Equal(got, values) {
		t.Errorf("wrong data: %q, want %q", got, values)
	}
	server.Stop(t)
	return false
}

// filled runs a broker with one data group until it holds a list, and stops
// it.
func filled(t *testing.T) (server *harness.Server, values []string) {
	t.Helper()
	server = harness.Start(t, harness.Options{Args: []string{"--data-groups", "1"}})
	server.CreateCache(t, "story")
	client := cachepb.NewScsClient(server.Conn(t))
	for _, value := range numbered(marker, 300) {
		values = append(values, value)
		_, err := client.ListPushBack(server.InCache(t, "story"), &cachepb.ListPushBackRequest{
			ListName: []byte("list"), Value: []byte(value), TtlMilliseconds: 3_600_000,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	server.Stop(t)
	return server, values
}

func fetch(t *testing.T, server *harness.Server) (values []string) {
	t.Helper()
	answer, err := cachepb.NewScsClient(server.Conn(t)).ListFetch(server.InCache(t, "story"),
		&cachepb.ListFetchRequest{ListName: []byte("list")}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range answer.GetFound().GetValues() {
		values = append(values, string(v))
	}
	return values
}

// logWith finds the file that holds the value.
func logWith(t *testing.T, dir, value string) string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && bytes.Contains(read(t, path), []byte(value)) {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) != 1 {
		t.Fatalf("files that hold the value: %q, %v; want one", found, err)
	}
	return found[0]
}

// refusesToStart demands that the server ends by itself with an error that
// helps, and that nobody was served.
func refusesToStart(t *testing.T, server *harness.Server, log, record string) {
	t.Helper()
	if server.StartOrExit(t) {
		t.Fatal("the broker serves damaged data")
	}
	saysWhatIsDamaged(t, server, log, record)
}

// saysWhatIsDamaged demands that the server ended with an error that names the
// group, the file and, if a pattern is given, the record.
func saysWhatIsDamaged(t *testing.T, server *harness.Server, log, record string) {
	t.Helper()
	code, output := server.Exits(t)
	if code <= 0 {
		t.Errorf("exit code %d, want one above 0", code)
	}
	for _, pattern := range []string{`group \w+`, regexp.QuoteMeta(filepath.Base(filepath.Dir(log))), record} {
		if !regexp.MustCompile(pattern).MatchString(output) {
			t.Errorf("the broker does not say %q:\n%s", pattern, output)
		}
	}
	for _, bad := range []string{"panic", "goroutine ", marker} {
		if strings.Contains(output, bad) {
			t.Errorf("the broker says %q:\n%s", bad, output)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
