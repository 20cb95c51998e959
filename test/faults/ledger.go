package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// Ledger is writes that last: values pushed to the back of lists, each once, and
// counters that are incremented. What was acknowledged must be there at the end.
// Its fields are set before the first call of a method.
type Ledger struct {
	// Doors are the nodes; a writer picks one for each write.
	Doors *Doors
	// Cache exists; the ledger's keys in it begin with "ledger".
	Cache string
	// Seed fixes who turns to which node.
	Seed uint64
	// Writers is how many there are, each with a list and a counter of its own,
	// and a pause of Pause on average between writes.
	Writers int
	Pause   time.Duration
	// History takes the writes.
	History *History
}

func ledgerList(writer int) string    { return fmt.Sprint("ledger-list-", writer) }
func ledgerCounter(writer int) string { return fmt.Sprint("ledger-counter-", writer) }

// Write writes until ctx ends.
func (l *Ledger) Write(ctx context.Context) {
	var all sync.WaitGroup
	for id := range l.Writers {
		all.Go(func() {
			r := rand.New(rand.NewPCG(l.Seed, uint64(3000+id)))
			c := client{doors: l.Doors, cache: l.Cache}
			for count := 0; ctx.Err() == nil; count++ {
				key, in := ledgerList(id), Input{Do: PushBack, Value: fmt.Sprint(id, ".", count)}
				if count%4 == 3 {
					key, in = ledgerCounter(id), Input{Do: Increment, Amount: 1}
				}
				c.record(context.WithoutCancel(ctx), l.History, r, id, key, in)
				rest(ctx, r, l.Pause)
			}
		})
	}
	all.Wait()
}

// Audit reads what is there at one node, and returns what does not agree with the
// writes. They must have ended.
func (l *Ledger) Audit(ctx context.Context, at Door) (problems []string) {
	byKey := make(map[string][]Op)
	for _, op := range l.History.Ops() {
		byKey[op.Key] = append(byKey[op.Key], op)
	}
	for id := range l.Writers {
		for _, in := range []struct {
			key  string
			read Action
			ops  []Op
		}{
			{ledgerList(id), Fetch, byKey[ledgerList(id)]}, {ledgerCounter(id), Get, byKey[ledgerCounter(id)]},
		} {
			out, err := l.look(ctx, at, in.key, in.read)
			if err != nil {
				problems = append(problems, fmt.Sprintf("%s cannot be read at %s: %v", in.key, at.Node, err))
				continue
			}
			for _, p := range auditKey(in.ops, in.read, out) {
				problems = append(problems, fmt.Sprintf("%s, read at %s: %s", in.key, at.Node, p))
			}
		}
	}
	return problems
}

// auditTime is how long an audit waits for one answer.
const auditTime = 20 * time.Second

// look reads a key, as often as it takes.
func (l *Ledger) look(ctx context.Context, at Door, key string, read Action) (Output, error) {
	ctx, cancel := context.WithTimeout(ctx, auditTime)
	defer cancel()
	r := rand.New(rand.NewPCG(l.Seed, 0))
	for {
		out, end := client{cache: l.Cache}.do(ctx, at, key, Input{Do: read})
		if end.outcome == Done {
			return out, nil
		}
		if ctx.Err() != nil {
			return out, fmt.Errorf("for %s, at last: %s", auditTime, end.err)
		}
		rest(ctx, r, again)
	}
}

// auditKey compares what was read with what one writer did.
func auditKey(ops []Op, read Action, out Output) []string {
	if read == Get {
		return auditCounter(ops, out)
	}
	return auditList(ops, out)
}

// auditCounter: each increment that was done counts once, one of unknown outcome
// at most once.
func auditCounter(ops []Op, out Output) []string {
	var least, most int64
	for _, op := range ops {
		if op.Outcome != Refused {
			most++
		}
		if op.Outcome == Done {
			least++
		}
	}
	var number int64
	if out.Found {
		if _, err := fmt.Sscan(out.Text, &number); err != nil {
			return []string{fmt.Sprintf("%q is no number", out.Text)}
		}
	}
	if number < least || number > most {
		return []string{fmt.Sprintf("it is %d after %d increments that were acknowledged and %d that may have been made", number, least, most-least)}
	}
	return nil
}

// auditList: each value that was acknowledged is there once, each of unknown
// outcome at most once, no other; and the acknowledged ones are in the order in
// which they were pushed.
func auditList(ops []Op, out Output) (problems []string) {
	outcomes := make(map[string]Outcome)
	var acked []string
	for _, op := range ops {
		outcomes[op.In.Value] = op.Outcome
		if op.Outcome == Done {
			acked = append(acked, op.In.Value)
		}
	}
	seen := make(map[string]int)
	var order []string
	for value := range strings.Lines(out.Text) {
		value = strings.TrimSuffix(value, "\n")
		outcome, pushed := outcomes[value]
		seen[value]++
		switch {
		case !pushed:
			problems = append(problems, fmt.Sprintf("nobody pushed %q", value))
		case outcome == Refused:
			problems = append(problems, value+" was refused and is there")
		case seen[value] > 1:
			problems = append(problems, value+" is there more than once")
		case outcome == Done:
			order = append(order, value)
		}
	}
	for _, value := range acked {
		if seen[value] == 0 {
			problems = append(problems, value+" was acknowledged and is gone")
		}
	}
	if len(problems) == 0 && !slices.Equal(order, acked) {
		problems = append(problems, fmt.Sprintf("the acknowledged values are in the order %v, and were pushed in the order %v", order, acked))
	}
	return problems
}
