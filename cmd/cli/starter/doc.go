// Package starter holds small apps that begin in a folder of their own: `mayfly
// init` writes them there. They are what docs and tests run too.
//
// The files are part of the program; the package knows nothing of what is in them,
// and of no broker. It starts nothing and may be used by many goroutines.
package starter
