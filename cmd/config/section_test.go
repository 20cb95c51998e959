package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// meal is what the section of the tests is read into.
type meal struct {
	Dish   string
	Plates int
	Sides  []string
	Spices map[string]string
}

// loadMeals reads the section "meals": under each name a meal, whose spices have
// names too.
func loadMeals(t *testing.T, file string, environ ...string) (map[string]meal, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mayfly.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(path))
	got := map[string]meal{}
	config, listen := "mayfly.yaml", ""
	set := NewRegistry().NewSet(
		Setting{Name: FileSetting, Help: "the file", Value: Path(&config)},
		Setting{Name: "listen", Help: "the address", Value: Address(&listen)},
	)
	set.AddSections(Section{Name: "meals", Read: func(b *Block) error {
		return b.Each(func(name string, below *Block) error {
			m := meal{Plates: 1}
			err := below.Read([]Setting{
				{Name: "dish", Value: Choice(&m.Dish, "soup", "salad")},
				{Name: "plates", Value: Integer(&m.Plates, 1, 9)},
				{Name: "sides", Value: List(&m.Sides)},
			}, Section{Name: "spices", Read: func(b *Block) error {
				m.Spices = map[string]string{}
				return b.Each(func(spice string, below *Block) error {
					amount := "some"
					err := below.Read([]Setting{{Name: "amount", Value: Text(&amount)}})
					m.Spices[spice] = amount
					return err
				})
			}})
			if err == nil && len(m.Sides) > 2 {
				return below.Wrong(errors.New("too much"), "sides")
			}
			if err == nil && m.Spices["salt"] == "all" {
				return below.Wrong(errors.New("too salty"), "spices", "salt", "amount", "grams")
			}
			if err == nil && m.Dish == "" {
				return below.Wrong(errors.New("nothing to eat"), "dish")
			}
			got[name] = m
			return err
		})
	}})
	_, err := set.Load(pflag.NewFlagSet("test", pflag.ContinueOnError), environ)
	return got, err
}

func TestSections(t *testing.T) {
	got, err := loadMeals(t, strings.Join([]string{
		"listen: 10.0.0.1:1", "meals:", "  lunch:", "    dish: soup", "    sides: [bread, butter]", "    spices:",
		"      salt: {amount: 01}", "      pepper:", "  dinner: {dish: salad, plates: 2}",
	}, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]meal{
		"lunch":  {Dish: "soup", Plates: 1, Sides: []string{"bread", "butter"}, Spices: map[string]string{"salt": "01", "pepper": "some"}},
		"dinner": {Dish: "salad", Plates: 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, nothing := range []string{"listen: 10.0.0.1:1", "meals:", "meals: {}"} {
		if got, err := loadMeals(t, nothing); err != nil || len(got) != 0 {
			t.Errorf("%q: %v, %v", nothing, got, err)
		}
	}
}

func TestMistakesInSections(t *testing.T) {
	for file, want := range map[string]string{
		"meal:\n  lunch:":                                        "unknown key `meal` at mayfly.yaml:1; did you mean `meals`?",
		"meals: soup":                                            "mayfly.yaml:1: meals: want lines of the form \"key: value\" below it",
		"meals:\n  - soup":                                       "mayfly.yaml:1: meals: want lines of the form \"key: value\" below it",
		"meals:\n  lunch: soup":                                  "mayfly.yaml:2: lunch: want lines of the form \"key: value\" below it",
		"meals:\n  lunch:\n    dsh: soup":                        "unknown key `dsh` at mayfly.yaml:3; did you mean `dish`?",
		"meals:\n  lunch:\n    wombat: soup":                     "unknown key `wombat` at mayfly.yaml:3; there are dish, plates, sides, spices",
		"meals:\n  lunch:\n    dish: cake":                       "mayfly.yaml:3: dish: \"cake\" is not one of soup, salad",
		"meals:\n  lunch:\n    dish: {a: b}":                     "mayfly.yaml:3: dish: want a plain value or a list of plain values",
		"meals:\n  lunch:\n    dish:":                            "mayfly.yaml:3: dish: the value is missing",
		"meals:\n  lunch:\n    spices: salt":                     "mayfly.yaml:3: spices: want lines of the form",
		"meals:\n  lunch:\n    plates: 2":                        "mayfly.yaml:2: nothing to eat",
		"meals:\n  lunch:\n    dish: soup\n    sides: [a, b, c]": "mayfly.yaml:4: too much",
		"meals:\n  lunch:\n    dish: soup\n    spices:\n      salt:\n        amount: all": "mayfly.yaml:6: too salty",
		"meals:\n  lunch:\n    dish: soup\n  lunch:\n    dish: soup":                      "mayfly.yaml:4: mapping key \"lunch\" already defined",
		"meals:\n  lunch:\n    dish: soup\n    dish: salad":                               "mayfly.yaml:4: mapping key \"dish\" already defined",
	} {
		if _, err := loadMeals(t, file); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", file, err, want)
		}
	}
	if _, err := loadMeals(t, "", "MAYFLY_MEALS=soup"); err == nil || !strings.Contains(err.Error(), "MAYFLY_MEALS: only the file") {
		t.Errorf("the environment: %v", err)
	}
}
