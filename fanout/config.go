package fanout

import (
	"cmp"
	"fmt"
	"time"
)

// Defaults of Config. A minute of history lets clients that lost their connection resume without loss; 1 MiB keeps one
// busy topic from taking it all. Ten seconds of linger outlast the pauses with which SDKs come back, and a web page
// that is loaded anew.
//
// 4,096 items are what a topic at 10,000 items a second publishes in 0.4 s: live readers take from the log, too, so it
// has to outlast the pauses of a scheduler, a garbage collection and a TCP retransmission (0.2 s and more), none of
// which is worth a loss. With it the bytes are the bound of all items above 192 bytes, and 0.2 MiB of slots the most
// that small ones take beside. A log's room grows with what is in it, so a topic that is used little costs nothing more.
//
// A topic that was used once takes some 800 bytes with its item, so a million of them stay below 1 GiB.
const (
	DefaultTopicItems  = 4096
	DefaultTopicBytes  = 1 << 20
	DefaultTotalBytes  = 256 << 20
	DefaultRetention   = time.Minute
	DefaultForgetAfter = 5 * time.Minute
	DefaultMaxTopics   = 1_000_000
	DefaultLinger      = 10 * time.Second

	maxTopicItems = 1 << 16
	minDuration   = time.Millisecond
)

// Config bounds what a Broker keeps. A zero field means its default.
type Config struct {
	// TopicItems is how many items a topic's log keeps, 1 to 65,536.
	TopicItems int
	// TopicBytes is how many bytes a topic's log keeps, counting the encoded bytes plus 64 per item. The newest item
	// is kept whatever its size: readers take live items from the log too.
	TopicBytes int64
	// TotalBytes bounds the logs of all topics together, counted like TopicBytes. Above it the oldest items of those
	// topics give way whose items are oldest. It may be exceeded by the items being published at this moment.
	TotalBytes int64
	// Retention is how long an item is kept, at least 1 ms. An item past it is not replayed to new subscriptions. Its
	// memory is freed by the next publish or subscribe, or by the first Sweep that is late by 1/256 of Retention.
	Retention time.Duration
	// ForgetAfter is how long a topic without items and subscriptions keeps its counter, at least 1 ms. A reader that
	// comes back later is told a new page.
	ForgetAfter time.Duration
	// MaxTopics bounds how many topics are remembered at once. For more, those without subscriptions are forgotten before
	// their time, the longest unused first.
	MaxTopics int
	// Linger is how long a mirrored topic goes on being fed after its last subscription was closed, at least 1 ms.
	Linger time.Duration
	// Notify is called when [Link.Changes] of a partition's link may have something new, or, while the partition has no
	// link, when somebody here wants one of its topics. It is called by whoever caused the change, without locks held
	// and maybe without need; it must be quick and not block. Nil means nobody is told.
	Notify func(partition uint32)
}

// withDefaults fills in the zero fields and checks the others.
func (c Config) withDefaults() (Config, error) {
	c.TopicItems = cmp.Or(c.TopicItems, DefaultTopicItems)
	c.TopicBytes = cmp.Or(c.TopicBytes, DefaultTopicBytes)
	c.TotalBytes = cmp.Or(c.TotalBytes, max(DefaultTotalBytes, c.TopicBytes))
	c.Retention = cmp.Or(c.Retention, DefaultRetention)
	c.ForgetAfter = cmp.Or(c.ForgetAfter, DefaultForgetAfter)
	c.MaxTopics = cmp.Or(c.MaxTopics, DefaultMaxTopics)
	c.Linger = cmp.Or(c.Linger, DefaultLinger)
	if c.Notify == nil {
		c.Notify = func(uint32) {}
	}
	switch {
	case c.TopicItems < 1 || c.TopicItems > maxTopicItems:
		return c, fmt.Errorf("fanout: TopicItems is %d, want 1 to %d", c.TopicItems, maxTopicItems)
	case c.TopicBytes < 1:
		return c, fmt.Errorf("fanout: TopicBytes is %d, want at least 1", c.TopicBytes)
	case c.TotalBytes < c.TopicBytes:
		return c, fmt.Errorf("fanout: TotalBytes is %d, want at least TopicBytes, which is %d", c.TotalBytes, c.TopicBytes)
	case c.Retention < minDuration:
		return c, fmt.Errorf("fanout: Retention is %v, want at least %v", c.Retention, minDuration)
	case c.ForgetAfter < minDuration:
		return c, fmt.Errorf("fanout: ForgetAfter is %v, want at least %v", c.ForgetAfter, minDuration)
	case c.MaxTopics < 1:
		return c, fmt.Errorf("fanout: MaxTopics is %d, want at least 1", c.MaxTopics)
	case c.Linger < minDuration:
		return c, fmt.Errorf("fanout: Linger is %v, want at least %v", c.Linger, minDuration)
	}
	return c, nil
}
