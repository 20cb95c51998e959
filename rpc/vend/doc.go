// Package vend hands out disposable tokens to those who may have them, so that a
// static page needs no server of its own: a token vending machine. An Endpoint
// says who may ask, what the token allows, and for how long; a Machine answers.
//
// # Nobody widens his scope
//
// What a token allows is a template: permissions whose names hold placeholders,
// such as room-{room}. A placeholder is filled with a claim of the caller's ID
// token or with a parameter of the request, and four rules hold whatever a caller
// sends:
//
//   - Values go into names and nowhere else. The shape of the permissions, all
//     items instead of one, a prefix instead of a name, is the template's.
//   - A value matches the whole pattern that was declared for it, has a bounded
//     length, and holds neither *, { nor }, nor anything that cannot be seen.
//   - A value does not hold the character that follows its placeholder in any
//     name. So {sub}/{room} can be read in one way only, and nobody called
//     alice/x gets a name that is for alice.
//   - A prefix does not end with a placeholder: room-{room} as a prefix would open
//     room-10 to whoever asks for room-1. Endpoint.Check wants room-{room}/.
//
// A parameter that is not declared, or given twice, is refused.
//
// # ID tokens
//
// OpenID Connect is as narrow as it can be: keys come from the issuer's discovery
// document or from a configured address, over https, without redirects; only
// algorithms with public keys are taken, and each key only for its own. An
// unknown key id has the keys fetched again, but not more often than every few
// seconds, whoever asks.
//
// # What it must never know
//
// HTTP requests of callers (rpc/web translates those), YAML, nodes, the store.
//
// # Concurrency and memory
//
// A Machine may be used by many goroutines and starts none: keys are fetched by
// the call that needs them, others wait for it. An Endpoint is only read once a
// Machine has it. No token, secret, claim or parameter is put into an error or a
// log, apart from the token id, which the operator chose as the name to be known.
package vend
