package replica

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
	"pgregory.net/rapid"
)

// The log book over a file behaves like a map, across restarts, and keeps its
// books right.
func TestLogbookLikeANaiveLog(t *testing.T) {
	dir := t.TempDir()
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		path := filepath.Join(dir, fmt.Sprint(runs)+".db")
		defer func() { _ = os.Remove(path) }()
		if err := createDiskFile(path, 7); err != nil {
			t.Fatal(err)
		}
		model := make(map[uint64]string)
		var first, last, term uint64 = 0, 0, 1
		var covered uint64 // what a snapshot before the trimming would hold
		var book *logbook
		var disk *diskStore
		reopen := func() {
			if disk != nil {
				if err := disk.close(); err != nil {
					t.Fatal(err)
				}
			}
			found, err := verifyLogFile(path, 7)
			if err != nil {
				t.Fatalf("the file after what we did: %v", err)
			}
			if err := found.verifyReach(covered); err != nil {
				t.Fatalf("the file after what we did: %v", err)
			}
			if disk, err = openDiskStore(path, 7, found, newFailStop()); err != nil {
				t.Fatal(err)
			}
			book = newLogbook(disk, "n1/7/1", found, Limits{LogBytes: 1 << 20, RecentBytes: 1 << 20})
		}
		reopen()
		defer func() { _ = disk.close() }()
		if err := disk.SetUint64([]byte(keyCurrentTerm), 1_000_000); err != nil {
			t.Fatal(err)
		}
		remove := func(from, to uint64) {
			if err := book.DeleteRange(from, to); err != nil {
				t.Fatal(err)
			}
			for i := from; i <= to; i++ {
				delete(model, i)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				if last == 0 {
					last = rapid.Uint64Range(0, 50).Draw(t, "start")
				}
				var entries []*raft.Log
				for range rapid.IntRange(1, 20).Draw(t, "entries") {
					last++
					term += rapid.Uint64Range(0, 1).Draw(t, "term")
					data := rapid.StringN(0, 3000, -1).Draw(t, "data")
					entries = append(entries, &raft.Log{Index: last, Term: term, Data: []byte(data)})
					model[last] = data
					if first == 0 {
						first, covered = last, last-1
					}
				}
				if err := book.StoreLogs(entries); err != nil {
					t.Fatal(err)
				}
			},
			"trim": func(t *rapid.T) {
				if last == 0 {
					return
				}
				to := rapid.Uint64Range(first, last).Draw(t, "to")
				remove(first, to)
				covered = to
				if first = to + 1; first > last {
					first, last = 0, 0
				}
			},
			"cut": func(t *rapid.T) {
				if last == 0 || first == last {
					return
				}
				from := rapid.Uint64Range(first+1, last).Draw(t, "from")
				remove(from, last)
				last = from - 1
			},
			"reopen": func(*rapid.T) { reopen() },
			"hole": func(t *rapid.T) {
				if last == 0 {
					return
				}
				index := last + rapid.Uint64Range(2, 9).Draw(t, "gap")
				if book.StoreLog(&raft.Log{Index: index, Term: term}) == nil {
					t.Fatalf("record %d was accepted after %d", index, last)
				}
				if last-first >= 2 && book.DeleteRange(first+1, last-1) == nil {
					t.Fatal("a hole could be made")
				}
			},
			"": func(t *rapid.T) {
				gotFirst, gotLast, bytes := book.size()
				if gotFirst != first || gotLast != last {
					t.Fatalf("bounds %d to %d, want %d to %d", gotFirst, gotLast, first, last)
				}
				var want int64
				for i := range 2 * max(last, 1) {
					var entry raft.Log
					err := book.GetLog(i, &entry)
					data, ok := model[i]
					switch {
					case !ok && !errors.Is(err, raft.ErrLogNotFound):
						t.Fatalf("record %d is not there: %v", i, err)
					case ok && (err != nil || string(entry.Data) != data || entry.Index != i || entry.Extensions != nil):
						t.Fatalf("record %d: %+v, %v", i, entry, err)
					case ok:
						want += int64(recordSize(&entry))
					}
				}
				if bytes != want {
					t.Fatalf("the book says %d bytes, the records have %d", bytes, want)
				}
			},
		})
	})
}

func TestRecentLogIsBounded(t *testing.T) {
	const recentBytes = 4 << 20
	r := recentLog{most: recentBytes}
	large := make([]byte, recentBytes/4)
	for i := range uint64(3 * recentEntries) {
		entry := &raft.Log{Index: i + 1}
		if i%100 < 10 {
			entry.Data = large
		}
		r.add(entry, recordSize(entry))
		held, bytes := 0, int64(0)
		for j := uint64(1); j <= i+1; j++ {
			if e := r.get(j); e != nil {
				if e.Index != j {
					t.Fatalf("asked for %d, got %d", j, e.Index)
				}
				held++
				bytes += int64(recordSize(e))
			}
		}
		if held > recentEntries || bytes > recentBytes || bytes != r.bytes {
			t.Fatalf("%d entries of %d bytes are held, %d in the book", held, bytes, r.bytes)
		}
	}
	if r.get(3*recentEntries) == nil {
		t.Error("the newest entry is not held")
	}
}

// A leader must know that it is no longer alone before another replica can.
func TestMembersAreKnownBeforeTheEntryIsStored(t *testing.T) {
	server := func(id string, suffrage raft.ServerSuffrage) raft.Server {
		return raft.Server{ID: raft.ServerID(id), Address: raft.ServerAddress(id), Suffrage: suffrage}
	}
	self, other := server("n1/1/1", raft.Voter), server("n2/1/1", raft.Voter)
	learner := server("n2/1/1", raft.Nonvoter)
	for name, c := range map[string]struct {
		servers []raft.Server
		alone   bool
		peers   bool
	}{
		"alone":         {[]raft.Server{self}, true, false},
		"with a peer":   {[]raft.Server{self, other}, false, true},
		"with learner":  {[]raft.Server{self, learner}, true, true},
		"other is lone": {[]raft.Server{other}, false, true},
		"learner self":  {[]raft.Server{server("n1/1/1", raft.Nonvoter), other}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			spy := &spyStore{memStore: memStore{raft.NewInmemStore()}}
			book := newLogbook(spy, "n1/1/1", logFile{}, Limits{LogBytes: 1 << 20, RecentBytes: 1 << 20})
			spy.before = func() {
				if book.roster.loneVoter() != c.alone || book.roster.peers() != c.peers {
					t.Errorf("while storing: lone voter %v, peers %v", book.roster.loneVoter(), book.roster.peers())
				}
			}
			entry := &raft.Log{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(raft.Configuration{Servers: c.servers})}
			if err := book.StoreLog(entry); err != nil || !spy.called {
				t.Fatal(err)
			}
			if err := book.StoreLog(&raft.Log{Index: 2, Term: 1}); err != nil {
				t.Fatal(err)
			}
			if err := book.DeleteRange(2, 2); err != nil {
				t.Fatal(err)
			}
			if book.roster.loneVoter() != c.alone || book.roster.peers() != c.peers {
				t.Error("a cut behind the configuration changed it")
			}
			if err := book.DeleteRange(1, 1); err != nil {
				t.Fatal(err)
			}
			if book.roster.loneVoter() || !book.roster.peers() {
				t.Error("the configuration outlived its entry")
			}
		})
	}
}

type spyStore struct {
	memStore
	before func()
	called bool
}

func (s *spyStore) StoreLogs(entries []*raft.Log) error {
	if !s.called {
		s.called = true
		s.before()
	}
	return s.memStore.StoreLogs(entries)
}
