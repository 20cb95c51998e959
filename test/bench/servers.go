package main

import (
	"net"
	"os"
	"strconv"

	"github.com/mayfly-broker/mayfly/test/bench/load"
	"github.com/mayfly-broker/mayfly/test/bench/proc"
)

// The servers by the names that tables give them.
const (
	mayflyServer = "mayfly server"
	mayflyDev    = "mayfly dev"
	natsServer   = "nats-server"
	redisServer  = "redis-server"
	echoServer   = "grpc-go echo"
)

// echoSize is the size of the echo server's answers.
const echoSize = 100

// fleet is some servers that run at the same time.
type fleet []*server

// raise starts the servers with the names given. A failed raise leaves nothing
// behind.
func (b *bench) raise(names ...string) (fleet, error) {
	var f fleet
	for _, name := range names {
		s, err := b.launch(name)
		if err != nil {
			f.stop()
			return nil, err
		}
		f = append(f, s)
	}
	return f, nil
}

func (b *bench) launch(name string) (*server, error) {
	addr, err := proc.FreeAddr()
	if err != nil {
		return nil, err
	}
	switch name {
	case mayflyDev:
		return b.start(name, load.Mayfly, addr, b.mayfly, "dev", "--listen", addr)
	case mayflyServer:
		dir, err := os.MkdirTemp(b.dir, "data-*")
		if err != nil {
			return nil, err
		}
		return b.start(name, load.Mayfly, addr, b.mayfly, "server", "--listen", addr, "--data-dir", dir,
			"--peer-listen", "127.0.0.1:0", "--gossip-listen", "127.0.0.1:0", "--create-caches", load.Cache)
	case natsServer:
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		return b.start(name, load.NATS, addr, b.nats, "-a", host, "-p", port)
	case redisServer:
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		return b.start(name, load.Redis, addr, b.redis, "--bind", host, "--port", port, "--save", "", "--appendonly", "no")
	default:
		return b.start(name, load.Mayfly, addr, b.self, roleEcho, addr, strconv.Itoa(echoSize))
	}
}

// stop ends the servers and waits for their end.
func (f fleet) stop() {
	for _, s := range f {
		s.Stop()
	}
}
