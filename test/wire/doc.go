// Package wire proves that our public .proto files say the same, on the wire,
// as those an official SDK was built from.
//
// It compiles the sources in proto/ as they are, without the generated code:
// generated Go of ours and of the SDK cannot be linked into one binary, since
// both register the same names. For the same reason this folder is a module of
// its own. The SDK's side is what its own generated code registers.
//
// Two things are the same when bytes written by one side mean the same to the
// other: the paths and streaming of calls, and in their messages field numbers,
// kinds, cardinality, presence, oneofs and the numbers of enums. Names of
// messages, fields, oneofs and enum values do not travel and are not looked at.
//
// It must never know what a call does; that the answers are right is for tests
// with a running server to say. Everything here runs in one goroutine; the
// descriptors belong to their registries and are only read.
package wire
