package gossip

import (
	"bytes"
	"encoding/binary"
	"testing"
	"testing/synctest"
)

// FuzzStrangers: whatever somebody without the secret sends to the gossip port, as a
// packet or as a stream, behind the label of the cluster or not: nothing falls over,
// and nobody is heard of.
func FuzzStrangers(f *testing.F) {
	const encrypted, compressed, pushPull = 10, 9, 6 // memberlist's types of message
	for _, body := range [][]byte{
		nil, {labelMark}, {labelMark, 255, 'x'}, {cipherVersion}, {0}, append([]byte{cipherVersion}, bytes.Repeat([]byte{7}, 40)...),
		append([]byte{0}, padding...), {encrypted, 0xff, 0xff, 0xff, 0xff, cipherVersion}, {encrypted, 0, 0, 0, 30, cipherVersion},
		binary.BigEndian.AppendUint32([]byte{pushPull}, 1<<31), {compressed, 0x82, 0xa4}, {12, 0, 0, 0, 0}, {244, 0},
	} {
		f.Add(true, body)
		f.Add(false, body)
	}
	f.Fuzz(func(t *testing.T, labelled bool, body []byte) {
		if labelled {
			body = append(bytes.Clone(townHeader), body...)
		}
		synctest.Test(t, func(t *testing.T) {
			w := newTown(t)
			w.start("a", placeOf(0))
			before := view(w.nodes["a"])
			s := w.stranger()
			if _, err := s.WriteTo(body, placeOf(0).String()); err != nil {
				t.Fatal(err)
			}
			conn, err := s.Dial(t.Context(), placeOf(0).String())
			if err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = conn.Write(body) }()
			synctest.Wait()
			_ = conn.Close()
			synctest.Wait()
			if after := view(w.nodes["a"]); after != before {
				t.Fatalf("%q made it hear %q, before it was %q", body, after, before)
			}
		})
	})
}
