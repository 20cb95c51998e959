// Command supply tells what is in the mayfly binary that others wrote: the Go modules
// that are compiled in, and the npm packages that the console's pages are built of.
//
//	go run ./scripts/supply licences            fails unless each has a licence that is allowed
//	go run ./scripts/supply sbom BINARY         prints a bill of materials, CycloneDX 1.6 in JSON
//	go run ./scripts/supply notices BINARY      prints the licence texts that go with the binary
//
// It is run in the root of the repository. What it prints depends on the binary, the
// module cache and the lock file alone: no clock, no random serial number, so the same
// release has the same documents wherever it is built.
//
// It knows nothing of the broker, starts no goroutine and keeps nothing.
package main
