// Package console is the server side of the console, the pages at /console with
// which a person looks into a broker: it serves the files of the front end, which
// are in app, and answers the few questions that the public API has no calls for.
// All else the pages do with the Web SDK, as any other page.
//
// # The files
//
// What npm builds in app/dist is part of the binary (static.go). The repository
// holds an empty folder there, so that the module builds without Node.js; such a
// binary says at /console/ how to come by the pages. The files hold no secret and
// anybody may read them. Their policy lets them load and call this node only,
// and no page may frame them.
//
// # What it must never know
//
// How the numbers come about, where they are kept, Raft, and whether anybody may
// call: it asks the gate that all calls are asked at.
//
// # Concurrency and memory
//
// A Console may be used by many goroutines. Files are read where the binary holds
// them and are not copied.
package console
