// Package address says of an address what several doors want to know: whether it is
// this machine's, and whose network it lies in.
//
// It must never know what is done with the answer, and asks no resolver. Its
// functions keep nothing and may be called by many goroutines.
package address
