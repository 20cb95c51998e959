// Command mayfly runs a Mayfly broker and talks to running ones. It only joins
// the command line of cmd/cli to the broker of cmd/node; there is nothing here
// to test and nothing to decide.
package main
