package fanout

import "errors"

var (
	// ErrNotOwner: this broker does not own the partition (now), so it cannot number an item; nor, unless it mirrors
	// the partition, place a subscription. Nothing was published. It also ends what a [Mux] reads when ownership is
	// lost.
	ErrNotOwner = errors.New("fanout: partition is not owned here")

	// ErrStalePage: ownership was offered with a page that is not above every page the partition had before.
	ErrStalePage = errors.New("fanout: page is not newer than the pages seen before")

	// ErrNotMirrored: the partition is not mirrored here (now), so it cannot be fed.
	ErrNotMirrored = errors.New("fanout: partition is not mirrored here")

	// ErrOwned: the partition is owned here already, so what others have seen comes too late.
	ErrOwned = errors.New("fanout: partition is owned here already")

	// ErrStaleLink: the link was closed or replaced by a newer one, or the partition is no longer mirrored.
	ErrStaleLink = errors.New("fanout: link was replaced or closed")

	// ErrStaleFeed: the feed was replaced by a newer one of its topic, closed with the interest in it, or not begun.
	ErrStaleFeed = errors.New("fanout: feed was replaced, closed or not begun")

	// ErrStaleLeader: who feeds a topic knows less of it than was seen here, as a leader does that was replaced without
	// noticing.
	ErrStaleLeader = errors.New("fanout: leader is behind what was seen here")

	// ErrBadPosition: a position from outside that no leader gives out.
	ErrBadPosition = errors.New("fanout: position is out of range")

	// ErrTooManyTopics: a new topic would exceed Config.MaxTopics, and those that are there are listened to. A later
	// attempt may succeed.
	ErrTooManyTopics = errors.New("fanout: too many topics")

	// ErrCacheDropped ends the subscriptions of a deleted cache, at once and without what was still unread.
	ErrCacheDropped = errors.New("fanout: cache was deleted")

	// ErrDisowned ends the subscriptions of an abandoned or dismissed partition, after what was still unread. The topic
	// lives on elsewhere, so to clients it is a clean end.
	ErrDisowned = errors.New("fanout: partition moved away")

	// ErrClosed: the broker was closed (its subscriptions see this after what was still unread), or the subscription
	// itself was closed.
	ErrClosed = errors.New("fanout: closed")
)
