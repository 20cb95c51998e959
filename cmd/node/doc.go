// Package node builds one Mayfly node out of its pillars, runs it and stops
// it. It only wires: it starts from the bottom up (storage, groups, topics,
// doors) and stops from the top down under one deadline, ending subscriptions
// first, since a graceful gRPC stop waits for open streams.
//
// It must never hold a rule about data, topics or placement; such a rule found
// here has lost its way home. It reads no flags, environment or files but the
// data directory it is given.
package node
