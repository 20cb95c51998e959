// Package config turns what a user says, wherever it was said, into values.
//
// A [Setting] is defined once: its name, its value with the default in it, one
// line of help. From that one definition come the flag --data-dir, the
// environment variable MAYFLY_DATA_DIR and the key data-dir of the YAML file.
// [Set.Load] layers them: a flag wins over the environment, the environment
// over the file, the file over the default.
//
// What does not fit into one value, a [Section], is in the file alone: a [Block] of
// lines that its owner reads, setting by setting.
//
// What nobody defined is an error that names the nearest thing that exists and,
// in a file, the line. A setting that is silently ignored costs an operator
// more than a start that fails.
//
// The package must never know what a setting is for: no node, no server, no
// logger. It reads no environment but the one it is handed, and no file but the
// one the config setting names.
//
// A program that runs on may load its settings again, into a second Set with
// variables of its own, and have [Differences] say what has changed.
//
// Nothing here is safe for concurrent use, and nothing needs to be: one goroutine
// loads settings, before anything starts or after. Values write into the variables
// the caller gave their address of; the caller owns those.
package config
