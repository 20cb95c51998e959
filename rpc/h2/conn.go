package h2

import (
	"bufio"
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/peer"

	"github.com/mayfly-broker/mayfly/rpc/share"
)

// conn is one connection. Its reader, one goroutine at a time, owns the inbound
// part; whoever has something to write does so under the lock.
type conn struct {
	server *Server
	socket net.Conn
	line   *line // nil if it is not within reach
	// most is how many streams the client is told it may have.
	most int
	// ctx is the parent of the contexts of the connection's calls.
	ctx    context.Context
	cancel context.CancelFunc

	reader
	pace  pace
	queue queue // of streams that have something to send; has its own lock
	keeper

	mu      sync.Mutex
	out     outbox
	streams map[uint32]*Stream // those that the client has not seen the end of
	starved []*Stream          // those that wait for the connection's window
	single  [1][]byte          // room for a list of one message
	stage   stage
	// newest is the number of the newest stream begun, and busy how many streams
	// the client still has or a handler still serves.
	newest uint32
	busy   int
	// unbegun is how many streams have a handler that waits for the rest of their
	// message, waiting what they take in bytes, and weighed what of that was taken
	// from waitRoom; see weigh.
	unbegun          int
	waiting, weighed int64
	waitRoom         share.Holder
	// room is what is taken for messages on their way and answers that are not read.
	room share.Holder
	// crammed is until when calls are refused, before they make answers for nothing,
	// because one found no room; sooner if another was read.
	crammed  time.Duration
	lookout  *time.Timer // see look
	temper   temper      // has no lock
	looking  bool
	turn     sync.Cond   // something that somebody may wait for has happened
	waits    int         // how many do
	stopLate func() bool // stops the timer of the parting
}

// reader is what belongs to the goroutine that reads.
type reader struct {
	inlet  inlet
	in     *bufio.Reader // of the inlet
	framer *http2.Framer
	habit  habit
	// shift counts how often the goroutine that reads went away to do something
	// else, and came back or was relieved; see watch.
	shift   atomic.Uint64
	watched atomic.Bool
	seen    uint64 // of the watch
	inBatch bool
	// allowance is what the client may still send on the whole connection, in
	// bytes.
	allowance int64
	strikes   int
	pinged    time.Time // by the client, when last
	idles     pacer     // frames that carried nothing
	resets    pacer     // streams that were for nothing
}

// inlet is where bytes come from: from the socket as it was given to us, which may have
// some that were read before, and after the greeting straight from its line.
type inlet struct{ io.Reader }

// stage is how far a connection is on its way to its end. It only grows.
type stage uint8

const (
	open     stage = iota
	parting        // the client was told to open no more streams
	deaf           // new streams are not served any more
	leaving        // nothing is left to be said
	finished       // closed
)

const (
	// inBuffer is the size of the read buffer: a burst of small requests.
	inBuffer = 8 << 10
	// connectionWindow is what clients may have sent and not been told of.
	connectionWindow = 1 << 20
	// patience is how long the goroutine that reads may be away, with a handler
	// or at a socket that is full, before it is relieved; twice as long at most.
	// Clients want their pings answered within a second.
	patience = 20 * time.Millisecond
	// promptTime is how long handlers that are called prompt may take on
	// average to be believed.
	promptTime = 300 * time.Microsecond
)

func newConn(s *Server, socket net.Conn) *conn {
	c := &conn{
		server:  s,
		socket:  socket,
		line:    lineOf(socket),
		streams: make(map[uint32]*Stream),
		out:     outbox{window: firstWindow, initial: firstWindow},
		room:    s.config.Room.Holder(),
		most:    int(s.maxStreams.Load()),
	}
	c.waitRoom = s.waitRoom.Holder()
	c.temper.socket = faultyOf(socket)
	ctx := peer.NewContext(s.ctx, &peer.Peer{Addr: socket.RemoteAddr(), LocalAddr: socket.LocalAddr()})
	c.ctx, c.cancel = context.WithCancel(ctx)
	c.turn.L = &c.mu
	c.inlet.Reader = socket
	c.in = bufio.NewReaderSize(&c.inlet, inBuffer)
	c.framer = http2.NewFramer(nil, c.in)
	c.framer.SetReuseFrames()
	c.framer.SetMaxReadFrameSize(frameSize)
	c.framer.MaxHeaderListSize = s.config.MaxHeaders
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil) // the table every client may use (RFC 9113, 6.5.2)
	c.allowance = connectionWindow
	c.birth = time.Now()
	return c
}

// serve is the life of a connection.
func (c *conn) serve() {
	if err := c.greet(); err != nil {
		c.end(err)
		return
	}
	c.watchOver(c)
	c.read()
}

// close ends the connection at once.
func (c *conn) close() {
	_ = c.socket.Close() // the reader notices, and does the rest
	c.cancel()
}

// end is the last thing a reader does. Calls under way learn of it from their
// contexts.
func (c *conn) end(err error) {
	for _, w := range c.closeBatch() {
		go w.courier()
	}
	c.leaveAlone()
	c.mu.Lock()
	if c.stopLate != nil {
		c.stopLate()
	}
	if c.lookout != nil {
		c.lookout.Stop()
	}
	c.mu.Unlock()
	c.tellWhy(err)
	_ = c.socket.Close() // for the second time, perhaps
	c.cancel()
	c.queue.close()
	c.mu.Lock()
	c.stage = finished
	if c.out.err == nil {
		c.out.err = net.ErrClosed
	}
	for _, s := range c.streams {
		c.remove(s)
	}
	c.waitRoom.Give(c.weighed)
	c.weighed, c.starved = 0, nil
	c.turned()
	c.mu.Unlock()
	c.server.dismiss(c)
}

// remove forgets a stream that the client has seen the end of, or has ended
// itself. The caller holds the lock.
func (c *conn) remove(s *Stream) {
	if s.gone {
		return
	}
	s.gone = true
	s.state.Store(over)
	c.begins(s)
	s.discharge()
	s.pending, s.inbox.buf = nil, nil
	if s.exchange != nil {
		s.exchange.writing.stop()
	}
	delete(c.streams, s.id)
	if !s.inHand {
		c.busy--
	}
	if len(c.streams) == 0 {
		c.idleSince.Store(int64(c.age()))
	}
}

// release notes that the handler of a stream has returned. The caller holds the
// lock.
func (c *conn) release(s *Stream) {
	s.inHand = false
	if s.gone {
		c.busy--
	}
}

// turned wakes those who wait for something to happen on the connection. The
// caller holds the lock.
func (c *conn) turned() {
	if c.waits > 0 {
		c.turn.Broadcast()
	}
}

// await waits until something has happened. The caller holds the lock.
func (c *conn) await() {
	c.waits++
	c.turn.Wait()
	c.waits--
}

// age is how old the connection is.
func (c *conn) age() time.Duration { return time.Since(c.birth) }

// touched notes that the client has said something.
func (c *conn) touched() { c.lastRead.Store(int64(c.age())) }
