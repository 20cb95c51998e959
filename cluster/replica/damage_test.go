package replica

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/mayfly-broker/mayfly/cluster"
)

// specimen is the directory of a closed node whose group 1 has seen everything:
// two snapshots, a trimmed log, small and large records, several terms.
type specimen struct {
	dir   string
	lines []string // what group 1 must serve, in full
}

func makeSpecimen(t *testing.T) specimen {
	t.Helper()
	s := specimen{dir: t.TempDir()}
	for life := range 3 {
		cfg := singleNode(s.dir)
		cfg.tuning = defaultTuning()
		cfg.tuning.trailingLogs = 8
		n := open(t, cfg)
		g := n.lead(t, 1)
		for i := range 12 {
			line := fmt.Sprintf("life %d line %d", life, i)
			if i == 5 {
				line += strings.Repeat(" large", 1500) // overflows its page
			}
			propose(t, g, line)
			s.lines = append(s.lines, line)
		}
		if life < 2 {
			if err := g.Snapshot(timeout(t)); err != nil {
				t.Fatal(err)
			}
		}
		if s := g.Stats(); life == 2 && (s.FirstIndex == 1 || s.SnapshotIndex == 0) {
			t.Fatalf("the specimen is too simple: %+v", s)
		}
		n.close(t)
	}
	return s
}

func (s specimen) logPath(dir string) string {
	return filepath.Join(replicaDir(dir, replicaRecord{Group: 1, Number: 1}), logFileName)
}

// copy makes a fresh copy to be damaged.
func (s specimen) copy(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// serveOrRefuse opens a directory and requires the right data or a refusal that
// names the damage and changes no file. It tells whether it was refused.
func (s specimen) serveOrRefuse(t *testing.T, what, dir string) (refused bool) {
	t.Helper()
	before := readTree(t, dir)
	n, err := tryOpen(singleNode(dir))
	if err != nil {
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrStoreLost) {
			t.Errorf("%s: refused without a reason of ours: %v", what, err)
		}
		if !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: the error names no file: %v", what, err)
		}
		if after := readTree(t, dir); !reflect.DeepEqual(before, after) {
			t.Errorf("%s: the refused directory was changed", what)
		}
		return true
	}
	n.lead(t, 1)
	if got := n.journal(1).all(); !slices.Equal(got, s.lines) {
		t.Errorf("%s: served %d lines of %d", what, len(got), len(s.lines))
	}
	n.close(t)
	select {
	case err := <-n.fatal:
		t.Errorf("%s: failed later: %v", what, err)
	default:
	}
	return false
}

