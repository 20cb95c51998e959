package auth

import "time"

// clockSkew is how far the clocks of two nodes may be apart for all to be exact that
// is said of before and after.
const clockSkew = 2 * time.Second

// ahead is how far the time at which a token says it was made may lie ahead of a
// denial that came after it: the clock of who made it may have been ahead of the node
// that let it in by the leeway, and that node ahead of the one that denied.
const ahead = clockLeeway + clockSkew

// DenialLife is for how long a Denial has to be remembered behind its NotBeforeMs: as
// long as a token may live that it covers, whoever's clock says when to forget it.
const DenialLife = DefaultMaxTokenLife + ahead + clockSkew

// Denial is what the cluster agreed on about the tokens of one token id: those that
// are there are refused, and none are made for a while. The zero Denial refuses none.
type Denial struct {
	// AtMs is when it was agreed on, in milliseconds since 1970. Of two about one token
	// id the later one has the greater.
	AtMs uint64
	// NotBeforeMs is when tokens may be made again, likewise.
	NotBeforeMs uint64
}

// covers reports whether the denial refuses that token. One that was made by a node
// which knew of the denial came after it, whatever any clock says. Of another one
// only its iat tells, and that may be ahead.
func (d Denial) covers(p *Principal) bool {
	return uint64(p.knows) < d.AtMs && uint64(p.issuedAt) < d.NotBeforeMs+uint64(ahead.Milliseconds())
}
