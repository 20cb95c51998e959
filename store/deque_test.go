package store

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestDequeAgainstSlice freezes now and then, as snapshots do, and looks that
// what was frozen stays.
func TestDequeAgainstSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type frozen struct {
			d    *deque
			want [][]byte
		}
		var (
			d      = newDeque(0)
			want   [][]byte
			copies []frozen
			next   uint32
		)
		values := func(n int) [][]byte {
			out := make([][]byte, n)
			for i := range out {
				next++
				out[i] = binary.BigEndian.AppendUint32(nil, next)
			}
			return out
		}
		size := rapid.SampledFrom([]int{1, 1, 2, 7, 64, 65, 200})
		t.Repeat(map[string]func(*rapid.T){
			"push back": func(t *rapid.T) {
				for _, v := range values(size.Draw(t, "n")) {
					d.pushBack(v)
					want = append(want, v)
				}
			},
			"push front": func(t *rapid.T) {
				for _, v := range values(size.Draw(t, "n")) {
					d.pushFront(v)
					want = slices.Insert(want, 0, v)
				}
			},
			"drop front": func(t *rapid.T) {
				n := min(size.Draw(t, "n"), len(want))
				d.dropFront(n)
				want = want[n:]
			},
			"drop back": func(t *rapid.T) {
				n := min(size.Draw(t, "n"), len(want))
				d.dropBack(n)
				want = slices.Clone(want[:len(want)-n])
			},
			"filter": func(t *rapid.T) {
				m := rapid.IntRange(2, 5).Draw(t, "every")
				d = d.filter(d.epoch, func(i int, _ []byte) bool { return i%m != 0 })
				var kept [][]byte
				for i, v := range want {
					if i%m != 0 {
						kept = append(kept, v)
					}
				}
				want = kept
			},
			"freeze": func(t *rapid.T) {
				if d.length > 0 {
					copies = append(copies, frozen{d, slices.Clone(want)})
				}
				d = d.own(d.epoch + 1)
			},
			"": func(t *rapid.T) {
				if d.length != len(want) || d.size != uint64(len(want)*(entryOverhead+4)) {
					t.Fatalf("%d entries of %d bytes, want %d", d.length, d.size, len(want))
				}
				if d.length > 0 {
					verifyDeque(t, d)
					i := rapid.IntRange(0, len(want)).Draw(t, "begin")
					j := rapid.IntRange(i, len(want)).Draw(t, "end")
					if got := d.slice(i, j); !slices.EqualFunc(got, want[i:j], bytes.Equal) {
						t.Fatalf("slice %d to %d is %x, want %x", i, j, got, want[i:j])
					}
					if !bytes.Equal(d.front(), want[0]) || !bytes.Equal(d.back(), want[len(want)-1]) {
						t.Fatalf("ends %x and %x", d.front(), d.back())
					}
				}
			},
		})
		for _, f := range copies {
			verifyDeque(t, f.d)
			if got := f.d.slice(0, f.d.length); !slices.EqualFunc(got, f.want, bytes.Equal) {
				t.Fatalf("a frozen list changed to %x, was %x", got, f.want)
			}
		}
	})
}

// slotsHeld counts the slots a list has room for, chunks and spine.
func slotsHeld(d *deque) (entries, spine int) {
	for _, c := range d.spine.live() {
		entries += len(c.slots)
	}
	return entries, len(d.spine.slots)
}

func TestDequeGivesRoomBack(t *testing.T) {
	const many = 100_000
	for name, drop := range map[string]func(d *deque){
		"front": func(d *deque) { d.dropFront(many - 3) },
		"back":  func(d *deque) { d.dropBack(many - 3) },
		"both": func(d *deque) {
			for d.length > 3 {
				d.dropFront(1)
				if d.length > 3 {
					d.dropBack(1)
				}
			}
		},
	} {
		d := newDeque(0)
		for range many {
			d.pushBack([]byte("x"))
		}
		if entries, spine := slotsHeld(d); entries > many+2*chunkSlots || spine > 4*many/chunkSlots {
			t.Errorf("full: %d slots, %d in the spine", entries, spine)
		}
		drop(d)
		verifyDeque(t, d)
		if entries, spine := slotsHeld(d); d.length != 3 || entries > 16 || spine > 16 {
			t.Errorf("%s: %d entries in %d slots, %d in the spine", name, d.length, entries, spine)
		}
	}
}

// A queue that stays short must stay small, however much goes through it.
func TestShortQueueStaysInOneChunk(t *testing.T) {
	d := newDeque(0)
	for i := range 10_000 {
		d.pushBack([]byte("x"))
		if i > 5 {
			d.dropFront(1)
		}
	}
	if entries, _ := slotsHeld(d); d.spine.len() != 1 || entries > 32 {
		t.Errorf("%d entries take %d chunks of %d slots", d.length, d.spine.len(), entries)
	}
}

// After a freeze the first write copies the spine and one chunk, no more.
func TestFirstWriteAfterFreezeCopiesOneChunk(t *testing.T) {
	d := newDeque(0)
	for range 10 * chunkSlots {
		d.pushBack([]byte("x"))
	}
	writable := d.own(1)
	writable.dropFront(1)
	writable.pushBack([]byte("y"))
	shared := 0
	for _, c := range writable.spine.live() {
		if slices.Contains(d.spine.live(), c) {
			shared++
		}
	}
	if shared != 9 {
		t.Errorf("%d of 10 chunks are still shared, want 9", shared)
	}
	verifyDeque(t, d)
	verifyDeque(t, writable)
}

// What is left after whole chunks went is still shared, and must not be made
// smaller in place.
func TestSharedChunkIsNotShrunk(t *testing.T) {
	d := newDeque(0)
	for range chunkSlots + 5 {
		d.pushBack([]byte("x"))
	}
	writable := d.own(1)
	writable.dropFront(d.spine.live()[0].len())
	verifyDeque(t, d)
	verifyDeque(t, writable)
	if writable.dropFront(1); writable.spine.len() != 1 || len(writable.spine.live()[0].slots) >= chunkSlots {
		t.Errorf("%d entries in %d slots", writable.length, len(writable.spine.live()[0].slots))
	}
	verifyDeque(t, d)
}
