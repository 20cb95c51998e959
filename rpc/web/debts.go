package web

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// maxDebtors is how many networks are told apart at a time, some 100 bytes each.
	maxDebtors = 8192
	// forgivable is how many of them are looked at to find one that owes little.
	forgivable = 8
	// wideShare: a network that is made of others may ask for as much as so many of
	// them.
	wideShare = 16
)

// debts are what networks have asked for in vain.
//
// Addresses of IPv6 come by the billion, so that a limit for each network of a customer
// limits nobody who owns many: whoever has a site of 48 bits has 65,536 of 64. So the
// wider networks that a network is part of owe, too: a share of it.
//
// There is room for so many debtors. When it is full, one that owes little is forgiven,
// which costs nothing but its small debt. So nobody answers for strangers, however many
// networks somebody brings: who comes first owes nothing.
type debts struct {
	mu sync.Mutex
	// due is when all that a network has asked for will have been paid.
	due map[netip.Prefix]time.Time
}

// The networks that owe, in bits: that of a customer, what providers hand out as a site
// or a block, and for IPv6 what a provider has itself. See address.Network.
var (
	widths4 = []int{32, 24}
	widths6 = []int{64, 48, 32}
)

// charge counts, and returns how long whoever is charged has to rest: as long as the one
// of its networks that has to rest longest.
func (d *debts) charge(who netip.Prefix, cost time.Duration, now time.Time) (rest time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	widths := widths6
	if who.Addr().Is4() {
		widths = widths4
	}
	for _, bits := range widths {
		wide, err := who.Addr().Prefix(bits)
		if err != nil { // one of no address
			wide = netip.Prefix{}
		}
		owes, more := d.add(wide, cost, now)
		rest = max(rest, min(owes-faultCredit, faultPause))
		if !more { // so that neighbours do not pay for what one of them does alone
			break
		}
		cost /= wideShare
	}
	return rest
}

// add has a network owe more, and returns how much it owes. What nobody pays is not
// counted any more, which is when a debt is as long as the longest rest behind the
// credit.
func (d *debts) add(who netip.Prefix, cost time.Duration, now time.Time) (owes time.Duration, more bool) {
	due, known := d.due[who]
	if !known && len(d.due) >= maxDebtors {
		d.forgive()
	}
	if due.Before(now) {
		due = now
	}
	if more = due.Before(now.Add(faultCredit + faultPause)); more {
		due = due.Add(cost)
	}
	d.due[who] = due
	return due.Sub(now), more
}

// forgive forgets the one of a few that owes least or has paid longest ago. Those who owe
// much stay as long as there are others.
func (d *debts) forgive() {
	var (
		who  netip.Prefix
		due  time.Time
		seen int
	)
	for other, until := range d.due { // begins anywhere
		if seen == 0 || until.Before(due) {
			who, due = other, until
		}
		if seen++; seen == forgivable {
			break
		}
	}
	delete(d.due, who)
}
