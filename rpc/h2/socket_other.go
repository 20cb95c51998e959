//go:build !unix

package h2

import "net"

// eager is a socket that can be written to as far as that needs no waiting: none
// here.
type eager struct{}

func eagerOf(net.Conn) *eager { return nil }

func (*eager) write([]byte) int { return 0 }
