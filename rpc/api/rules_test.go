package api

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// eachMethod visits every method of every service of ours and of those that
// come with grpc-go, as the .proto files have them.
func eachMethod(t *testing.T, visit func(full string, m protoreflect.MethodDescriptor)) {
	t.Helper()
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			s := f.Services().Get(i)
			for j := range s.Methods().Len() {
				m := s.Methods().Get(j)
				visit("/"+string(s.FullName())+"/"+string(m.Name()), m)
			}
		}
		return true
	})
}

func newMessage(t *testing.T, d protoreflect.MessageDescriptor) proto.Message {
	t.Helper()
	kind, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	if err != nil {
		t.Fatal(err)
	}
	return kind.New().Interface()
}

func TestEveryMethodHasARule(t *testing.T) {
	known := make(map[string]bool)
	eachMethod(t, func(full string, _ protoreflect.MethodDescriptor) {
		known[full] = true
		if r, ok := rules[full]; !ok || r.need == 0 {
			t.Errorf("%s: no rule says who may call it", full)
		}
	})
	for full := range rules {
		if !known[full] {
			t.Errorf("%s: a rule for a method that does not exist", full)
		}
	}
	if len(known) < 60 {
		t.Errorf("only %d methods were looked at", len(known))
	}
}

// A method whose rule is about items or topics must name them where the door
// looks.
func TestEveryRuleFindsWhatItIsAbout(t *testing.T) {
	eachMethod(t, func(full string, m protoreflect.MethodDescriptor) {
		message := newMessage(t, m.Input())
		switch rules[full].need {
		case readItem, writeItem, readWriteItem:
			if _, known := everyKey(message, func([]byte) bool { return true }); !known {
				t.Errorf("%s: no key found in %T", full, message)
			}
			if !strings.HasPrefix(full, "/cache_client.Scs/") && !strings.HasPrefix(full, "/leaderboard.Leaderboard/") {
				t.Errorf("%s: a rule about items outside of Scs and Leaderboard", full)
			}
		case subscribe, publish:
			if _, ok := message.(aboutTopic); !ok {
				t.Errorf("%s: no topic found in %T", full, message)
			}
		}
	})
}

// A multi-key call needs every key: forbid one at a time.
func TestEveryKeyIsAskedAbout(t *testing.T) {
	eachMethod(t, func(full string, m protoreflect.MethodDescriptor) {
		if need := rules[full].need; need != readItem && need != writeItem && need != readWriteItem {
			return
		}
		message := newMessage(t, m.Input())
		names := fillKeys(message.ProtoReflect(), 0)
		if len(names) == 0 {
			t.Errorf("%s: no field for a key", full)
		}
		for _, forbidden := range names {
			if all, _ := everyKey(message, func(key []byte) bool { return string(key) != forbidden }); all {
				t.Errorf("%s: passes although %q is forbidden", full, forbidden)
			}
		}
	})
}

// fillKeys puts a key of its own into each field that holds one.
func fillKeys(m protoreflect.Message, depth int) (keys []string) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch name := string(f.Name()); {
		case name == "cache_key", name == "list_name", name == "set_name", name == "dictionary_name":
			key := strings.Repeat("k", len(keys)+1+10*depth)
			m.Set(f, protoreflect.ValueOfBytes([]byte(key)))
			keys = append(keys, key)
		case name == "leaderboard":
			m.Set(f, protoreflect.ValueOfString("board"))
			keys = append(keys, "board")
		case name == "cache_keys":
			l := m.Mutable(f).List()
			for _, key := range []string{"first", "last"} {
				l.Append(protoreflect.ValueOfBytes([]byte(key)))
				keys = append(keys, key)
			}
		case name == "items" && f.Message().Fields().ByName("cache_key") != nil, name == "sources":
			l := m.Mutable(f).List()
			for range 2 {
				depth++
				e := l.NewElement()
				keys = append(keys, fillKeys(e.Message(), depth)...)
				l.Append(e)
			}
		}
	}
	return keys
}

// The table against the list that SDKs carry.
func TestRetriedAreTheOnesSDKsRepeat(t *testing.T) {
	sdk := strings.Fields(`Get GetBatch Set SetBatch Delete KeysExist ItemGetTtl ItemGetType
		DictionaryGet DictionaryFetch DictionarySet DictionaryDelete DictionaryLength
		SetFetch SetSample SetUnion SetDifference SetContains SetLength ListRemove ListFetch ListLength
		SortedSetPut SortedSetFetch SortedSetGetScore SortedSetRemove SortedSetGetRank SortedSetLength SortedSetLengthByScore`)
	want := make(map[string]bool)
	for _, name := range sdk {
		want["/cache_client.Scs/"+name] = true
	}
	for full, r := range rules {
		if r.retried != want[full] {
			t.Errorf("%s: retried is %v, want %v", full, r.retried, want[full])
		}
	}
}
