package faults

import (
	"strconv"
	"strings"
)

// A key's state is a text. A scalar that exists is "=" and its value; a list is
// its values with a line break behind each; what does not exist is empty.

// applyScalar is what a scalar does, as simply as it can be said.
func applyScalar(state string, in Input) (next string, out Output) {
	value, found := strings.CutPrefix(state, "=")
	switch in.Do {
	case Get:
		return state, Output{Found: found, Text: value}
	case Set:
		return "=" + in.Value, Output{}
	case Delete:
		return "", Output{}
	case SetAbsent:
		return storeIf(!found, state, in)
	case SetEqual:
		return storeIf(found && value == in.Check, state, in)
	case SetNotEqual:
		return storeIf(!found || value != in.Check, state, in)
	case Increment:
		number := int64(0)
		if found {
			var err error
			if number, err = strconv.ParseInt(value, 10, 64); err != nil {
				return state, Output{Declined: true}
			}
		}
		number += in.Amount
		return "=" + strconv.FormatInt(number, 10), Output{Number: number}
	default:
		panic("no action on a scalar: " + in.Do)
	}
}

func storeIf(holds bool, state string, in Input) (string, Output) {
	if !holds {
		return state, Output{}
	}
	return "=" + in.Value, Output{Found: true}
}

// applyList is what a list does.
func applyList(state string, in Input) (next string, out Output) {
	length := func(s string) int64 { return int64(strings.Count(s, "\n")) }
	switch in.Do {
	case PushFront:
		next = in.Value + "\n" + state
		return next, Output{Number: length(next)}
	case PushBack:
		next = state + in.Value + "\n"
		return next, Output{Number: length(next)}
	case PopFront:
		first, rest, found := strings.Cut(state, "\n")
		return rest, Output{Found: found, Text: first, Number: length(rest)}
	case PopBack:
		body, found := strings.CutSuffix(state, "\n")
		at := strings.LastIndexByte(body, '\n') + 1
		return body[:at], Output{Found: found, Text: body[at:], Number: length(body[:at])}
	case Fetch:
		return state, Output{Found: state != "", Text: state}
	case Length:
		return state, Output{Found: state != "", Number: length(state)}
	case Remove:
		var kept strings.Builder
		for value := range strings.Lines(state) {
			if value != in.Value+"\n" {
				kept.WriteString(value)
			}
		}
		next = kept.String()
		return next, Output{Found: state != "", Number: length(next)}
	default:
		panic("no action on a list: " + in.Do)
	}
}
