package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// target is what the settings of the tests write into.
type target struct {
	File    string
	Listen  string
	Groups  int
	Names   []string
	Format  string
	Pause   time.Duration
	Size    int
	Quiet   bool
	Secret  string
	Foreign string
}

func defaults() *target {
	return &target{Listen: "127.0.0.1:8080", Groups: 16, Names: []string{"one"}, Format: "auto", Pause: 5 * time.Second, Size: 1 << 20}
}

// load runs one command's settings through all layers. The key foreign belongs
// to another command of the same program.
func load(t *testing.T, file string, environ, args []string) (*target, []string, error) {
	t.Helper()
	got := defaults()
	registry := NewRegistry()
	registry.NewSet(Setting{Name: "foreign", Help: "of another command", Value: Text(&got.Foreign)})
	set := registry.NewSet(
		Setting{Name: FileSetting, Help: "the file", Value: Path(&got.File)},
		Setting{Name: "listen", Help: "the address", Value: Address(&got.Listen)},
		Setting{Name: "data-groups", Help: "how many", Value: Integer(&got.Groups, 1, 64)},
		Setting{Name: "create-caches", Help: "some names", Value: List(&got.Names)},
		Setting{Name: "log-format", Help: "the form", Value: Choice(&got.Format, "auto", "text", "json")},
		Setting{Name: "pause", Help: "how long", Value: Duration(&got.Pause)},
		Setting{Name: "max-size", Help: "how much", Value: Size(&got.Size)},
		Setting{Name: "quiet", Help: "whether", Value: Switch(&got.Quiet)},
		Setting{Name: "secret", Help: "hidden", Value: Address(&got.Secret), Secret: true},
	)
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	set.AddFlags(flags)
	if file != "" {
		path := filepath.Join(t.TempDir(), "mayfly.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Chdir(filepath.Dir(path))
		environ = append(environ, "MAYFLY_CONFIG=mayfly.yaml")
	}
	if err := flags.Parse(args); err != nil {
		return nil, nil, err
	}
	strangers, err := set.Load(flags, environ)
	if err != nil {
		return nil, nil, err
	}
	got.File = ""
	return got, strangers, nil
}

func TestLayers(t *testing.T) {
	file := "listen: 10.0.0.1:1\ndata-groups: 2\n"
	env := []string{"MAYFLY_LISTEN=10.0.0.2:2"}
	args := []string{"--listen", "10.0.0.3:3"}
	tests := []struct {
		name    string
		file    string
		environ []string
		args    []string
		want    func(*target)
	}{
		{"defaults", "", nil, nil, func(*target) {}},
		{"file over default", file, nil, nil, func(w *target) { w.Listen, w.Groups = "10.0.0.1:1", 2 }},
		{"environment over file", file, env, nil, func(w *target) { w.Listen, w.Groups = "10.0.0.2:2", 2 }},
		{"flag over environment", file, env, args, func(w *target) { w.Listen, w.Groups = "10.0.0.3:3", 2 }},
		{"an empty variable is absent", file, []string{"MAYFLY_LISTEN="}, nil, func(w *target) { w.Listen, w.Groups = "10.0.0.1:1", 2 }},
		{"a flag may repeat the default", file, nil, []string{"--listen=127.0.0.1:8080"}, func(w *target) { w.Groups = 2 }},
		{"every kind in a file", strings.Join([]string{
			"# a comment", "", "create-caches:", "  - chat", "  - 'a,b'", "log-format: json # trailing", "pause: 1d12h",
			"max-size: 4KiB", "quiet: yes", "secret: \"h:1\"", "foreign: 1",
		}, "\n"), nil, nil, func(w *target) {
			w.Names, w.Format, w.Pause, w.Size, w.Quiet, w.Secret = []string{"chat", "a,b"}, "json", 36*time.Hour, 4096, true, "h:1"
		}},
		{"every kind in the environment", "create-caches: a,b", []string{
			"MAYFLY_CREATE_CACHES=c, \"d,e\"", "MAYFLY_LOG_FORMAT=text", "MAYFLY_PAUSE=900ms", "MAYFLY_MAX_SIZE=7", "MAYFLY_QUIET=1",
			"MAYFLY_FOREIGN=x", "OTHER_LISTEN=1",
		}, nil, func(w *target) {
			w.Names, w.Format, w.Pause, w.Size, w.Quiet = []string{"c", "d,e"}, "text", 900*time.Millisecond, 7, true
		}},
		{"a repeated list flag adds", "create-caches: [x]", nil, []string{"--create-caches=a,b", "--create-caches", "c", "--quiet"}, func(w *target) {
			w.Names, w.Quiet = []string{"a", "b", "c"}, true
		}},
		{"an empty list in a file", "create-caches: []", nil, nil, func(w *target) { w.Names = []string{} }},
		{"an empty file", "# nothing\n", nil, nil, func(*target) {}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _, err := load(t, tt.file, tt.environ, tt.args)
			if err != nil {
				t.Fatal(err)
			}
			want := defaults()
			tt.want(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMistakes(t *testing.T) {
	tests := []struct {
		name    string
		file    string
		environ []string
		want    string
	}{
		{"misspelt key", "# a\n\nlistn: x", nil, "unknown key `listn` at mayfly.yaml:3; did you mean `listen`?"},
		{"strange key", "wombats: 3", nil, "unknown key `wombats` at mayfly.yaml:1"},
		{"the file cannot name a file", "config: x", nil, "mayfly.yaml:1: config: a file cannot name another file"},
		{"bad value in a file", "quiet: true\ndata-groups: 65", nil, "mayfly.yaml:2: data-groups: \"65\" is not a whole number from 1 to 64"},
		{"list for a scalar", "listen: [a, b]", nil, "mayfly.yaml:1: listen: a list does not fit; want one host:port"},
		{"mapping for a scalar", "listen:\n  host: a", nil, "mayfly.yaml:1: listen: want a plain value or a list of plain values"},
		{"no value", "listen:", nil, "mayfly.yaml:1: listen: the value is missing"},
		{"not a mapping", "- a\n- b", nil, "mayfly.yaml:1: want lines of the form \"key: value\""},
		{"two documents", "quiet: true\n---\nquiet: false", nil, "mayfly.yaml:3: a second document; settings go into one"},
		{"bad word", "log-format: jsn", nil, "mayfly.yaml:1: log-format: \"jsn\" is not one of auto, text, json; did you mean `json`?"},
		{"secret", "secret: hunter2", nil, "mayfly.yaml:1: secret: the value is malformed"},
		{"misspelt variable", "", []string{"MAYFLY_LISTNE=x"}, "unknown environment variable MAYFLY_LISTNE; did you mean `MAYFLY_LISTEN`?"},
		{"lower case variable", "", []string{"MAYFLY_listen=x"}, "unknown environment variable MAYFLY_listen; did you mean `MAYFLY_LISTEN`?"},
		{"bad value in a variable", "", []string{"MAYFLY_PAUSE=5"}, "environment variable MAYFLY_PAUSE: \"5\" is not a duration; want a number with a unit, such as 5s, 10m, 12h or 30d"},
		{"secret variable", "", []string{"MAYFLY_SECRET=hunter2"}, "environment variable MAYFLY_SECRET: the value is malformed"},
		{"no such file", "", []string{"MAYFLY_CONFIG=absent.yaml"}, "config file: open absent.yaml: no such file or directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := load(t, tt.file, tt.environ, nil)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestSyntaxErrorNamesTheLine(t *testing.T) {
	_, _, err := load(t, "listen: a\nsecret: \"hunter2\n", nil, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "mayfly.yaml:2: ") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v, want line 2 and no value", err)
	}
	_, _, err = load(t, "listen: a\nlisten: b\n", nil, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "mayfly.yaml:2: ") {
		t.Errorf("got %v, want line 2", err)
	}
}

func TestStrangeVariables(t *testing.T) {
	links := []string{
		"MAYFLY_SERVICE_HOST=10.0.0.1", "MAYFLY_SERVICE_PORT=8080", "MAYFLY_SERVICE_PORT_GRPC=8080", "MAYFLY_PORT=tcp://10.0.0.1:8080",
		"MAYFLY_PORT_8080_TCP=x", "MAYFLY_PORT_8080_TCP_ADDR=x", "MAYFLY_PEER_SERVICE_HOST=x", "MAYFLY_PEER_PORT_7946_UDP_PROTO=udp",
	}
	if _, strangers, err := load(t, "", links, nil); err != nil || strangers != nil {
		t.Errorf("service links: %v, %v", strangers, err)
	}
	_, strangers, err := load(t, "", []string{"MAYFLY_WOMBATS=3", "MAYFLY_BIN=/x", "WOMBATS=1", "MAYFLY_LISTNE="}, nil)
	if diff := cmp.Diff([]string{"MAYFLY_BIN", "MAYFLY_WOMBATS"}, strangers); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, _, err := load(t, "", []string{"MAYFLY_LISTN=3"}, nil); !errors.Is(err, ErrUnknown) {
		t.Errorf("got %v, want ErrUnknown", err)
	}
}

func TestOneNameOneMeaning(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("two settings of one name were accepted")
		}
	}()
	var text string
	registry := NewRegistry()
	registry.NewSet(Setting{Name: "listen", Help: "one thing", Value: Text(&text)})
	registry.NewSet(Setting{Name: "listen", Help: "another", Value: Text(&text)})
}

func FuzzFile(f *testing.F) {
	for _, seed := range []string{"listen: a:1\n", "create-caches: [a, \"b\"]", "a: &x 1\nb: *x", "- a", "? a\n: b", "listen: |\n  a\n", "{listen: a, quiet: true}"} {
		f.Add(seed)
	}
	registry := NewRegistry()
	var listen string
	registry.NewSet(Setting{Name: "listen", Help: "x", Value: Text(&listen)}, Setting{Name: "create-caches", Help: "x", Value: List(new([]string))})
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := parse("f", []byte(text), registry)
		if err == nil && doc == nil {
			t.Error("neither settings nor an error")
		}
	})
}
