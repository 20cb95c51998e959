package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// loadAgain loads settings from a file, with flags that an earlier set was given.
func loadAgain(t *testing.T, registry *Registry, file string, given *pflag.FlagSet, args ...string) (*Set, *target, *pflag.FlagSet) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mayfly.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	got := defaults()
	got.File = path
	set := registry.NewSet(
		Setting{Name: FileSetting, Help: "the file", Value: Path(&got.File)},
		Setting{Name: "listen", Help: "the address", Value: Address(&got.Listen)},
		Setting{Name: "data-groups", Help: "how many", Value: Integer(&got.Groups, 1, 64), Live: true},
		Setting{Name: "max-size", Help: "how much", Value: Size(&got.Size), Live: true},
		Setting{Name: "create-caches", Help: "some names", Value: List(&got.Names)},
		Setting{Name: "secret", Help: "hidden", Value: Text(&got.Secret), Secret: true},
	)
	set.AddSections(Section{Name: "meals", Read: func(b *Block) error {
		return b.Each(func(_ string, below *Block) error {
			plates := 0
			return below.Read([]Setting{{Name: "plates", Value: Integer(&plates, 0, 9)}})
		})
	}})
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	set.AddFlags(flags)
	if given != nil {
		if err := Repeat(given, flags); err != nil {
			t.Fatal(err)
		}
	} else if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	if _, err := set.Load(flags, []string{"MAYFLY_MAX_SIZE=1KiB"}); err != nil {
		t.Fatal(err)
	}
	return set, got, flags
}

func TestDifferences(t *testing.T) {
	const first = "listen: 127.0.0.1:1\ndata-groups: 4\nmax-size: 2KiB\nmeals:\n  one:\n    plates: 1\n"
	for name, test := range map[string]struct {
		file string
		want []Difference
	}{
		"nothing":              {first, nil},
		"layout":               {"# a remark\nmeals:\n    one:\n        plates: 1\ndata-groups:   4\nlisten: 127.0.0.1:1", nil},
		"what is live":         {"listen: 127.0.0.1:1\ndata-groups: 5\nmeals:\n  one:\n    plates: 1\n", []Difference{{"data-groups", true, "data-groups: 5, was 4"}}},
		"back to the default":  {"listen: 127.0.0.1:1\nmeals:\n  one:\n    plates: 1\n", []Difference{{"data-groups", true, "data-groups: 16, was 4"}}},
		"what is not live":     {"listen: 127.0.0.1:2\ndata-groups: 4\nmeals:\n  one:\n    plates: 1\n", []Difference{{"listen", false, "listen: 127.0.0.1:2, was 127.0.0.1:1"}}},
		"a section":            {"listen: 127.0.0.1:1\ndata-groups: 4\nmeals:\n  one:\n    plates: 2\n", []Difference{{"meals", false, "meals"}}},
		"a section that goes":  {"listen: 127.0.0.1:1\ndata-groups: 4\nmeals:\n", []Difference{{"meals", false, "meals"}}},
		"a secret":             {first + "secret: abc\n", []Difference{{"secret", false, "secret"}}},
		"below flags and env":  {first + "create-caches: [x, y]\n", nil},
		"env wins over a file": {"listen: 127.0.0.1:1\ndata-groups: 4\nmax-size: 9KiB\nmeals:\n  one:\n    plates: 1\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			registry := NewRegistry()
			before, _, flags := loadAgain(t, registry, first, nil, "--create-caches", `a,"b,c"`)
			after, got, _ := loadAgain(t, registry, test.file, flags)
			if diff := cmp.Diff(test.want, withoutFile(Differences(before, after))); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{"a", "b,c"}, got.Names); diff != "" {
				t.Errorf("the flag's value was not repeated: %s", diff)
			}
			if got.Size != 1<<10 {
				t.Errorf("max-size is %d, the environment says 1024", got.Size)
			}
		})
	}
}

// withoutFile leaves out the file itself, which has another name in each test.
func withoutFile(all []Difference) (rest []Difference) {
	for _, d := range all {
		if d.Name != FileSetting {
			rest = append(rest, d)
		}
	}
	return rest
}
