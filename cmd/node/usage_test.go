package node

import (
	"strings"
	"testing"
	"time"
)

func TestUsageIsValidated(t *testing.T) {
	if u := DefaultUsage(); u.validate() != nil {
		t.Errorf("the default is refused: %v", u.validate())
	}
	for name, change := range map[string]func(u *Usage){
		"every":           func(u *Usage) { u.Every = time.Millisecond },
		"every ":          func(u *Usage) { u.Every = time.Hour },
		"retention":       func(u *Usage) { u.Retention = time.Minute },
		"retention ":      func(u *Usage) { u.Retention = 1001 * 24 * time.Hour },
		"token-retention": func(u *Usage) { u.TokenRetention = u.Retention + 1 },
		"prefixes":        func(u *Usage) { u.Prefixes = []string{"room-", ""} },
		"prefixes ":       func(u *Usage) { u.Prefixes = []string{"\x00"} },
		"prefixes  ":      func(u *Usage) { u.Prefixes = make([]string, maxUsagePrefixes+1) },
		"separators":      func(u *Usage) { u.Separators = "\n" },
		"max-prefixes":    func(u *Usage) { u.MaxPrefixes = -1 },
		"max-tokens":      func(u *Usage) { u.MaxTokens = MaxUsageNames + 1 },
		"a price":         func(u *Usage) { u.Prices.PerGB = -1 },
	} {
		config := DefaultConfig()
		change(&config.Usage)
		if err := config.Validate(); err == nil || !strings.HasPrefix(err.Error(), "usage: ") || !strings.Contains(err.Error(), strings.TrimSpace(name)) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
