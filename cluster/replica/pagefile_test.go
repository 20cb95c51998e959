package replica

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
)

// A damaged file may be anything. It is refused, or means what was written;
// reading it never panics and ends soon.
func FuzzDamagedLogFile(f *testing.F) {
	path := filepath.Join(f.TempDir(), logFileName)
	if err := createDiskFile(path, 1); err != nil {
		f.Fatal(err)
	}
	found, err := verifyLogFile(path, 1)
	if err != nil {
		f.Fatal(err)
	}
	disk, err := openDiskStore(path, 1, found, newFailStop())
	if err != nil {
		f.Fatal(err)
	}
	if err := disk.SetUint64([]byte(keyCurrentTerm), 3); err != nil {
		f.Fatal(err)
	}
	for i := range uint64(150) {
		size := 40
		if i%50 == 7 {
			size = 5000
		}
		if err := disk.StoreLog(&raft.Log{Index: i + 1, Term: 1 + i/100, Data: []byte(strings.Repeat("x", size))}); err != nil {
			f.Fatal(err)
		}
	}
	if err := disk.close(); err != nil {
		f.Fatal(err)
	}
	intact, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	want, err := verifyLogBytes(intact, 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0), []byte(nil), uint32(0))
	f.Add(uint32(3*4096+8), []byte{1, 0, 0xff, 0xff}, uint32(0))
	f.Add(uint32(4096+16), []byte("\xed\xda\x0c\xed"), uint32(0))
	f.Add(uint32(20), []byte{1}, uint32(9000))
	// XORs some bytes at an offset, then cuts the file by some bytes.
	f.Fuzz(func(t *testing.T, at uint32, mask []byte, cut uint32) {
		data := append([]byte(nil), intact...)
		for i, m := range mask {
			data[(int(at)+i)%len(data)] ^= m
		}
		data = data[:len(data)-int(cut)%len(data)]
		if got, err := verifyLogBytes(data, 1); err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("accepted, and says something else: %d to %d", got.first, got.last)
		}
	})
}
