// Package h2 serves gRPC over HTTP/2: it takes the place of grpc-go's server
// behind the same generated handlers, for servers whose main work is to send the
// same few bytes to very many streams.
//
// # Why it is there
//
// grpc-go gives each stream a goroutine, and each connection another one that
// writes. An item for a thousand streams on ten connections then wakes a
// thousand goroutines, which take turns at ten queues; a call costs the reader, a
// handler and the writer a wake-up each. Here a stream that only sends has a
// Source instead, which is asked for messages when the stream was woken, and
// whoever has something to write writes it, along with what others have left
// for the same socket. Measured beside nats-server, an item for a stream on a
// shared connection costs about as much as there; `make bench` says how much
// exactly.
//
// # A connection
//
// One goroutine reads. It begins calls, answers pings, and takes in credit. Calls
// get goroutines of their own, except those of methods that are said to be
// prompt: they are served on the spot. What they have others send waits until all
// that was read together has been served (batch.go); the reader then goes round
// the connections concerned itself, as far as their sockets take what there is
// at once, and leaves what needs waiting to others. A reader that is held up all
// the same, by a handler or by a socket, is relieved by another goroutine (watch.go)
// before clients miss the answers to their pings.
//
// Writing goes through one buffer per connection (outbox.go). Whoever appends to
// it also writes, unless somebody is writing already, who then finds it. Data is
// appended only as far as the client's windows allow and while the buffer is not
// full, so a client that does not read has at most two buffers' worth waiting
// for it, whatever is said to it.
//
// A courier (courier.go) is a goroutine that exists while streams of a connection
// have something to send that could not be appended at once: because the source
// was woken, because the buffer was full, or because the client has given new
// credit. It asks each source for a batch in turn. A stream whose window is
// used up is put aside until the client gives more, so it is in nobody's way, on
// its own connection neither; what its source has stays there.
//
// # How a publish travels
//
// The reader of the publisher's connection takes in the request, and all others
// that came with it, serves each on the spot and wakes the streams concerned. Then
// it goes round their connections, asks each stream's source, and writes once to
// each; last it writes the answers, once for all, and waits for more. No other
// goroutine takes part as long as the sockets have room. Nor does another thread:
// sockets are read and written with system calls that the scheduler is not told of
// (line_unix.go). Being told of one after a pause it wakes a thread that looks
// every few microseconds whether the call has come back, and with few items a
// second that alone costs more than the publish.
//
// A wake-up is never lost: the state of a stream changes by compare-and-swap, and
// whoever takes it away from resting puts the stream into the queue; one that is
// woken during its turn is queued again.
//
// # Requests that are not gRPC
//
// Browsers speak HTTP/2 to whatever port offers it within TLS, and then send
// everything over that one connection: gRPC-Web, plain HTTP, the files of pages. A
// proxy may mix all of that with native calls. So what a stream carries is decided
// stream by stream, by the content type of its request: application/grpc is a call,
// everything else goes to Config.Other, a handler of net/http, which sees the stream
// as a request and a ResponseWriter (exchange.go, request.go). Sending goes through
// the same outbox and the same windows as for calls, without gRPC's prefix; a handler
// waits when 64 KiB of its answer are unsent. A body is taken in as the handler reads
// it, one window ahead. Deadlines are the handler's to set, by way of
// http.ResponseController, and hold for one stream; a stream that misses the one for
// writing is reset, also after its handler has returned.
//
// The other ways were to look at the first request of a connection and then hand it
// to net/http's own HTTP/2, or to serve calls through net/http. Nothing says that a
// connection has requests of one kind only, clients such as grpc-go wait for our
// settings before they send any, and net/http costs a call more than twice as much.
//
// # What clients may do
//
// Headers, streams at a time, messages, credit, pings, frames that carry nothing,
// and answers that nobody reads are bounded; see Config and the constants. A
// stream counts until its client has seen its end and its handler has returned,
// and resets are paced (calm.go), so opening and resetting streams fast gains nothing.
//
// A handler begins when the first message is there, or when that turns out to be larger
// than the first window. Until then its stream holds what came (waits.go); if that is
// too much, on one connection or on all, the handlers begin that ask who calls before
// they take in anything, which is the only filter that there is, and the other streams
// are refused. The rest of a large message is asked for when there is room for it
// (Config.Room), which answers share that are not read. Who waits for a client has a
// time: for the rest of a message, and between two steps of an answer. So has who writes
// to a socket: a client that takes nothing from it for long is cut off, also when it goes
// on talking, because a handler may be the one who writes and could not be told otherwise.
//
// Requests that lead to nothing are told to a socket that wants to know (temper.go). It
// says how long nothing more is to be read from it.
//
// Compression is not spoken: requests that use it are refused with UNIMPLEMENTED, as by
// grpc-go without a compressor. Sockets may be any net.Conn, TLS included; only TCP's own
// are written to without a goroutine that may wait. One that wraps such a socket
// and shows it (syscall.Conn) is passed by once the client has said its preface, and
// told of what went by if it has a method Moved(received, sent int).
//
// # What it must never know
//
// Which services there are, topics, credentials.
//
// # Concurrency and memory
//
// A Server may be used by many goroutines; GracefulStop and Stop wait for every
// goroutine that it started. Lock order: that of a share.Pool is taken last; a source's
// own locks may be held when Stream.Wake is called, and no lock of a connection but that of its queue is
// taken then; a source is asked with only its stream's feed lock held.
//
// Bytes that a codec or a source returns are only read, and held until they were
// appended to the buffer. Those handed to a codec belong to the call.
package h2
