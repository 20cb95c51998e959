package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/mayfly-broker/mayfly/cmd/endpoint"
)

const checkNames = "names"

// names looks every name up, and whether all lead to the same place.
func (x *exam) names(ctx context.Context) (all []Finding) {
	if x.Derived && x.Endpoint.Port != 0 && x.Endpoint.Port != endpoint.DefaultPort {
		all = append(all, warning(checkNames, fmt.Sprintf("the endpoint names port %d; the Go SDK connects to port 443 all the same", x.Endpoint.Port),
			"use port 443, or give Go programs WithEndpoints"))
	}
	if x.bare {
		all = append(all, warning(checkNames, "below an address there are no names, so SDKs cannot derive any from "+x.Endpoint.String(),
			"use a name as the endpoint, or point every SDK at the address (endpointOverrides in Node.js and Web, WithEndpoints in Go)"))
	}
	if x.Address != "" {
		return append(all, skipped(checkNames, "not looked up, since --address is given: all connections go to %s", x.Address))
	}
	failed := make([]error, len(x.hosts))
	each(x.hosts, func(h *host) {
		ctx, cancel := x.step(ctx)
		defer cancel()
		addrs, err := x.lookup(ctx, h.Host)
		h.addrs = addrs
		failed[slices.Index(x.hosts, h)] = err
	})
	var places grouped
	for i, h := range x.hosts {
		if err := failed[i]; err != nil {
			h.unusable = "its name leads nowhere"
			all = append(all, x.bad(checkNames, h, fmt.Sprintf("%s leads nowhere: %s; needed by: %s", h.Host, unknown(err), h.Role.For()),
				x.record(h)))
			continue
		}
		texts := make([]string, len(h.addrs))
		for i, a := range h.addrs {
			texts[i] = a.String()
		}
		places.add(h.Host, strings.Join(texts, ", "))
	}
	for i, place := range places.said {
		names := places.names[place]
		if i == 0 {
			all = append(all, ok(checkNames, "%s to %s", leads(names), place))
			continue
		}
		all = append(all, warning(checkNames, fmt.Sprintf("%s elsewhere, to %s", leads(names), place),
			"see whether that is the same broker or cluster; if not, mend the record"))
	}
	return all
}

func leads(names []string) string {
	if len(names) == 1 {
		return names[0] + " leads"
	}
	return fmt.Sprintf("%d names lead (%s)", len(names), listed(names))
}

// lookup is where a name leads, in order.
func (x *exam) lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	if address, ok := x.Resolve[name]; ok {
		return []netip.Addr{address}, nil
	}
	if address, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{address}, nil
	}
	found, err := x.Lookup(ctx, name)
	if err != nil {
		return nil, err
	}
	addrs := make([]netip.Addr, 0, len(found))
	for _, a := range found {
		addrs = append(addrs, a.Unmap())
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs), nil
}

// record is the way to a name.
func (x *exam) record(h *host) string {
	if !x.Derived {
		return "see whether the name is written right"
	}
	if h.Role == endpoint.Base {
		return "add a DNS record for " + h.Host
	}
	text := fmt.Sprintf("add a DNS record for %s; a wildcard *.%s also does, as long as there is none of its own for %s", h.Host, x.Endpoint.Host, parent(h.Host))
	if parent(h.Host) == x.Endpoint.Host {
		text = fmt.Sprintf("add a DNS record for %s, or one for *.%s", h.Host, x.Endpoint.Host)
	}
	return text
}

// parent is what is behind the first dot.
func parent(name string) string {
	_, rest, _ := strings.Cut(name, ".")
	return rest
}

// unknown is why a name was not found, in few words.
func unknown(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return "DNS has no such name"
		}
		return dns.Err
	}
	return reason(err)
}
