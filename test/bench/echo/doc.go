// Package echo is a gRPC server that does nothing: the floor under which no
// server on grpc-go's own transport can go. It answers Scs calls with the
// messages that a broker would answer, of the same sizes, from memory that is
// always the same, and has neither options nor interceptors.
//
// It must never gain a feature: whatever it does is what Mayfly is forgiven.
package echo
