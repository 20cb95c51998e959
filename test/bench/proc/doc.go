// Package proc runs the programs that a benchmark needs as child processes and
// reads from the kernel what they cost: processor time and resident memory.
//
// It must never know what a child does, nor how a cost is judged. Linux only,
// as these ways to ask are.
//
// A Child may be used by several goroutines. Whoever starts one ends it with
// Stop; the kernel ends it when this process dies without having done so.
package proc
