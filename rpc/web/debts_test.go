package web

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/rpc/address"
)

func newDebts() *debts { return &debts{due: make(map[netip.Prefix]time.Time)} }

// A network may ask in vain for so much at once and then for a thousand a second; one
// that asks for more rests, for no longer than pings can wait, and is forgiven in time.
func TestDebts(t *testing.T) {
	d, now := newDebts(), time.Unix(1, 0)
	who, other := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
	for i := range int(faultCredit / faultCost) {
		if rest := d.charge(who, faultCost, now); rest > 0 {
			t.Fatalf("number %d has to rest for %v", i, rest)
		}
	}
	if rest := d.charge(who, 100*faultCost, now); rest != 100*faultCost {
		t.Errorf("a hundred too many rest for %v", rest)
	}
	for range 100_000 {
		if rest := d.charge(who, faultCost, now); rest > faultPause {
			t.Fatalf("a rest of %v", rest)
		}
	}
	if rest := d.charge(other, faultCost, now); rest > 0 {
		t.Errorf("another network rests for %v", rest)
	}
	if rest := d.charge(who, faultCost, now.Add(faultPause+10*faultCost)); rest > 0 {
		t.Errorf("after the longest rest it rests for %v more", rest)
	}
}

// v6 is an address of IPv6 whose network has that number below 2a00::/16.
func v6(network uint64) netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], 0x2a00<<48|network)
	return netip.AddrFrom16(b)
}

// v4 is the nth address behind 10.0.0.0.
func v4(n uint64) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24|uint32(n)) //nolint:gosec // small
	return netip.AddrFrom4(b)
}

// Who comes from very many networks fills no memory, and has nobody else wait. If his
// networks are parts of one they have to rest as a whole, also those that are new.
func TestManyDebtors(t *testing.T) {
	for name, attack := range map[string]struct {
		from func(i uint64) netip.Addr
		wide bool
	}{
		"a site":          {v6, true},
		"a few sites":     {func(i uint64) netip.Addr { return v6(i%4<<16 | i) }, true},
		"sites of one":    {func(i uint64) netip.Addr { return v6(i << 16) }, true},
		"all over IPv6":   {func(i uint64) netip.Addr { return v6(i << 32) }, false},
		"a block of IPv4": {func(i uint64) netip.Addr { return v4(i % 256) }, true},
		"all over IPv4":   {func(i uint64) netip.Addr { return v4(i << 8) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			d, now := newDebts(), time.Unix(1, 0)
			rested := false
			for i := range uint64(4 * maxDebtors) {
				now = now.Add(10 * time.Microsecond)
				rested = d.charge(address.Network(attack.from(i)), 30*faultCost, now) > 0
				if i%100 != 0 {
					continue
				}
				for _, honest := range []string{fmt.Sprintf("2600:%x::1", i), fmt.Sprintf("198.51.%d.1", i/100%256)} {
					if rest := d.charge(address.Network(netip.MustParseAddr(honest)), faultCost, now); rest > 0 {
						t.Fatalf("after %d, %s rests for %v", i, honest, rest)
					}
				}
			}
			if n := len(d.due); n > maxDebtors {
				t.Errorf("%d networks are remembered, want at most %d", n, maxDebtors)
			}
			if rested != attack.wide {
				t.Errorf("three million times a second in vain: has to rest: %v", rested)
			}
			now = now.Add(faultCredit + faultPause + 30*faultCost)
			if rest := d.charge(address.Network(attack.from(1)), faultCredit, now); rest > 0 {
				t.Errorf("when all was paid it rests for %v", rest)
			}
		})
	}
}

// A site may ask in vain as often as sixteen of its networks may.
func TestASiteOwesAShare(t *testing.T) {
	d, now := newDebts(), time.Unix(1, 0)
	for i := range uint64(wideShare) {
		if rest := d.charge(address.Network(v6(i)), faultCredit, now); rest > 0 {
			t.Fatalf("network %d rests for %v", i, rest)
		}
	}
	if rest := d.charge(address.Network(v6(wideShare)), wideShare*100*faultCost, now); rest != 100*faultCost {
		t.Errorf("one more rests for %v", rest)
	}
	if rest := d.charge(address.Network(v6(1<<16)), faultCost, now); rest > 0 {
		t.Errorf("another site rests for %v", rest)
	}
}

// Forgiven are those who owe little.
func TestWhoOwesMuchIsNotForgiven(t *testing.T) {
	d, now := newDebts(), time.Unix(1, 0)
	much := address.Network(netip.MustParseAddr("198.51.100.1"))
	d.charge(much, faultCredit+faultPause, now)
	for i := range uint64(4 * maxDebtors) {
		d.charge(address.Network(v4(i<<8)), faultCost, now)
	}
	if rest := d.charge(much, faultCost, now); rest != faultPause {
		t.Errorf("who owes most rests for %v, want %v", rest, faultPause)
	}
}

func BenchmarkDebts(b *testing.B) {
	for name, attack := range map[string]func(uint64) netip.Addr{"site": v6, "scattered": func(i uint64) netip.Addr { return v4(i << 8) }} {
		b.Run(name, func(b *testing.B) {
			d, now := newDebts(), time.Unix(1, 0)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				now = now.Add(10 * time.Microsecond)
				d.charge(address.Network(attack(uint64(i)%(4*maxDebtors))), faultCost, now) //nolint:gosec // positive
			}
		})
	}
}
