// Package load is what a client process of the benchmark does: it connects to
// one server, makes the load that its task describes, counts every answer and
// reports how long they took.
//
// The parent starts the process with Start, tells it one Task, and waits until
// it is ready: connections up, subscriptions placed, everything warm. Only then
// does Run let it loose, so that the parent can read the cost of the server
// before and after and knows that nothing else lies between.
//
// Clients are as cheap as they can be without asking less of the server than a
// real one, since they share the machine with it. Subscriptions, to Mayfly as to
// NATS, are a loop around a socket that looks at deliveries in the receive
// buffer; the one for Mayfly gives back flow-control windows as grpc-go does.
// Calls and publishes go through grpc-go's own client, as those of the Go SDK.
//
// Nothing may be lost. A subscriber counts the items it gets and adds up their
// numbers; a missing item, one too many or a discontinuity fails the run.
//
// It must never know what the server costs, nor what was expected of it. The
// memory of a run belongs to its process and ends with it.
package load
