package fanout

import (
	"reflect"
	"testing"
	"time"
)

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config Config
		ok     bool
	}{
		{"defaults", Config{}, true},
		{"smallest", Config{TopicItems: 1, TopicBytes: 1, TotalBytes: 1, Retention: time.Millisecond, ForgetAfter: time.Millisecond, MaxTopics: 1}, true},
		{"most items", Config{TopicItems: 65_536}, true},
		{"a topic larger than the default total", Config{TopicBytes: 1 << 40}, true},
		{"too many items", Config{TopicItems: 65_537}, false},
		{"negative items", Config{TopicItems: -1}, false},
		{"negative topic bytes", Config{TopicBytes: -1}, false},
		{"total below topic", Config{TotalBytes: 1<<20 - 1}, false},
		{"short retention", Config{Retention: time.Microsecond}, false},
		{"negative forgetting", Config{ForgetAfter: -time.Second}, false},
		{"negative topics", Config{MaxTopics: -1}, false},
		{"short linger", Config{Linger: time.Microsecond}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := New(tt.config, epoch)
			if (err == nil) != tt.ok || (b != nil) != tt.ok {
				t.Fatalf("New is %v, %v, want ok %t", b, err, tt.ok)
			}
		})
	}
	b := newBroker(t, Config{})
	want := Config{4096, 1 << 20, 256 << 20, time.Minute, 5 * time.Minute, 1_000_000, 10 * time.Second, nil}
	got := b.config
	got.Notify(0) // a default that does nothing
	got.Notify = nil
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("defaults are %+v, want %+v", got, want)
	}
}
