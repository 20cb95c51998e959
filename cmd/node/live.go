package node

import "github.com/mayfly-broker/mayfly/rpc/web"

// Live are the settings that a node takes up while it runs. They mean what they mean
// in a Config.
type Live struct {
	Limits                        Limits
	MaxConnections, MaxPerAddress int
}

// Live returns those of a config.
func (c Config) Live() Live {
	return Live{Limits: c.Limits, MaxConnections: c.MaxConnections, MaxPerAddress: c.MaxPerAddress}
}

// With returns the config with others.
func (c Config) With(live Live) Config {
	c.Limits, c.MaxConnections, c.MaxPerAddress = live.Limits, live.MaxConnections, live.MaxPerAddress
	return c
}

// Adjust has a node keep to other settings, between New and the end of Run: calls and
// connections that come from now on, while those that are there stay. It fails, and
// changes nothing, when they make no sense. One goroutine at a time may call it.
func (n *Node) Adjust(live Live) error {
	if err := n.config.With(live).Validate(); err != nil {
		return err
	}
	proxies, err := web.ParseProxies(n.config.Proxies)
	if err != nil {
		return err
	}
	if err := n.doors.server.SetLimits(n.limits(live.Limits)); err != nil {
		return err
	}
	n.doors.port.Limit(n.crowd(live, proxies))
	return nil
}
