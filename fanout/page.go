package fanout

import "fmt"

// Widths of the fields of a page. Together they make 53 bits, because JavaScript clients read a page as a double, which
// is exact only below 2^53. The term is the Raft term of the partition's group (one per election: 24 bits last 500 years
// at one election in 16 minutes); resets is how often forgotten topics forced a new page within one term.
const (
	epochBits = 8
	termBits  = 24
	resetBits = 21

	maxEpoch = 1<<epochBits - 1
	maxTerm  = 1<<termBits - 1
	maxReset = 1<<resetBits - 1
	maxPage  = 1<<(epochBits+termBits+resetBits) - 1
)

// Page is the readable form of a page number: recovery epoch (8 bits), term (24 bits) and reset counter (21 bits), most
// significant first, so that numbers compare like the fields do. The epoch grows when a cluster is rebuilt from a
// backup and its terms start over; the term with every change of leader; the reset counter when topics were
// forgotten. A page only ever grows and never wraps: a full field is an error.
type Page struct {
	Epoch, Term, Reset uint64
}

// Number packs the page. The result is above 0 and below 2^53. It fails when a field does not fit, or when epoch
// and term are both 0, which would make a page that clients read as "no page".
func (p Page) Number() (uint64, error) {
	switch {
	case p.Epoch > maxEpoch:
		return 0, fmt.Errorf("fanout: page epoch %d is above %d", p.Epoch, maxEpoch)
	case p.Term > maxTerm:
		return 0, fmt.Errorf("fanout: page term %d is above %d", p.Term, maxTerm)
	case p.Reset > maxReset:
		return 0, fmt.Errorf("fanout: page reset %d is above %d", p.Reset, maxReset)
	case p.Epoch == 0 && p.Term == 0:
		return 0, fmt.Errorf("fanout: a page needs an epoch or a term above 0")
	}
	return p.Epoch<<(termBits+resetBits) | p.Term<<resetBits | p.Reset, nil
}

// PageOf takes a page number apart. Bits above the 53rd, which no valid page has, are left out.
func PageOf(number uint64) Page {
	return Page{
		Epoch: number >> (termBits + resetBits) & maxEpoch,
		Term:  number >> resetBits & maxTerm,
		Reset: number & maxReset,
	}
}

// BaseOf returns the page with which the ownership began under which a page was reached.
func BaseOf(number uint64) uint64 { return number &^ maxReset }

// String shows the fields, for logs: "epoch.term.reset".
func (p Page) String() string { return fmt.Sprintf("%d.%d.%d", p.Epoch, p.Term, p.Reset) }
