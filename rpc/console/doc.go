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
// # The questions
//
// Everything below /console/api/ speaks JSON, and is for callers who may do what
// operators may: they are held to the rule of the admin calls, by the code that
// those go through (api.Server.Rehearse). Only session answers everybody, so that
// the pages can say why they ask for a key. The credential comes in the header
// alone: addresses end up in logs and histories.
//
// What a credential is worth is never judged here: inspect has the very call
// rehearsed that the verdict is about.
//
// # What it must never know
//
// How the numbers come about, where they are kept, Raft, and the rules of
// permissions.
//
// # Concurrency and memory
//
// A Console may be used by many goroutines and starts none. Files are read where
// the binary holds them and are not copied, but for those that a browser asked for
// compressed, which are kept so. Credentials are neither kept nor
// logged, and no answer holds one.
package console
