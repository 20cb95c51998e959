// Command gosdk uses the broker through the official Go SDK, exactly as it was
// released, and reports what it sees. It is a module of its own because the
// protocol code inside the SDK and ours cannot live in one program.
//
// Its argument names what to do: a group of checks, which print one JSON line
// each, or one of the programs that a story directs. The variables STORY_ADDR,
// STORY_KEY and STORY_CACHE say what to connect to; of several addresses, of the
// nodes of one cluster, each client takes the next one.
package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

var programs = map[string]func(){
	"topics": topicChecks,
	"lists":  listChecks,

	"dictionaries": dictionaryChecks,
	"sets":         setChecks,
	"sortedsets":   sortedSetChecks,
	"leaderboards": leaderboardChecks,

	"scalars": scalarChecks,
	"control": controlChecks,
	"tokens":  tokenChecks,
	"agent":   agent,
	"pushers": pushers,
	"limits":  limitChecks,

	"conformance": conformanceChecks,
}

func main() {
	var program func()
	if len(os.Args) == 2 {
		program = programs[os.Args[1]]
	}
	if program == nil {
		names := make([]string, 0, len(programs))
		for name := range programs {
			names = append(names, name)
		}
		slices.Sort(names)
		fmt.Fprintf(os.Stderr, "usage: gosdk %s\n", strings.Join(names, "|"))
		os.Exit(2)
	}
	program()
}
