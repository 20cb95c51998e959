// Package grant is the written form of permissions, as people type it on a
// command line and read it in a table:
//
//	cache:ROLE:CACHE                       every item of the cache
//	cache:ROLE:CACHE:key=KEY               one item
//	cache:ROLE:CACHE:key-prefix=PREFIX     the items whose key begins so
//	topic:ROLE:CACHE                       every topic of the cache
//	topic:ROLE:CACHE:topic=NAME            one topic
//	topic:ROLE:CACHE:topic-prefix=PREFIX   the topics whose name begins so
//
// CACHE is a name, or * for every cache. The roles bear the names that the SDKs
// give them: readwrite, readonly and writeonly for caches, publishsubscribe,
// subscribeonly and publishonly for topics.
//
// The package is pure text and messages; whether a combination of permissions
// may be minted is for the server to say. Functions may be called concurrently.
// Messages returned belong to the caller.
package grant
