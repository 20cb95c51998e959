package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// Verdict says how a check went.
type Verdict string

// The verdicts.
const (
	OK      Verdict = "ok"      // nothing to do
	Warning Verdict = "warning" // some clients will have trouble, or soon
	Wrong   Verdict = "wrong"   // clients fail
	Skipped Verdict = "skipped" // not looked at, for the reason found
)

// Finding is what one check came to.
type Finding struct {
	// Check is its name, which stays the same: names, ports, tls and so on.
	Check   string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	// Found says what is the case, and Remedy what to do about it, if anything.
	// Neither holds a credential.
	Found  string `json:"found"`
	Remedy string `json:"remedy,omitempty"`
}

func ok(check, found string, args ...any) Finding {
	return Finding{Check: check, Verdict: OK, Found: fmt.Sprintf(found, args...)}
}

func skipped(check, why string, args ...any) Finding {
	return Finding{Check: check, Verdict: Skipped, Found: fmt.Sprintf(why, args...)}
}

func warning(check, found, remedy string) Finding {
	return Finding{Check: check, Verdict: Warning, Found: found, Remedy: remedy}
}

func wrong(check, found, remedy string) Finding {
	return Finding{Check: check, Verdict: Wrong, Found: found, Remedy: remedy}
}

// Count returns how many findings have that verdict.
func Count(findings []Finding, v Verdict) (n int) {
	for _, f := range findings {
		if f.Verdict == v {
			n++
		}
	}
	return n
}

// discreet takes the credential out of what a server may have said.
func discreet(findings []Finding, secrets ...string) {
	for i := range findings {
		for _, secret := range secrets {
			if secret == "" {
				continue
			}
			for _, text := range []*string{&findings[i].Found, &findings[i].Remedy} {
				*text = strings.ReplaceAll(*text, secret, "[credential]")
			}
		}
	}
}

// listed is names for a sentence, the first few of many.
func listed(names []string) string {
	const most = 4
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// grouped puts names together that have the same thing to say, in the order in
// which that is said first.
type grouped struct {
	said  []string
	names map[string][]string
}

func (g *grouped) add(name, says string) {
	if g.names == nil {
		g.names = map[string][]string{}
	}
	if !slices.Contains(g.said, says) {
		g.said = append(g.said, says)
	}
	g.names[says] = append(g.names[says], name)
}
