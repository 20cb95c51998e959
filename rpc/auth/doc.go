// Package auth decides who is calling and what they may do, and makes the texts
// that prove it. It is logic only: rpc/api takes the text out of a header or a
// message, asks here, and turns the errors into statuses.
//
// # What a text can be
//
// Every credential is a compact JWT. Tokens and the admin credential are signed
// with HS256 by one of the cluster's signing keys:
//
//	header  alg  the signing key's own algorithm; any other is refused
//	        kid  id of the signing key, looked up in Keys and nowhere else; of an
//	             API key, its own id
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
//	        rev  on disposable tokens with a token id: when the tokens of that id
//	             were revoked last, as far as the node knew that made it; absent
//	             when they were not
//
// An API key is a JWT in its form only, for SDKs want one: what stands in the place
// of the signature is 256 random bits, and its record holds the SHA-256 of the whole
// text, which is compared in constant time. It may live for ever, and a signing key
// must not: so no API key hangs on one. Signing keys can be rotated and revoked
// without a look at API keys, and one that leaks makes no API key. Nor do the log
// and its snapshots hold anything that an API key could be made from.
//
// An application may hold a signing key of its own and make disposable tokens
// without a call. They are JWTs of the same kind, with claims that every library
// writes:
//
//	header  alg  "HS256"
//	        kid  id of the key
//	        typ  "JWT"
//	claims  iss  id of the key
//	        aud  "mayfly"
//	        iat  when it was made
//	        exp  when it ends, within the longest life of a token
//	        sub  token id; may be absent
//	        jti  may be absent, as may nbf
//	        scope  a list of objects: role, cache, and one of topic, topic_prefix,
//	             key and key_prefix, or none for all
//
// Such a key signs nothing but tokens for data, and they die with the API key that
// it was made with. It is a secret that the cluster and the application share: every
// JWT library can use one.
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
// # How a credential ends
//
// At its exp, at the end of the API key behind it, which a rotation brings closer,
// and at the end of its signing key. And by what the cluster agrees on: an API key
// is revoked, with what it minted and what its holder refreshed it to; a signing key
// is removed; the tokens of a token id are refused that were issued before a moment,
// which may lie ahead. Before and after must not hang on the clock of whoever made a
// token, for a token that says it was made a little later than it was would outlive
// its revocation. So a token of the cluster names the revocation that its node knew,
// and is good after that one, whatever the clocks. One that does not, as those of
// applications, is refused when it says that it was made as late as a clock may be
// ahead, or earlier (denial.go). A Verifier notices by Keys.Revision, and long calls
// ask Recheck.
//
// A node learns of it as of all that is agreed on, within milliseconds. One that is
// cut off from the meta group goes by what it knew until it hears again: that is the
// price of not asking anybody on every call.
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
