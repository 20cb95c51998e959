// Package hook posts what is published to topics to the webhooks that were put for
// them. A Deliverer does so for the topics that its node leads, and no others, so
// each event has one sender. To a topic it is one more subscriber: a publisher
// never waits for it, and a receiver that cannot keep up loses what the topic's
// log drops, which is counted.
//
// # The way of an event
//
//	topic's log -> reader -> line (one for each webhook) -> attempt -> receiver
//	                          ^----------- again, later -----'
//
// A line takes items out of the log as long as it has room, and keeps no copies.
// First attempts are made one at a time, so that a receiver that is well gets its
// events in order; an event that failed steps aside and is tried again after a
// pause that doubles, with a random part, until it is too old or was tried too
// often (Tuning). When events fail one after the other it is the receiver that
// fails, and the whole line rests, a few seconds at most. An answer of 3xx or 4xx
// is the receiver's last word, but for 408 and 429. Each attempt is signed with
// the secret of that moment and carries its own time, so a receiver may refuse
// what is older than a minute.
//
// Events that nobody will ever deliver are dead letters: counted by reason (Stats),
// told in the log once a minute and webhook at most, and gone.
//
// # How often an event comes
//
// Once, normally, though whoever waits for an answer can never know that the
// request was not taken: an event whose answer was lost on the way is sent again.
// Its page and number are the same, so a receiver can tell.
//
// An item belongs to the leader that has numbered it, which its page tells for
// ever. When the leadership moves, the new leader delivers what it numbers itself,
// from its first item on, and the old one what it has numbered, however long its
// retries take; a node that is stopped gives what it still has one last attempt
// before it ends. So a planned move, and a rolling restart, lose nothing and repeat
// nothing.
//
// A leader that dies leaves its heirs what it had not delivered. The nodes that may
// lead next read a webhook's topic along, so that they hold its recent items, and
// the leader publishes notes beside it, in a topic of the broker's own: how far it
// has taken items, and which of those are not done with. A new leader reads the
// newest note. If it is from a node that did not answer when the new leader asked
// all what they had seen, what the note leaves open is delivered here, and what came
// after it; a node that answered lives, and does that itself. So
//
//   - what the dead one delivered after its last note comes twice: a fifth of a
//     second's worth (noteEvery);
//   - what nobody else had seen of its items is lost: milliseconds' worth; and so is
//     what the others have let go of, a minute after it was published or by the
//     bounds of a topic's log;
//   - what waits on a leader that was only cut off, or too slow to answer, comes
//     twice, since that one goes on with it;
//   - what waits on a leader that handed over, and dies before it is done, is lost:
//     it lived when it was asked.
//
// # Where an event may go
//
// A Guard lets requests go to public addresses, and to others that the operator has
// named. It judges the address that is dialled, after the name was resolved; so no
// name, no redirect (none is followed), no odd spelling and no change of mind of a
// resolver leads elsewhere. Proxies of the environment are not used.
//
// # What it must never know
//
// Groups, terms and other nodes: which topics are led here is told by a Desk. Who
// may put a webhook is for the door to say.
//
// # Concurrency and memory
//
// A Deliverer's state belongs to the one goroutine of Run; each attempt under way
// has one more, and Run waits for them. Stats may be asked by anybody. Events share
// the bytes of the topics' items, which nobody changes, and may hold them longer
// than the topics do, up to Tuning.TotalBytes. An attempt holds its body: two and
// a half times the item, for a few seconds at most.
//
// No URL, topic, secret or payload is logged, or a label of a metric.
package hook
