package test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	// What the broker may serve, so that its messages can be made here.
	_ "google.golang.org/grpc/health/grpc_health_v1"
	_ "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"

	_ "github.com/mayfly-broker/mayfly/proto/admin/v1"
	_ "github.com/mayfly-broker/mayfly/proto/leaderboard"
	_ "github.com/mayfly-broker/mayfly/proto/webhook"
)

// method is a method that the broker serves, and what the table says of it.
type method struct {
	protoreflect.MethodDescriptor
	need need
	kind kind
}

// served asks the broker for all of its methods and finds each in the table.
func served(t *testing.T, conn *grpc.ClientConn) (all []method) {
	t.Helper()
	table := make(map[string]need)
	for _, row := range needs {
		for name := range strings.FieldsSeq(row.methods) {
			table["/"+row.service+"/"+name] = row.need
		}
	}
	for _, service := range services(t, conn) {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
		if err != nil {
			t.Fatalf("the broker serves %s, of which this story does not know: %v", service, err)
		}
		methods := d.(protoreflect.ServiceDescriptor).Methods()
		for i := range methods.Len() {
			m := methods.Get(i)
			need, ok := table[path(m)]
			if !ok {
				t.Errorf("%s has no row in the table of needs: who may call it?", path(m))
				continue
			}
			delete(table, path(m))
			all = append(all, method{m, need, kindOf(m)})
		}
	}
	for name := range table {
		t.Errorf("%s is in the table of needs, and the broker does not serve it", name)
	}
	return all
}

// services are those that the broker says it serves.
func services(t *testing.T, conn *grpc.ClientConn) (names []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range answer.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	slices.Sort(names)
	return names
}

// kindOf is what a method is about, by the names of its fields.
func kindOf(m protoreflect.MethodDescriptor) kind {
	fields := m.Input().Fields()
	has := func(name protoreflect.Name) bool { return fields.ByName(name) != nil }
	switch {
	case m.Parent().Name() == "Pubsub":
		return aTopic
	case m.Parent().Name() == "Leaderboard":
		return aLeaderboard
	case m.Parent().Name() != "Scs":
		return broker
	case has("list_name"):
		return aList
	case has("dictionary_name"):
		return aDictionary
	case strings.HasPrefix(string(m.Name()), "SortedSet"):
		return aSortedSet
	case has("set_name"):
		return aSet
	default:
		return aScalar
	}
}

// touches are the places that a call is about, which names several items where it can.
func (m method) touches(at place) []place {
	switch m.Name() {
	case "KeysExist", "GetBatch", "SetBatch", "SortedSetUnionStore":
		return []place{at, {at.cache, ownName}}
	default:
		return []place{at}
	}
}

// filler makes messages with something in every field and, of every oneof, the member
// of that number. What names several items names the caller's own one, too.
type filler struct {
	at                  place
	credential, payload string
	node, id            string
	member              int
	reversed            bool
}

// requests are messages for a method. A union, whose destination and source are
// different fields, is tried both ways round.
func (f filler) requests(m method) (all []proto.Message) {
	all = append(all, f.message(m.Input()))
	if m.Name() == "SortedSetUnionStore" {
		f.reversed = true
		all = append(all, f.message(m.Input()))
	}
	return all
}

// namesNone reports whether a method may be called with no item at all.
func (m method) namesNone() bool {
	return slices.Contains([]protoreflect.Name{"KeysExist", "GetBatch", "SetBatch"}, m.Name())
}

// emptyOf is a message with nothing in it.
func emptyOf(d protoreflect.MessageDescriptor) proto.Message {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	if err != nil {
		panic(err)
	}
	return kind.New().Interface()
}

func (f filler) message(d protoreflect.MessageDescriptor) proto.Message {
	m := emptyOf(d).ProtoReflect()
	for i := range d.Fields().Len() {
		field := d.Fields().Get(i)
		if o := field.ContainingOneof(); o != nil && o.Fields().Get(f.member%o.Fields().Len()) != field {
			continue
		}
		switch {
		case field.IsMap():
		case field.IsList():
			own := f
			own.at.name = ownName
			m.Mutable(field).List().Append(own.value(field))
			m.Mutable(field).List().Append(f.value(field))
		default:
			m.Set(field, f.value(field))
		}
	}
	return m.Interface()
}

func (f filler) value(field protoreflect.FieldDescriptor) protoreflect.Value {
	switch field.Kind() {
	case protoreflect.MessageKind:
		if field.Message().FullName() == "permission.Permissions" { // what every operator may give away
			g := grant{statements: []statement{{role: readOnly, cache: ownCache, exact: ownName}}}
			return protoreflect.ValueOfMessage(g.permissions().ProtoReflect())
		}
		return protoreflect.ValueOfMessage(f.message(field.Message()).ProtoReflect())
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(f.text(field))
	case protoreflect.BytesKind:
		switch field.Name() {
		case "cache_key", "cache_keys", "list_name", "dictionary_name", "set_name":
			// The own name where the other field of a union has the other one.
			if union := field.ContainingMessage().Name(); f.reversed && union == "SortedSetUnionStoreRequest" {
				return protoreflect.ValueOfBytes([]byte(ownName))
			}
			return protoreflect.ValueOfBytes([]byte(f.at.name))
		}
		if name := field.Name(); name == "cache_body" || name == "binary" || name == "values" {
			return protoreflect.ValueOfBytes([]byte(f.payload))
		}
		return protoreflect.ValueOfBytes([]byte("17"))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(2)
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(60_000)
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(3)
	case protoreflect.Sint32Kind, protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(1)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(1.5)
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(1.5)
	default:
		panic(fmt.Sprintf("%s is a %s, a kind nobody thought of", field.FullName(), field.Kind()))
	}
}

// text is what a text of that name would be.
func (f filler) text(field protoreflect.FieldDescriptor) string {
	switch field.Name() {
	case "cache_name":
		return f.at.cache
	case "topic", "leaderboard":
		return f.at.name
	case "auth_token", "api_key":
		return f.credential
	case "post_url":
		return "https://hooks.example/x"
	case "text":
		return f.payload
	case "node":
		return f.node
	case "id":
		return f.id
	default:
		return "story"
	}
}
