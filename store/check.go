package store

import (
	"unicode"
	"unicode/utf8"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// What is wrong with a malformed command or query. The texts reach people, so
// they name what would be right; they never quote what was sent.
const (
	badClock      = "at_ms lies after the year 9999; check the sender's clock"
	badName       = "the name of a cache is 1 to 255 bytes of UTF-8 without control characters"
	badGeneration = "the generation of a cache is at least 1"
	badKey        = "the key is empty; an item's key has at least one byte"
	badSpace      = "the key space is none that this version knows"
	badNoKey      = "sweep, retire and tick concern no item and take no key and no space, evict takes no key"
	badOp         = "the command or query asks for nothing this version knows"
	badTTL        = "the time to live must be from 1 ms to 100 years"
	badSize       = "key and value together exceed 16 MiB"
	badCondition  = "the condition is none that this version knows"
	badMode       = "the mode must be overwrite, increase or decrease"
	badEnd        = "the end must be front or back"
	badPush       = "one push adds at most 1,048,576 values"
	badRanges     = "one erase names at most 65,536 ranges"
	badEvict      = "one eviction names at most 4,096 items"
	badSweep      = "a sweep must be allowed at least one item"
	badLength     = "a collection holds at most 134,217,728 elements"
	badElements   = "one command or query names at most 131,072 elements"
	badPairs      = "every field needs its value, and every member its score"
	badRows       = "all fields need rows of the same length, of 1 to 64 numbers"
	badScore      = "a score, a weight or a bound is not a number"
	badAggregate  = "the aggregate is none that this version knows"
	badOrder      = "the order must be ascending or descending"
	badKind       = "the kind must be that of a collection"
	badRequest    = "a request id has a gateway of 16 bytes, a sequence from 1 to 2^63-1, and done_below not above it"
	forgottenText = "the answer to this request was forgotten; send a new request"
)

// validName tells whether s may name a cache or a credential.
func validName(s string) bool {
	return len(s) > 0 && len(s) <= MaxNameBytes && isPlain(s)
}

// isPlain tells whether s is UTF-8 without control characters.
func isPlain(s string) bool {
	for _, r := range s {
		if unicode.IsControl(r) {
			return false
		}
	}
	return utf8.ValidString(s)
}

// checkAddress says what is wrong with the place of an item, "" for nothing.
func checkAddress(name string, generation uint64, key []byte, space storev1.Space) string {
	switch {
	case !validName(name) && !IsSystemCache(name):
		return badName
	case generation == 0:
		return badGeneration
	case len(key) == 0:
		return badKey
	case len(key) > MaxItemBytes:
		return badSize
	case !validSpace(space):
		return badSpace
	}
	return ""
}

func validSpace(s storev1.Space) bool {
	return s == storev1.Space_SPACE_ITEMS || s == storev1.Space_SPACE_LEADERBOARDS
}

// checkChange says what is wrong with a command on an item, whatever the item
// holds, "" for nothing.
func checkChange(cmd *Command) string {
	if bad := checkAddress(cmd.GetCache(), cmd.GetGeneration(), cmd.GetKey(), cmd.GetSpace()); bad != "" {
		return bad
	}
	switch op := cmd.GetOp().(type) {
	case *storev1.Command_Set:
		return checkSet(cmd.GetKey(), op.Set)
	case *storev1.Command_Increment:
		return checkTTL(op.Increment.GetTtlMs())
	case *storev1.Command_UpdateTtl:
		return checkUpdateTTL(op.UpdateTtl)
	case *storev1.Command_ListPush:
		return checkListPush(cmd.GetKey(), op.ListPush)
	case *storev1.Command_ListPop:
		return checkEnd(op.ListPop.GetEnd())
	case *storev1.Command_ListRetain:
		return checkTTL(op.ListRetain.GetTtl().GetTtlMs())
	case *storev1.Command_ListErase:
		if len(op.ListErase.GetRanges()) > MaxEraseRanges {
			return badRanges
		}
		return ""
	case *storev1.Command_Delete, *storev1.Command_ListRemove:
		return ""
	default:
		return checkElementwise(cmd)
	}
}

func checkTTL(ms uint64) string {
	if ms == 0 || ms > MaxTTLMs {
		return badTTL
	}
	return ""
}

func checkEnd(end storev1.End) string {
	if end != storev1.End_END_FRONT && end != storev1.End_END_BACK {
		return badEnd
	}
	return ""
}

func checkSet(key []byte, op *storev1.Set) string {
	switch c := op.GetCondition(); {
	case len(key)+len(op.GetValue()) > MaxItemBytes:
		return badSize
	case c < storev1.Condition_CONDITION_UNSPECIFIED || c > storev1.Condition_CONDITION_ABSENT_OR_EQUAL:
		return badCondition
	}
	return checkTTL(op.GetTtlMs())
}

func checkUpdateTTL(op *storev1.UpdateTtl) string {
	switch op.GetMode() {
	case storev1.UpdateTtl_MODE_OVERWRITE, storev1.UpdateTtl_MODE_INCREASE, storev1.UpdateTtl_MODE_DECREASE:
		return checkTTL(op.GetTtlMs())
	default:
		return badMode
	}
}

func checkListPush(key []byte, op *storev1.ListPush) string {
	if bad := checkEnd(op.GetEnd()); bad != "" {
		return bad
	}
	if len(op.GetValues()) > MaxPushValues {
		return badPush
	}
	for _, v := range op.GetValues() {
		if len(key)+len(v) > MaxItemBytes {
			return badSize
		}
	}
	return checkTTL(op.GetTtl().GetTtlMs())
}
