package load

import (
	"bufio"
	"net"
	"testing"
)

func TestParseHead(t *testing.T) {
	for _, test := range []struct {
		head      string
		sid, size int
		fails     bool
	}{
		{"a.topic 17 100", 17, 100, false},
		{"a.topic 0 0", 0, 0, false},
		{"a.topic 17", 0, 0, true},
		{"a.topic 17 reply 100", 0, 0, true},
		{"a.topic -1 100", 0, 0, true},
		{"a.topic 1 -100", 0, 0, true},
		{"", 0, 0, true},
	} {
		sid, size, err := parseHead([]byte(test.head))
		if sid != test.sid || size != test.size || (err != nil) != test.fails {
			t.Errorf("%q: got %d, %d, %v; want %d, %d, failing %v", test.head, sid, size, err, test.sid, test.size, test.fails)
		}
	}
}

// A server of a few lines: it greets, asks for a sign of life in between and
// sends two items.
func TestReceive(t *testing.T) {
	ours, theirs := net.Pipe()
	defer func() { _ = theirs.Close() }()
	c := &natsConn{Conn: ours, in: bufio.NewReaderSize(ours, natsBuffer), out: bufio.NewWriter(ours), pongs: make(chan struct{}, 1)}
	all := make(chan struct{})
	r := &reader{want: 2, done: func() { close(all) }}
	ended := make(chan error, 1)
	go func() { ended <- c.receive([]*reader{r}) }()

	first, second := payload(1, 100), payload(2, 100)
	for _, part := range []string{"INFO {}\r\n", "MSG topic 0 100\r\n" + string(first) + "\r\nPI", "NG\r\n"} {
		if _, err := theirs.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if line, err := bufio.NewReader(theirs).ReadString('\n'); err != nil || line != "PONG\r\n" {
		t.Errorf("a PING was answered with %q, %v", line, err)
	}
	if _, err := theirs.Write([]byte("MSG topic 0 100\r\n" + string(second) + "\r\n-ERR 'enough'\r\n")); err != nil {
		t.Fatal(err)
	}
	<-all
	if err := <-ended; err == nil || err.Error() != "nats-server refuses: 'enough'" {
		t.Errorf("receiving ended with %v", err)
	}
}
