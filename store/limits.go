package store

// Limits of the machine. They are wider than anything the doors let through
// and exist so that no command, however made, breaks an invariant; what users
// may ask for is decided by the cache's limits, not here. They are part of the
// meaning of the log: changing one changes what an old entry does.
const (
	// MaxClockMs is the last instant a command may carry, the end of the year
	// 9999 in milliseconds since the Unix epoch. A later one is refused without
	// moving the clock, which could never be moved back.
	MaxClockMs = 253_402_300_799_999

	// MaxTTLMs is the longest life of an item: 100 years of 365 days, in
	// milliseconds. With MaxClockMs it keeps every expiry far from overflow.
	MaxTTLMs = 100 * 365 * 24 * 60 * 60 * 1000

	// MaxItemBytes bounds a key together with one value or one list entry. The
	// largest request a door receives is 11 MiB.
	MaxItemBytes = 16 << 20

	// MaxNameBytes is the longest name of a cache, a key id and the like.
	MaxNameBytes = 255

	// MaxCollectionLength is how many elements a collection may hold: below
	// 2^31, so that a length fits every integer of the client protocol.
	MaxCollectionLength = 1 << 27

	// MaxElements is how many elements of a dictionary, set or sorted set one
	// command or query may name, and what it keeps the partition busy with. A
	// union may store as many as a command has room for.
	MaxElements = 1 << 17

	// MaxRow is how many numbers a row of a DictionaryAdd has at most.
	MaxRow = 64

	// MaxPopCount is how many elements one SetPop removes, however many it asks
	// for: each is a search of its own, and they are remembered with the answer.
	MaxPopCount = 1 << 16

	// MaxSample bounds one SetSample, likewise.
	MaxSample = 1 << 20

	// MaxPushValues bounds one ListPush, and with it how long it keeps the
	// partition busy.
	MaxPushValues = 1 << 20

	// MaxEraseRanges bounds one ListErase, whose ranges have to be sorted.
	MaxEraseRanges = 1 << 16

	// TombstoneMs is how long a partition remembers that a cache was deleted,
	// in milliseconds of its clock: far longer than any command may be under
	// way.
	TombstoneMs = 10 * 60 * 1000

	// MaxTombstones bounds the deleted caches remembered; beyond it the ones
	// that would be forgotten first are forgotten early.
	MaxTombstones = 1 << 14

	// RequestMemoryMs is how long the answers of a gateway are kept after its
	// last command, in milliseconds of the partition's clock.
	RequestMemoryMs = 2 * 60 * 1000

	// MaxRequestBytes bounds the answers remembered, counted by formula. Beyond
	// it the gateway that uses most loses its oldest answers, and a repeat of
	// those is refused instead of run.
	MaxRequestBytes = 32 << 20

	// MaxGateways bounds the gateways remembered; beyond it the one not heard
	// of for longest is forgotten. Gateways are processes of our own cluster.
	MaxGateways = 1 << 10

	// GatewayIDBytes is the length of RequestId.gateway.
	GatewayIDBytes = 16
)

// Overheads of the size formula. An item counts itemOverhead, its key and its
// scalar value, or its collection's overhead and for every element an overhead
// and its bytes; a field of a dictionary counts with its value, a member of a
// sorted set with its score. The constants are what the structures around the bytes were
// measured to take on a 64-bit machine, rounded; they are the same on every
// replica.
const (
	itemOverhead = 208

	listOverhead  = 160
	entryOverhead = 40

	dictionaryOverhead = 96
	fieldOverhead      = 64

	setOverhead     = 96
	elementOverhead = 40

	sortedSetOverhead = 160
	memberOverhead    = 96
)
