package faults

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// patience is how long one key's history may be thought about. A history that
// takes longer proves nothing either way and is counted as such.
const patience = 20 * time.Second

// Verdict is what the check of a history came to.
type Verdict struct {
	// Keys and Ops are how much was judged.
	Keys, Ops int
	// Undecided are the keys that took too long.
	Undecided []string
	// Wrong are the histories that no order of the calls explains.
	Wrong []Wrong
}

// Wrong is a key whose history is not linearizable.
type Wrong struct {
	Key string
	// Ops are the calls on it, by the time of the call.
	Ops []Op

	model porcupine.Model
	info  porcupine.LinearizationInfo
}

// Check looks, key by key, for an order of the calls in which each takes effect
// at one moment between its call and its return. A call of unknown outcome may
// take effect at any later moment too, or never.
func Check(ops []Op) Verdict {
	byKey := make(map[string][]Op)
	for _, op := range ops {
		if op.Outcome == Done || op.Outcome == Unknown && !op.In.Do.reads() {
			byKey[op.Key] = append(byKey[op.Key], op)
		}
	}
	var v Verdict
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		all := byKey[key]
		slices.SortFunc(all, func(a, b Op) int { return cmp.Compare(a.Call, b.Call) })
		v.Keys++
		v.Ops += len(all)
		model := modelOf(all[0].In.Do)
		result, info := porcupine.CheckOperationsVerbose(model, operations(all), patience)
		switch result {
		case porcupine.Unknown:
			v.Undecided = append(v.Undecided, key)
		case porcupine.Illegal:
			v.Wrong = append(v.Wrong, Wrong{Key: key, Ops: all, model: model, info: info})
		}
	}
	return v
}

// Draw writes a page that shows the history and how far it can be explained.
func (w *Wrong) Draw(path string) error {
	return porcupine.VisualizePath(w.model, w.info, path)
}

// answer is the output of an operation for the checker.
type answer struct {
	Output
	known bool
}

// operations are the calls as the checker wants them.
func operations(ops []Op) []porcupine.Operation {
	list := make([]porcupine.Operation, len(ops))
	clients := 0
	for _, op := range ops {
		clients = max(clients, op.Client+1)
	}
	for i, op := range ops {
		list[i] = porcupine.Operation{
			ClientId: op.Client, Input: op.In, Call: int64(op.Call),
			Output: answer{op.Out, op.Outcome == Done}, Return: int64(op.Return),
		}
		if op.Outcome != Done { // a caller of its own, who still waits
			list[i].ClientId, list[i].Return = clients, math.MaxInt64
			clients++
		}
	}
	return list
}

// modelOf is the model of the keys that the action belongs to.
func modelOf(a Action) porcupine.Model {
	if isList(a) {
		return model(applyList)
	}
	return model(applyScalar)
}

func model(apply func(string, Input) (string, Output)) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return "" },
		Step: func(state, input, output any) (bool, any) {
			next, want := apply(state.(string), input.(Input))
			got := output.(answer)
			return !got.known || got.Output == want, next
		},
		DescribeOperation: func(input, output any) string {
			in, out := input.(Input), output.(answer)
			text := string(in.Do)
			for _, part := range []string{in.Value, in.Check} {
				if part != "" {
					text += " " + part
				}
			}
			if in.Amount != 0 {
				text += fmt.Sprintf(" %+d", in.Amount)
			}
			if !out.known {
				return text + ": unknown"
			}
			return fmt.Sprintf("%s: %+v", text, out.Output)
		},
		DescribeState: func(state any) string { return fmt.Sprintf("%q", state) },
	}
}
