// Package auth decides who is calling and what they may do, and makes the texts
// that prove it. It is logic only: rpc/api takes the text out of a header or a
// message, asks here, and turns the errors into statuses.
//
// # What a text can be
//
// Every credential is a compact JWT, signed with HS256 by one of the cluster's
// signing keys:
//
//	header  alg  the signing key's own algorithm; any other is refused
//	        kid  id of the signing key, looked up in Keys and nowhere else
//	        typ  "JWT"
//	claims  iss  "mayfly:" and the cluster's id
//	        aud  "mayfly"
//	        iat  when it was made
//	        exp  when it ends, exact to the millisecond; a disposable token
//	             always has it, the others may go without
//	        jti  random; for an API key it is the id of the key's record
//	        use  "admin", "key" or "token": which of the kinds below this is
//	        t    "g" on API keys and only there, the mark of Momento's v2 keys
//	        tid  token id, on disposable tokens: the publisher id of their items
//	        prm  permissions, on disposable tokens: base64url of an encoded
//	             permission.ExplicitPermissions
//	        par  parent, on disposable tokens: the API key that minted it, or
//	             "admin", or "open" for a caller without credential
//
// The kinds: the admin credential may do everything; it stands for Momento's
// console session, and the node leaves one in its data directory. An API key
// may do what its record says, and lives as long as the record is there and not
// revoked. A disposable token may do what it carries, and dies with the key that
// minted it; one minted in open mode dies when the cluster is secured.
//
// The older wrapped form, base64 of JSON with endpoint and api_key, is opened
// wherever a text is taken.
//
// # Open mode
//
// A cluster in which no API key was ever created lets everyone in, as long as
// the node listens on loopback only. A text that says it comes from Mayfly is
// held to its word all the same: forged, expired or narrow, it is treated as on a
// secured cluster. See Gate.
//
// # What it must never know
//
// The store, nodes, gRPC, the clock (time is an argument) and the source of
// randomness (handed to the Minter). It reads keys through Keys, and it changes
// nothing: whoever mints an API key puts the record where Keys will find it.
//
// # Concurrency and memory
//
// Verifier, Gate and Minter may be used by many goroutines and start none.
// Principal and Grant are immutable once made. Texts are not kept: the cache of
// verified texts knows them by SHA-256. No error carries a text, a secret or a
// claim of an unverified text.
package auth
