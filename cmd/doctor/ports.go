package doctor

import (
	"context"
	"fmt"
	"net"
	"slices"
)

const checkPorts = "ports"

// ports connects to every name.
func (x *exam) ports(ctx context.Context) (all []Finding) {
	hosts := x.usable()
	if len(hosts) == 0 {
		return []Finding{skipped(checkPorts, "there is no name to connect to")}
	}
	failed := make([]error, len(hosts))
	each(hosts, func(h *host) {
		ctx, cancel := x.step(ctx)
		defer cancel()
		conn, err := x.dial(ctx, h.Host)
		if err == nil {
			_ = conn.Close()
		}
		failed[slices.Index(hosts, h)] = err
	})
	var closed, open grouped
	reached := map[string]*host{}
	for i, h := range hosts {
		if err := failed[i]; err != nil {
			h.unusable = "its port does not answer"
			says := reason(err)
			closed.add(h.Host, says)
			if reached[says] == nil || x.needed(h) {
				reached[says] = h
			}
			continue
		}
		open.add(h.Host, x.port())
	}
	for _, port := range open.said {
		all = append(all, ok(checkPorts, "port %s answers (%s)", port, listed(open.names[port])))
	}
	for _, says := range closed.said {
		all = append(all, x.bad(checkPorts, reached[says], fmt.Sprintf("port %s does not answer: %s (%s)", x.port(), says, listed(closed.names[says])), x.opening(says)))
	}
	return all
}

// usable are the hosts that nothing was wrong with so far.
func (x *exam) usable() []*host {
	return slices.DeleteFunc(slices.Clone(x.hosts), func(h *host) bool { return h.unusable != "" })
}

// port is the port that is connected to.
func (x *exam) port() string {
	address := x.Address
	if address == "" {
		address = x.Endpoint.Address(x.Endpoint.Host)
	}
	_, port, _ := net.SplitHostPort(address)
	return port
}

// opening is the way to a port that answers.
func (x *exam) opening(says string) string {
	if says == "no answer in time" {
		return "a firewall may be in between, or the address may be an old one; open the port for clients"
	}
	if !x.Derived {
		return "is the broker running, and is this its --listen address? `mayfly dev` starts one"
	}
	return fmt.Sprintf("start the broker with --listen 0.0.0.0:%[1]s, or have port %[1]s forwarded to where it listens", x.port())
}
