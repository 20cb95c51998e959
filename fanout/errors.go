package fanout

import "errors"

var (
	// ErrNotOwner: this broker does not own the partition (now), so it can neither number an item nor anchor a
	// subscription. Nothing was published.
	ErrNotOwner = errors.New("fanout: partition is not owned here")

	// ErrStalePage: ownership was offered with a page that is not above every page the partition had before.
	ErrStalePage = errors.New("fanout: page is not newer than the pages seen before")

	// ErrTooManyTopics: a new topic would exceed Config.MaxTopics. Topics nobody uses are forgotten in time, so a
	// later attempt may succeed.
	ErrTooManyTopics = errors.New("fanout: too many topics")

	// ErrCacheDropped ends the subscriptions of a deleted cache, at once and without what was still unread.
	ErrCacheDropped = errors.New("fanout: cache was deleted")

	// ErrDisowned ends the subscriptions of an abandoned partition, after what was still unread.
	ErrDisowned = errors.New("fanout: partition moved away")

	// ErrClosed: the broker was closed (its subscriptions see this after what was still unread), or the subscription
	// itself was closed.
	ErrClosed = errors.New("fanout: closed")
)
