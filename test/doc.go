// Package test holds the stories: each starts the real broker as a user would,
// speaks to it only through its public port, mostly with the official SDKs, and
// tries one promise made to users.
//
//	sdk       every call that the Node.js, the Web and the Go SDK have for topics,
//	          scalars, lists, caches, keys and tokens
//	restart   a stop or a power cut, with both SDKs listening and speaking
//	crash     a kill in the middle of ten thousand acknowledged pushes
//	damage    a log that was cut short or changed in one byte
//	abuse     bad input, forged tokens, too many streams, readers that do not read
//	rights    every role at every call and path, its own places and others, and strangers
//	open      who is let in before and after the first API key
//	cli       the mayfly command as a person or a script uses it
//	readme    the programs in the README, run as they are printed there
//	vend      tokens that a node gives to pages, and to whom it gives none
//	http      caches, lists and topics with nothing but HTTP, also while nodes come and go
//	socket    who may what on a WebSocket, and how it ends
//	examples  the apps in test/examples, and what mayfly init writes, in a real browser
//	page      a web page that listens while the broker comes and goes
//	talk      people on pages who go on talking while their node, or their token, ends
//	console   every page of the console, beside what the command line says
//	directory a data directory that a process works on already
//	rolling   a cluster restarted node by node, reached through a balancer
//	port      SDKs and plain HTTP on one port, health, metrics, silent peers
//	cluster   several nodes: any client on any of them, each item once over each
//	          link, leaders that are killed, frozen, cut off, disks that are lost
//
// test/faults hurts a cluster from a seed and judges what its clients saw.
//
// test/harness starts the processes; test/node, test/browser and test/gosdk are the
// programs that use the SDKs, test/browser in a real browser; test/wire compares our
// protocol with the SDK's own, and test/house holds the rules of the architecture.
//
// Stories must never look inside: what they know of the broker is its protocol,
// its command line, its exit codes and the files it leaves. They share nothing
// and run in parallel. They wait for conditions with a deadline and never for a
// time to pass; a failed one leaves the output of its processes in test/out.
package test
