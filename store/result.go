package store

import storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"

// The vocabulary of the machine is the generated schema; these are its names
// in this package.
type (
	// Command is one change of one partition.
	Command = storev1.Command
	// Query is one question to one partition.
	Query = storev1.Query
	// Result is the answer to a command or a query. It is shared and read-only.
	Result = storev1.Result
	// Status says how a command or a query went.
	Status = storev1.Status
)

// The answers that carry no number are made once.
var (
	done      = &Result{}
	stored    = &Result{Outcome: &storev1.Result_Stored{Stored: true}}
	notStored = &Result{Outcome: &storev1.Result_Stored{}}

	ttlSet     = &Result{Outcome: &storev1.Result_TtlUpdate_{TtlUpdate: storev1.Result_TTL_UPDATE_SET}}
	ttlNotSet  = &Result{Outcome: &storev1.Result_TtlUpdate_{TtlUpdate: storev1.Result_TTL_UPDATE_NOT_SET}}
	ttlMissing = &Result{Outcome: &storev1.Result_TtlUpdate_{TtlUpdate: storev1.Result_TTL_UPDATE_MISSING}}

	noLength = &Result{Outcome: &storev1.Result_Length_{Length: &storev1.Result_Length{}}}
	noPopped = &Result{Outcome: &storev1.Result_Popped_{Popped: &storev1.Result_Popped{}}}
	noValue  = &Result{Outcome: &storev1.Result_Value_{Value: &storev1.Result_Value{}}}
	noValues = &Result{Outcome: &storev1.Result_Values_{Values: &storev1.Result_Values{}}}
	noTTL    = &Result{Outcome: &storev1.Result_ItemTtl_{ItemTtl: &storev1.Result_ItemTtl{}}}

	exists  = &Result{Outcome: &storev1.Result_Exists{Exists: true}}
	missing = &Result{Outcome: &storev1.Result_Exists{}}

	noFields     = &Result{Outcome: &storev1.Result_Fields_{Fields: &storev1.Result_Fields{}}}
	noDictionary = &Result{Outcome: &storev1.Result_Dictionary_{Dictionary: &storev1.Result_Dictionary{}}}
	noContained  = &Result{Outcome: &storev1.Result_Contained_{Contained: &storev1.Result_Contained{}}}
	emptyRange   = &Result{Outcome: &storev1.Result_Range_{Range: &storev1.Result_Range{Found: true}}}
	noRange      = &Result{Outcome: &storev1.Result_Range_{Range: &storev1.Result_Range{}}}
	noScores     = &Result{Outcome: &storev1.Result_Scores_{Scores: &storev1.Result_Scores{}}}
	noRanks      = &Result{Outcome: &storev1.Result_Ranks_{Ranks: &storev1.Result_Ranks{}}}

	stale = refuse(storev1.Status_STATUS_STALE_GENERATION,
		"this generation of the cache was replaced; look up the cache's generation again")
	behind = refuse(storev1.Status_STATUS_CLOCK_BEHIND,
		"the answer depends on an expiry past the partition's clock; commit a tick and ask again")
	tooLarge = refuse(storev1.Status_STATUS_TOO_LARGE,
		"the answer would be larger than the query allows; ask for a part, or allow more")
	notNumber = refuse(storev1.Status_STATUS_NOT_A_NUMBER, "the stored value is not a base-10 integer of 64 bits")
	notRow    = refuse(storev1.Status_STATUS_NOT_A_NUMBER, "the stored value is no row of numbers")
	noSum     = refuse(storev1.Status_STATUS_OVERFLOW, "the sum does not fit a signed integer of 64 bits")
	noScore   = refuse(storev1.Status_STATUS_OVERFLOW, "the sum of opposite infinities is no score")

	notScalar     = refuse(storev1.Status_STATUS_WRONG_TYPE, "the key holds a collection, not a scalar")
	notList       = refuse(storev1.Status_STATUS_WRONG_TYPE, "the key holds another type, not a list")
	notDictionary = refuse(storev1.Status_STATUS_WRONG_TYPE, "the key holds another type, not a dictionary")
	notSet        = refuse(storev1.Status_STATUS_WRONG_TYPE, "the key holds another type, not a set")
	notSortedSet  = refuse(storev1.Status_STATUS_WRONG_TYPE, "the key holds another type, not a sorted set")
)

// wrongType is the refusal of an item that is not of that kind, by kind.
var wrongType = [kinds]*Result{
	storev1.Kind_KIND_SCALAR:     notScalar,
	storev1.Kind_KIND_LIST:       notList,
	storev1.Kind_KIND_DICTIONARY: notDictionary,
	storev1.Kind_KIND_SET:        notSet,
	storev1.Kind_KIND_SORTED_SET: notSortedSet,
}

func refuse(status Status, detail string) *Result {
	return &Result{Status: status, Detail: detail}
}

func invalid(detail string) *Result {
	return refuse(storev1.Status_STATUS_INVALID, detail)
}

// lengthOf answers with the length of a collection. The three messages that makes
// are one allocation; it is the answer to every push.
func lengthOf(n int) *Result {
	r := &struct {
		Result
		outcome storev1.Result_Length_
		length  storev1.Result_Length
	}{}
	r.length.Found, r.length.Length = true, uint64(n)
	r.outcome.Length = &r.length
	r.Outcome = &r.outcome
	return &r.Result
}

func popped(v []byte, remaining int) *Result {
	r := &struct {
		Result
		outcome storev1.Result_Popped_
		popped  storev1.Result_Popped
	}{}
	r.popped.Found, r.popped.Value, r.popped.Length = true, v, uint64(remaining)
	r.outcome.Popped = &r.popped
	r.Outcome = &r.outcome
	return &r.Result
}

func valueOf(v []byte) *Result {
	r := &struct {
		Result
		outcome storev1.Result_Value_
		value   storev1.Result_Value
	}{}
	r.value.Found, r.value.Value = true, v
	r.outcome.Value = &r.value
	r.Outcome = &r.outcome
	return &r.Result
}

func valuesOf(vs [][]byte) *Result {
	return &Result{Outcome: &storev1.Result_Values_{Values: &storev1.Result_Values{Found: true, Values: vs}}}
}

func numberOf(n int64) *Result {
	return &Result{Outcome: &storev1.Result_Number{Number: n}}
}

func scoreOf(score float64) *Result {
	return &Result{Outcome: &storev1.Result_Score{Score: score}}
}

func kindOf(k storev1.Kind) *Result {
	return &Result{Outcome: &storev1.Result_Kind{Kind: k}}
}

func remainingOf(ms uint64) *Result {
	return &Result{Outcome: &storev1.Result_ItemTtl_{ItemTtl: &storev1.Result_ItemTtl{Found: true, RemainingMs: ms}}}
}

func sweptOf(n uint32) *Result {
	return &Result{Outcome: &storev1.Result_Swept{Swept: n}}
}

// resultSize is what a remembered result counts, beside answerOverhead. Of all
// answers to commands only what was popped has bytes.
func resultSize(r *Result) int {
	n := len(r.GetDetail()) + len(r.GetPopped().GetValue())
	for _, v := range r.GetValues().GetValues() {
		n += entryOverhead + len(v)
	}
	return n
}
