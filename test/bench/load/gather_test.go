package load

import (
	"bufio"
	"io"
	"net"
	"testing"
)

func TestRedisCommands(t *testing.T) {
	for _, test := range []struct {
		answer string
		want   int
		fails  bool
	}{{":3\r\n", 3, false}, {"-ERR no\r\n", 0, true}, {"", 0, true}} {
		ours, theirs := net.Pipe()
		c := &redisConn{Conn: ours, in: bufio.NewReader(ours), out: bufio.NewWriter(ours)}
		const command = "*3\r\n$4\r\nSADD\r\n$1\r\ns\r\n$0\r\n\r\n"
		got := make(chan string, 1)
		go func() {
			b := make([]byte, len(command))
			_, _ = io.ReadFull(theirs, b) // a short one fails the comparison
			_, _ = io.WriteString(theirs, test.answer)
			_ = theirs.Close()
			got <- string(b)
		}()
		n, err := c.call([][]byte{[]byte("SADD"), []byte("s"), nil})
		if sent := <-got; sent != command || n != test.want || (err != nil) != test.fails {
			t.Errorf("answered %q: sent %q, got %d, %v", test.answer, sent, n, err)
		}
	}
}

// Every element of a collection is another one, so that servers that are
// compared hold the same number.
func TestElementsDiffer(t *testing.T) {
	j := gatherJob{Gather: Gather{Type: Sets, Collections: 1, Per: 1_000_000}}
	seen := make(map[string]bool, j.Per)
	for begin := 0; begin < j.Per; begin += batch {
		for _, e := range j.portion(0, begin).elements {
			if len(e) != 20 || seen[string(e)] {
				t.Fatalf("%q has not 20 bytes, or comes twice", e)
			}
			seen[string(e)] = true
		}
	}
	if len(seen) != j.Per {
		t.Errorf("there are %d elements, want %d", len(seen), j.Per)
	}
}
