package replica

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// A pipeline whose answers nobody reads any longer takes a few messages more and
// then ends, instead of holding its sender for ever.
func TestPipelineThatNobodyReadsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		follower := newAnswering(t)
		trans := &transport{NetworkTransport: raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
			Stream: follower, MaxPool: peerPool, Timeout: peerTimeout,
		})}
		defer func() { _ = trans.Close() }()
		p, err := trans.AppendEntriesPipeline("other/1/1", "other/1/1")
		if err != nil {
			t.Fatal(err)
		}
		for sent := 0; ; sent++ {
			start := time.Now()
			_, err := p.AppendEntries(&raft.AppendEntriesRequest{Term: 1}, new(raft.AppendEntriesResponse))
			if err == nil && sent < 100 {
				continue
			}
			if !errors.Is(err, raft.ErrPipelineShutdown) || time.Since(start) != pipelineStall {
				t.Errorf("message %d: %v after %v, want the end of the pipeline after %v", sent, err, time.Since(start), pipelineStall)
			}
			return
		}
	})
}

// answering is the streams to a follower that answers whatever it is sent.
type answering struct {
	t      *testing.T
	closed chan struct{}
}

func newAnswering(t *testing.T) *answering { return &answering{t, make(chan struct{})} }

func (a *answering) Dial(raft.ServerAddress, time.Duration) (net.Conn, error) {
	near, far := net.Pipe()
	server := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: &oneStream{answering: newAnswering(a.t), conn: far}, MaxPool: peerPool, Timeout: peerTimeout, Logger: nil,
	})
	go func() {
		for {
			select {
			case rpc := <-server.Consumer():
				rpc.Respond(&raft.AppendEntriesResponse{Term: 2}, nil)
			case <-a.closed:
				_ = server.Close()
				_ = far.Close()
				return
			}
		}
	}()
	return near, nil
}

func (a *answering) Accept() (net.Conn, error) { <-a.closed; return nil, io.EOF }
func (a *answering) Addr() net.Addr            { return replicaAddr("this/1/1") }
func (a *answering) Close() error {
	select {
	case <-a.closed:
	default:
		close(a.closed)
	}
	return nil
}

// oneStream accepts one stream.
type oneStream struct {
	*answering
	conn net.Conn
}

func (o *oneStream) Accept() (net.Conn, error) {
	if conn := o.conn; conn != nil {
		o.conn = nil
		return conn, nil
	}
	return o.answering.Accept()
}
