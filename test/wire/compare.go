package wire

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Difference is one place where two descriptions of the wire disagree.
type Difference struct {
	// Where names the place: a service, a call of one, or a message or enum of
	// ours with the number of a field or value.
	Where string
	// What says how the two sides disagree there.
	What string
}

// String returns the difference as one line.
func (d Difference) String() string { return d.Where + ": " + d.What }

// The ways in which something can be on one side alone.
const (
	onlyOurs   = "only ours has it"
	onlyTheirs = "only theirs has it"
)

// pair is two messages that stand in the same place of the two sides.
type pair struct{ ours, theirs protoreflect.FullName }

// comparison collects differences. A pair of messages is looked at once,
// however many fields lead to it, which also ends recursion.
type comparison struct {
	seen        map[pair]bool
	differences []Difference
}

// CompareServices returns how the calls of two services, and all messages that
// can be reached from them, differ: in the order found, nil if they do not.
func CompareServices(ours, theirs protoreflect.ServiceDescriptor) []Difference {
	c := comparison{seen: map[pair]bool{}}
	c.services(ours, theirs)
	return c.differences
}

func (c *comparison) report(where, format string, args ...any) {
	d := Difference{Where: where, What: fmt.Sprintf(format, args...)}
	if !slices.Contains(c.differences, d) {
		c.differences = append(c.differences, d)
	}
}

// same reports two properties of a place that ought to be equal.
func same[T comparable](c *comparison, where, property string, ours, theirs T) {
	if ours != theirs {
		c.report(where, "%s: ours %v, theirs %v", property, ours, theirs)
	}
}

func (c *comparison) services(ours, theirs protoreflect.ServiceDescriptor) {
	same(c, string(ours.FullName()), "full name", ours.FullName(), theirs.FullName())
	for i := range ours.Methods().Len() {
		m := ours.Methods().Get(i)
		where := callPath(ours, m)
		if other := theirs.Methods().ByName(m.Name()); other != nil {
			c.methods(where, m, other)
		} else {
			c.report(where, onlyOurs)
		}
	}
	for i := range theirs.Methods().Len() {
		m := theirs.Methods().Get(i)
		if ours.Methods().ByName(m.Name()) == nil {
			c.report(callPath(theirs, m), onlyTheirs)
		}
	}
}

// callPath is how a call is addressed.
func callPath(s protoreflect.ServiceDescriptor, m protoreflect.MethodDescriptor) string {
	return fmt.Sprintf("/%s/%s", s.FullName(), m.Name())
}

func (c *comparison) methods(where string, ours, theirs protoreflect.MethodDescriptor) {
	same(c, where, "client stream", ours.IsStreamingClient(), theirs.IsStreamingClient())
	same(c, where, "server stream", ours.IsStreamingServer(), theirs.IsStreamingServer())
	c.messages(ours.Input(), theirs.Input())
	c.messages(ours.Output(), theirs.Output())
}

func (c *comparison) messages(ours, theirs protoreflect.MessageDescriptor) {
	p := pair{ours.FullName(), theirs.FullName()}
	if c.seen[p] {
		return
	}
	c.seen[p] = true
	for i := range ours.Fields().Len() {
		f := ours.Fields().Get(i)
		where := place(ours, f.Number())
		if other := theirs.Fields().ByNumber(f.Number()); other != nil {
			c.fields(where, f, other)
		} else {
			c.report(where, onlyOurs)
		}
	}
	for i := range theirs.Fields().Len() {
		f := theirs.Fields().Get(i)
		if ours.Fields().ByNumber(f.Number()) == nil {
			c.report(place(ours, f.Number()), onlyTheirs)
		}
	}
}

// place names a numbered part of a message or an enum.
func place[N ~int32](d protoreflect.Descriptor, n N) string {
	return fmt.Sprintf("%s %d", d.FullName(), n)
}

func (c *comparison) fields(where string, ours, theirs protoreflect.FieldDescriptor) {
	same(c, where, "kind", ours.Kind(), theirs.Kind())
	same(c, where, "cardinality", ours.Cardinality(), theirs.Cardinality())
	same(c, where, "packed", ours.IsPacked(), theirs.IsPacked())
	same(c, where, "presence", ours.HasPresence(), theirs.HasPresence())
	same(c, where, "oneof of", companions(ours, theirs), companions(theirs, ours))
	if ours.Message() != nil && theirs.Message() != nil {
		c.messages(ours.Message(), theirs.Message())
	}
	if ours.Enum() != nil && theirs.Enum() != nil {
		c.enums(ours.Enum(), theirs.Enum())
	}
}

// companions are the numbers of the oneof a field is a member of, as text, or
// "none" if it is of none; the oneof around a lone optional field is none.
// Members that the other side does not have are left out: they are reported
// where they are, and that once.
func companions(f, other protoreflect.FieldDescriptor) string {
	oneof := f.ContainingOneof()
	if oneof == nil || oneof.IsSynthetic() {
		return "none"
	}
	var members []protoreflect.FieldNumber
	for i := range oneof.Fields().Len() {
		n := oneof.Fields().Get(i).Number()
		if other.ContainingMessage().Fields().ByNumber(n) != nil {
			members = append(members, n)
		}
	}
	slices.Sort(members)
	return fmt.Sprint(members)
}

func (c *comparison) enums(ours, theirs protoreflect.EnumDescriptor) {
	here, there := numbers(ours), numbers(theirs)
	for _, n := range slices.Sorted(maps.Keys(here)) {
		if !there[n] {
			c.report(place(ours, n), onlyOurs)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(there)) {
		if !here[n] {
			c.report(place(ours, n), onlyTheirs)
		}
	}
}

func numbers(e protoreflect.EnumDescriptor) map[protoreflect.EnumNumber]bool {
	set := map[protoreflect.EnumNumber]bool{}
	for i := range e.Values().Len() {
		set[e.Values().Get(i).Number()] = true
	}
	return set
}
