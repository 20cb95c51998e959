package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mayfly-broker/mayfly/cmd/config"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// byDefault as the value of a setting gives it back to the node's default.
const byDefault = "default"

const cacheSettingsHelp = `Settings that are not given keep
their value, which in a new cache is the node's default; "default" gives one back
to that.

When a cache has used up its memory, or a node its own, old items give way to new
ones as --eviction says: those not used for longest (lru) or used least (lfu). With
off none gives way, and what does not fit is refused. Items of the kinds that --keep
names stay in any case, such as the lists that hold the history of a chat.`

// cacheSetting is one setting of a cache as a flag.
type cacheSetting struct {
	flag, help string
	words      []string // for completion; nil if it is no choice
	// set parses the text, which is not byDefault, and sets the field; for "" it
	// sets zero, which is the default.
	set func(l *storev1.CacheLimits, text string) error
}

var cacheSettingList = append(cacheMemoryList, cacheLimitList...)

// cacheMemoryList are those that say how much it may hold, and what gives way.
var cacheMemoryList = []cacheSetting{
	{
		flag: "max-memory", help: "`size` of all items together in the whole cluster, such as 64MiB",
		set: func(l *storev1.CacheLimits, text string) error {
			size, err := parseUnless(text, config.ParseSize)
			l.MaxMemory = new(uint64(size))
			return err
		},
	},
	{
		flag: "eviction", help: "which items give way, `lru|lfu|off`", words: slices.Sorted(maps.Keys(evictions)),
		set: func(l *storev1.CacheLimits, text string) error {
			e, err := parseUnless(text, parseEviction)
			l.Eviction = &e
			return err
		},
	},
	{
		flag: "keep", help: "`kinds` of items that never give way: scalar, list, dictionary, set, sorted-set, with commas between them", words: keptKinds,
		set: func(l *storev1.CacheLimits, text string) error {
			kinds, err := parseUnless(text, parseKept)
			l.KeptKinds = &kinds
			return err
		},
	},
}

// parseUnless parses a text; nothing is zero.
func parseUnless[T any](text string, parse func(string) (T, error)) (v T, err error) {
	if text == "" {
		return v, nil
	}
	return parse(text)
}

// evictions are the words for what gives way.
var evictions = map[string]storev1.Eviction{
	"lru": storev1.Eviction_EVICTION_LRU,
	"lfu": storev1.Eviction_EVICTION_LFU,
	"off": storev1.Eviction_EVICTION_OFF,
}

func parseEviction(text string) (storev1.Eviction, error) {
	e, ok := evictions[text]
	if !ok {
		words := slices.Sorted(maps.Keys(evictions))
		return 0, fmt.Errorf("%q is not one of %s%s", text, strings.Join(words, ", "), config.DidYouMean(config.Nearest(text, words)))
	}
	return e, nil
}

func evictionWord(e storev1.Eviction) string {
	for word, one := range evictions {
		if one == e {
			return word
		}
	}
	return "unknown"
}

// keptKinds are the words for the kinds of items, by number, the first being 1.
var keptKinds = []string{"scalar", "list", "dictionary", "set", "sorted-set"}

func parseKept(text string) (bits uint32, err error) {
	for word := range strings.SplitSeq(text, ",") {
		word = strings.TrimSpace(word)
		i := slices.Index(keptKinds, word)
		if i < 0 {
			i = slices.Index(keptKinds, strings.TrimSuffix(word, "s"))
		}
		if i < 0 {
			return 0, fmt.Errorf("%q is not one of %s%s", word, strings.Join(keptKinds, ", "), config.DidYouMean(config.Nearest(word, keptKinds)))
		}
		bits |= 1 << (i + 1)
	}
	return bits, nil
}

func keptWords(bits uint32) []string {
	words := []string{}
	for i, word := range keptKinds {
		if bits&(1<<(i+1)) != 0 {
			words = append(words, word)
		}
	}
	return words
}

// cacheSettings are the values of the flags, by name.
type cacheSettings map[string]*string

// addCacheSettings gives a command the flags that set up a cache.
func addCacheSettings(cmd *cobra.Command) cacheSettings {
	values := cacheSettings{}
	for _, s := range cacheSettingList {
		values[s.flag] = cmd.Flags().String(s.flag, "", s.help)
		if s.words != nil {
			// Fails only for a flag that does not exist or has one already.
			_ = cmd.RegisterFlagCompletionFunc(s.flag, cobra.FixedCompletions(append(slices.Clone(s.words), byDefault), cobra.ShellCompDirectiveNoFileComp))
		}
	}
	return values
}

// flags names all flags, for a message.
func (c cacheSettings) flags() string {
	names := make([]string, len(cacheSettingList))
	for i, s := range cacheSettingList {
		names[i] = "--" + s.flag
	}
	return strings.Join(names, ", ")
}

// parse returns the settings that were given, nil if there are none.
func (c cacheSettings) parse(cmd *cobra.Command) (*storev1.CacheLimits, error) {
	var limits *storev1.CacheLimits
	for _, s := range cacheSettingList {
		if !cmd.Flags().Changed(s.flag) {
			continue
		}
		if limits == nil {
			limits = &storev1.CacheLimits{}
		}
		text := *c[s.flag]
		switch text {
		case "":
			return nil, usagef(cmd, "--%s is empty; give a value, or %s", s.flag, byDefault)
		case byDefault:
			text = ""
		}
		if err := s.set(limits, text); err != nil {
			return nil, usageError{cmd, fmt.Errorf("--%s: %w", s.flag, err)}
		}
	}
	return limits, nil
}
