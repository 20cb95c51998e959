// Package share divides what there is little of, such as connections or bytes of
// memory, among those who want it, without knowing them.
//
// # The rule
//
// Whoever asks may hold up to a few times (the greed) what is free, so one alone
// gets most of it, and nobody has to say in advance how much is whose. Those who
// come later and want much find less. The last eighth is only for who holds little,
// a thousandth of all: it takes more than a hundred who want everything to leave
// nothing for one who wants something.
//
// # What it must never know
//
// What is divided, and who holds it.
//
// # Concurrency and memory
//
// A Pool and its Holders may be used by many goroutines. The package starts none;
// Holder.Await waits on its caller's. A Holder that holds nothing needs no end.
package share
