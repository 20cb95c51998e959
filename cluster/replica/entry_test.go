package replica

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestEntryRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		commands := rapid.SliceOfN(rapid.SliceOf(rapid.Byte()), 1, 50).Draw(t, "commands")
		got, err := decodeEntry(encodeEntry(commands))
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(commands) {
			t.Fatalf("%d commands came back, want %d", len(got), len(commands))
		}
		for i := range got {
			if !bytes.Equal(got[i], commands[i]) {
				t.Fatalf("command %d is %q, want %q", i, got[i], commands[i])
			}
		}
	})
}

func TestEntryRefuses(t *testing.T) {
	for name, data := range map[string][]byte{
		"empty":                  {},
		"unknown version":        {2, 1, 0},
		"no count":               {1},
		"no commands":            {1, 0},
		"more commands than fit": {1, 3, 0, 0},
		"absurd count":           {1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"absurd length":          {1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f},
		"length beyond the end":  {1, 1, 2, 'a'},
		"bytes left over":        {1, 1, 1, 'a', 'b'},
		"padded count":           {1, 0x81, 0x00, 0},
		"padded length":          {1, 1, 0x81, 0x00, 'a'},
	} {
		if got, err := decodeEntry(data); !errors.Is(err, errEntry) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// Whatever is accepted is exactly what the encoder writes.
func FuzzDecodeEntry(f *testing.F) {
	f.Add([]byte{})
	f.Add(encodeEntry([][]byte{nil}))
	f.Add(encodeEntry([][]byte{[]byte("a"), []byte("bc"), nil, bytes.Repeat([]byte("x"), 300)}))
	f.Add([]byte{1, 0xff, 0xff, 0x03, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		commands, err := decodeEntry(data)
		if err != nil {
			return
		}
		if again := encodeEntry(commands); !bytes.Equal(again, data) {
			t.Fatalf("accepted %x, which encodes as %x", data, again)
		}
	})
}