func readTree(t testing.TB, dir string) map[string]string {
	t.Helper()
	tree := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		tree[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// sameMeaning reports whether two verified files hold the same.
func sameMeaning(a, b logFile) bool { return reflect.DeepEqual(a, b) }

// Bytes of the log file are flipped, one at a time: all that describe a page in
// use, every 37th of the others. The verifier must notice, or the byte must
// not matter.
func TestFlippedByteInLogFile(t *testing.T) {
	s := makeSpecimen(t)
	intact, err := os.ReadFile(s.logPath(s.dir))
	if err != nil {
		t.Fatal(err)
	}
	want, err := verifyLogFile(s.logPath(s.dir), 1)
	if err != nil {
		t.Fatalf("the intact file: %v", err)
	}
	used := usedPages(t, intact).all
	data := slices.Clone(intact)
	var harmless []int
	noticed := 0
	for i := range data {
		if i%37 != 0 && (i%4096 > 120 || !slices.Contains(used, i/4096)) {
			continue
		}
		data[i] ^= 1 << (i % 8)
		got, err := verifyLogBytes(data, 1)
		switch {
		case err != nil:
			noticed++
		case !sameMeaning(got, want):
			t.Fatalf("byte %d was flipped: the file was accepted and says something else", i)
		default:
			harmless = append(harmless, i)
		}
		data[i] = intact[i]
	}
	t.Logf("%d flips were noticed, %d do not matter", noticed, len(harmless))
	if noticed < 500 {
		t.Errorf("only %d flips were noticed", noticed)
	}
	// bbolt itself, and raft, must agree that those do not matter.
	for _, i := range sample(harmless, 12) {
		dir := s.copy(t)
		flipByte(t, s.logPath(dir), i, 1<<(i%8))
		if s.serveOrRefuse(t, fmt.Sprintf("harmless byte %d", i), dir) {
			t.Errorf("byte %d was harmless to the verifier, but not at start", i)
		}
	}
}

// pages are the numbers of pages in use.
type pages struct {
	all            []int
	leaf, freelist int // the last leaf of the log, the list of free pages
}

func usedPages(t *testing.T, data []byte) pages {
	t.Helper()
	f := &pageFile{r: bytes.NewReader(data), size: int64(len(data)), visit: func(string, []byte, []byte) error { return nil }}
	if err := f.readMeta(); err != nil {
		t.Fatal(err)
	}
	f.seen = make([]bool, f.high)
	if err := f.walkTree("", f.root, nil, nil, 0); err != nil {
		t.Fatal(err)
	}
	p := pages{all: []int{0, 1, int(f.freelist)}, freelist: int(f.freelist)}
	for id, seen := range f.seen {
		if seen {
			p.all = append(p.all, id)
			if data[id*4096+8] == flagLeaf && data[id*4096] == byte(id) && uint64(id) != f.root {
				p.leaf = id
			}
		}
	}
	if p.leaf == 0 || len(p.all) < 8 {
		t.Fatalf("the specimen is too simple: %+v", p)
	}
	return p
}

// verifyLogBytes is verifyLogFile on memory.
func verifyLogBytes(data []byte, group cluster.GroupID) (logFile, error) {
	v := logVerifier{group: group}
	if err := walkPages(bytes.NewReader(data), int64(len(data)), v.record); err != nil {
		return logFile{}, err
	}
	return v.found, v.finish()
}

func sample(from []int, n int) []int {
	rnd := rand.New(rand.NewPCG(1, 2))
	var some []int
	for range min(n, len(from)) {
		some = append(some, from[rnd.IntN(len(from))])
	}
	return some
}

func flipByte(t testing.TB, path string, at int, mask byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[at] ^= mask
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Damage at the places where bbolt keeps what it believes without checking,
// through the front door.
func TestDamagedLogFileIsRefused(t *testing.T) {
	s := makeSpecimen(t)
	intact, err := os.ReadFile(s.logPath(s.dir))
	if err != nil {
		t.Fatal(err)
	}
	used := usedPages(t, intact)
	leaf, free := used.leaf*4096, used.freelist*4096
	record := bytes.Index(intact, []byte(s.lines[len(s.lines)-1]))
	for name, at := range map[string]int{
		"meta page 0":                  20,
		"meta page 1":                  4096 + 50,
		"unused flags of meta page 0":  headerLen + 12, // bbolt would pass over the page
		"unused flags of meta page 1":  4096 + headerLen + 12,
		"page number":                  leaf,
		"page kind":                    leaf + 8,
		"entry count of a leaf":        leaf + 10,
		"overflow of a leaf":           leaf + 12,
		"position of an entry":         leaf + headerLen + 4,
		"length of a value":            leaf + headerLen + 12,
		"entry count of the free list": free + 10,
		"a free page":                  free + headerLen,
		"payload of a record":          record,
	} {
		t.Run(name, func(t *testing.T) {
			dir := s.copy(t)
			flipByte(t, s.logPath(dir), at, 1)
			if !s.serveOrRefuse(t, name, dir) {
				t.Error("the node started")
			}
		})
	}
}

// A file cut short must be refused before bbolt maps it: behind the end of the
// file the map faults, and growing the file again would fill it with zeros.
func TestCutLogFile(t *testing.T) {
	s := makeSpecimen(t)
	intact, err := os.ReadFile(s.logPath(s.dir))
	if err != nil {
		t.Fatal(err)
	}
	for length := 0; length < len(intact); length += 512 {
		got, err := verifyLogBytes(intact[:length], 1)
		if want, _ := verifyLogBytes(intact, 1); err == nil && !sameMeaning(got, want) {
			t.Fatalf("cut to %d bytes the file was accepted and says something else", length)
		}
	}
	refused := 0
	for _, length := range []int{0, 1, 80, 4095, 4096, 8192, 12288, 16384, len(intact) / 2, len(intact) - 4096, len(intact) - 1} {
		dir := s.copy(t)
		if err := os.Truncate(s.logPath(dir), int64(length)); err != nil {
			t.Fatal(err)
		}
		if s.serveOrRefuse(t, fmt.Sprintf("cut to %d bytes", length), dir) {
			refused++
		}
	}
	if refused < 8 {
		t.Errorf("only %d cuts were refused", refused)
	}
	// Cut and grown back to its length with zeros.
	dir := s.copy(t)
	for _, length := range []int{len(intact) / 3, len(intact)} {
		if err := os.Truncate(s.logPath(dir), int64(length)); err != nil {
			t.Fatal(err)
		}
	}
	if !s.serveOrRefuse(t, "cut and grown back", dir) {
		t.Error("a file whose end became zeros was accepted")
	}
}

func TestMissingFilesAreRefused(t *testing.T) {
	s := makeSpecimen(t)
	replica := func(dir string) string { return filepath.Dir(s.logPath(dir)) }
	for name, c := range map[string]struct {
		remove func(dir string) string
		want   error
	}{
		"the log":       {s.logPath, ErrStoreLost},
		"the replica":   {replica, ErrStoreLost},
		"all groups":    {groupsDir, ErrStoreLost},
		"the snapshots": {func(dir string) string { return snapshotsDir(replica(dir)) }, ErrDamaged},
		"the identity":  {func(dir string) string { return filepath.Join(dir, manifestName) }, ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			dir := s.copy(t)
			if err := os.RemoveAll(c.remove(dir)); err != nil {
				t.Fatal(err)
			}
			if _, err := tryOpen(singleNode(dir)); !errors.Is(err, c.want) {
				t.Errorf("Open: %v, want %v", err, c.want)
			}
		})
	}
	// An empty store under an old number is as lost as none.
	dir := s.copy(t)
	if err := os.RemoveAll(replica(dir)); err != nil {
		t.Fatal(err)
	}
	if err := MakeDir(replica(dir)); err != nil {
		t.Fatal(err)
	}
	if err := createDiskFile(s.logPath(dir), 1); err != nil {
		t.Fatal(err)
	}
	if _, err := tryOpen(singleNode(dir)); !errors.Is(err, ErrStoreLost) {
		t.Errorf("a blank store under an old number: %v", err)
	}
}

// The log of another group is intact, and not ours.
func TestSwappedLogFileIsRefused(t *testing.T) {
	s := makeSpecimen(t)
	dir := s.copy(t)
	meta := filepath.Join(replicaDir(dir, replicaRecord{Group: 0, Number: 1}), logFileName)
	if err := os.Rename(meta, s.logPath(dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := tryOpen(singleNode(dir)); !errors.Is(err, ErrDamaged) {
		t.Errorf("Open: %v", err)
	}
}

func (s specimen) newestSnapshot(t testing.TB, dir string) string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(snapshotsDir(filepath.Dir(s.logPath(dir))), "*"))
	if err != nil || len(all) != 2 {
		t.Fatalf("snapshots %q, %v", all, err)
	}
	return slices.Max(all)
}

// meta.json has no checksum of its own. What raft takes from it must be right.
func TestFlippedByteInSnapshotMeta(t *testing.T) {
	s := makeSpecimen(t)
	dir := s.copy(t)
	path := filepath.Join(s.newestSnapshot(t, dir), "meta.json")
	intact, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	meaning := func() (m snapMeta) {
		data, _ := os.ReadFile(path)
		_ = json.Unmarshal(data, &m)
		m.Peers = nil // only read by protocols before ours
		return m
	}
	want, noticed := meaning(), 0
	for i := range intact {
		for bit := range 8 {
			damaged := slices.Clone(intact)
			damaged[i] ^= 1 << bit
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := verifySnapshots(filepath.Dir(s.logPath(dir)), 1); err != nil {
				noticed++
			} else if got := meaning(); !reflect.DeepEqual(got, want) {
				t.Errorf("bit %d of byte %d was flipped, not noticed, and changed\n%+v to\n%+v", bit, i, want, got)
			}
		}
	}
	if noticed < len(intact) {
		t.Errorf("only %d of %d flips were noticed", noticed, 8*len(intact))
	}
}

func TestDamagedSnapshotIsRefused(t *testing.T) {
	s := makeSpecimen(t)
	for name, damage := range map[string]func(dir string) error{
		"first byte":    func(dir string) error { flipByte(t, filepath.Join(dir, "state.bin"), 0, 1); return nil },
		"data":          func(dir string) error { flipByte(t, filepath.Join(dir, "state.bin"), 100, 1); return nil },
		"cut":           func(dir string) error { return os.Truncate(filepath.Join(dir, "state.bin"), 200) },
		"empty":         func(dir string) error { return os.Truncate(filepath.Join(dir, "state.bin"), 0) },
		"without data":  func(dir string) error { return os.Remove(filepath.Join(dir, "state.bin")) },
		"without meta":  func(dir string) error { return os.Remove(filepath.Join(dir, "meta.json")) },
		"gone":          os.RemoveAll,
		"another name":  func(dir string) error { return os.Rename(dir, filepath.Join(filepath.Dir(dir), "9-9999-1")) },
		"cut meta":      func(dir string) error { return os.Truncate(filepath.Join(dir, "meta.json"), 30) },
		"foreign entry": func(dir string) error { return os.Mkdir(filepath.Join(filepath.Dir(dir), "what"), 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := s.copy(t)
			if err := damage(s.newestSnapshot(t, dir)); err != nil {
				t.Fatal(err)
			}
			if !s.serveOrRefuse(t, name, dir) && name != "gone" {
				t.Error("the node started")
			}
		})
	}
}

func TestUnfinishedSnapshotIsSwept(t *testing.T) {
	s := makeSpecimen(t)
	dir := s.copy(t)
	rest := filepath.Join(filepath.Dir(s.newestSnapshot(t, dir)), "3-40-1"+tmpSuffix)
	if err := os.Mkdir(rest, 0o700); err != nil {
		t.Fatal(err)
	}
	if s.serveOrRefuse(t, "the rest of a snapshot", dir) {
		t.Error("refused")
	}
	if _, err := os.Stat(rest); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the rest is still there: %v", err)
	}
}

// A leader's snapshot was installed, the crash came before the old log was
// dropped: it is dropped now, and the replica goes on behind the snapshot.
func TestInterruptedInstallIsFinished(t *testing.T) {
	cfg, err := Config{Dir: t.TempDir(), StateMachine: func(cluster.GroupID) StateMachine { return nil }}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	record := replicaRecord{Group: 1, Number: 1, State: StateCreated}
	reopen := func() *storage {
		t.Helper()
		found, err := inspect(cfg.Dir, record)
		if err != nil {
			t.Fatal(err)
		}
		room := func() error { return nil }
		st, err := openDisk(cfg, "n1/1/1", record, found, newFailStop(), room, newRaftLog(cfg.Logger))
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	st := reopen()
	store := func(st *storage, index uint64) {
		t.Helper()
		if err := st.log.StoreLog(&raft.Log{Index: index, Term: 1, Data: encodeEntry([][]byte{nil})}); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.stable.SetUint64([]byte(keyCurrentTerm), 2); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(5) {
		store(st, i+1)
	}
	sink, err := st.snapshots.Create(raft.SnapshotVersionMax, 100, 2, raft.Configuration{}, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sink.Write(sink.(headedSink).header()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(sink.Close(), st.close()); err != nil {
		t.Fatal(err)
	}
	record.State = StateStarted
	for range 2 {
		st = reopen()
		if first, last, bytes := st.log.size(); first != 0 || last != 0 || bytes != 0 {
			t.Errorf("the log still reaches from %d to %d with %d bytes", first, last, bytes)
		}
		if err := st.close(); err != nil {
			t.Fatal(err)
		}
	}
	st = reopen()
	store(st, 101)
	if err := st.close(); err != nil {
		t.Fatal(err)
	}
	if found, err := verifyLogFile(filepath.Join(replicaDir(cfg.Dir, record), logFileName), 1); err != nil || found.first != 101 || found.tail != 101 {
		t.Errorf("found %+v, %v", found, err)
	}
}
