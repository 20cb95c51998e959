package wire

import (
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// base is one side of every comparison below; each case changes a few words of
// it to get the other.
const base = `
syntax = "proto3";
package p;

service S {
  rpc Call(Request) returns (stream Answer);
}

message Request {
  sint32 index = 1;
  repeated uint32 many = 2;
  Inner inner = 3;
  Color color = 4;
  oneof choice {
    string left = 5;
    bytes right = 6;
  }
}

message Inner {
  double score = 1;
  Inner deeper = 2;
}

enum Color {
  RED = 0;
  BLUE = 1;
}

message Answer {}
`

func TestCompareServices(t *testing.T) {
	tests := []struct {
		name     string
		old, new string // theirs is base with old replaced by new
		want     []string
	}{
		{"nothing", "", "", nil},
		{"names that do not travel", "Inner", "Nested", nil},
		{"name of a field", "index =", "place =", nil},
		{"name of a oneof", "choice", "pick", nil},
		{"name of an enum value", "BLUE", "GREEN", nil},
		{"order of fields", "double score = 1;\n  Inner deeper = 2;", "Inner deeper = 2;\n  double score = 1;", nil},

		{"service", "service S", "service T", []string{
			"p.S: full name: ours p.S, theirs p.T",
		}},
		{"name of a call", "rpc Call", "rpc Ring", []string{
			"/p.S/Call: only ours has it",
			"/p.S/Ring: only theirs has it",
		}},
		{"server streaming", "returns (stream", "returns (", []string{
			"/p.S/Call: server stream: ours true, theirs false",
		}},
		{"client streaming", "Call(", "Call(stream ", []string{
			"/p.S/Call: client stream: ours false, theirs true",
		}},
		{"field number", "score = 1", "score = 7", []string{
			"p.Inner 1: only ours has it",
			"p.Inner 7: only theirs has it",
		}},
		{"integer coding", "sint32", "int32", []string{
			"p.Request 1: kind: ours sint32, theirs int32",
		}},
		{"kind of a nested field", "double", "float", []string{
			"p.Inner 1: kind: ours double, theirs float",
		}},
		{"repetition", "repeated uint32", "uint32", []string{
			"p.Request 2: cardinality: ours repeated, theirs optional",
			"p.Request 2: packed: ours true, theirs false",
		}},
		{"packing", "many = 2", "many = 2 [packed = false]", []string{
			"p.Request 2: packed: ours true, theirs false",
		}},
		{"presence", "sint32", "optional sint32", []string{
			"p.Request 1: presence: ours false, theirs true",
		}},
		{"leaving a oneof", "bytes right = 6;\n  }", "}\n  bytes right = 6;", []string{
			"p.Request 5: oneof of: ours [5 6], theirs [5]",
			"p.Request 6: presence: ours true, theirs false",
			"p.Request 6: oneof of: ours [5 6], theirs none",
		}},
		{"member of a oneof", "bytes right = 6;", "", []string{
			"p.Request 6: only ours has it",
		}},
		{"enum number", "BLUE = 1", "BLUE = 2", []string{
			"p.Color 1: only ours has it",
			"p.Color 2: only theirs has it",
		}},
		{"field of the answer", "message Answer {", "message Answer { bool yes = 1;", []string{
			"p.Answer 1: only theirs has it",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			changed := strings.ReplaceAll(base, tt.old, tt.new)
			if changed == base && tt.old != "" {
				t.Fatalf("base does not contain %q", tt.old)
			}
			got := CompareServices(service(t, base), service(t, changed))
			for i := range max(len(got), len(tt.want)) {
				switch {
				case i >= len(got):
					t.Errorf("missing %q", tt.want[i])
				case i >= len(tt.want):
					t.Errorf("unexpected %q", got[i])
				case got[i].String() != tt.want[i]:
					t.Errorf("got %q, want %q", got[i], tt.want[i])
				}
			}
		})
	}
}

// service compiles the one service in a source text.
func service(t *testing.T, source string) protoreflect.ServiceDescriptor {
	t.Helper()
	from := &protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{"p.proto": source}),
	}
	return compile(t, from, "p.proto")[0].Services().Get(0)
}
