package store

import (
	"bytes"
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

func TestCommandRoundTrip(t *testing.T) {
	cmd := command(9, "k", setOf("v", 1))
	cmd.Request = requestOf('g', 3, 2)
	buf := []byte("before")
	encoded, err := EncodeCommand(buf, cmd)
	if err != nil || !bytes.HasPrefix(encoded, []byte("before\x01")) {
		t.Fatalf("encoded %x, %v", encoded, err)
	}
	data := encoded[len("before"):]
	decoded, err := DecodeCommand(data)
	if err != nil || !proto.Equal(decoded, cmd) {
		t.Fatalf("decoded %v, %v", decoded, err)
	}
	clear(data)
	if !proto.Equal(decoded, cmd) {
		t.Errorf("a decoded command shares memory with its bytes")
	}

	catalog := &CatalogCommand{AtMs: 1, Op: &storev1.CatalogCommand_CreateCache{CreateCache: &storev1.CreateCache{Name: "c"}}}
	if encoded, err = EncodeCatalogCommand(nil, catalog); err != nil {
		t.Fatal(err)
	}
	if decoded, err := DecodeCatalogCommand(encoded); err != nil || !proto.Equal(decoded, catalog) {
		t.Errorf("decoded %v, %v", decoded, err)
	}
	if _, err := DecodeCatalogCommand([]byte{catalogCommandVersion + 1}); !errors.Is(err, ErrVersion) {
		t.Errorf("a newer catalog command: %v", err)
	}
}

func TestDecodeCommandRefuses(t *testing.T) {
	withUnknown := func(change func(cmd *Command)) []byte {
		cmd := command(9, "k", &storev1.ListErase{Ranges: []*storev1.ListErase_Range{{Count: 1}}})
		change(cmd)
		data, err := EncodeCommand(nil, cmd)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	field := []byte{0xf8, 0x07, 1}
	long, err := proto.Marshal(command(1, "k", setOf(string(make([]byte, MaxCommandBytes)), 1)))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		data []byte
		want error
	}{
		"no bytes":        {nil, ErrMalformed},
		"version 0":       {[]byte{0}, ErrMalformed},
		"newer version":   {[]byte{CommandVersion + 1, 0xff}, ErrVersion},
		"cut":             {[]byte{1, 0x2a, 5, 'k'}, ErrMalformed},
		"bad UTF-8":       {[]byte{1, 0x1a, 1, 0xff}, ErrMalformed},
		"too long":        {append([]byte{CommandVersion}, long...), ErrMalformed},
		"unknown field":   {withUnknown(func(c *Command) { c.ProtoReflect().SetUnknown(field) }), ErrVersion},
		"unknown in op":   {withUnknown(func(c *Command) { c.GetListErase().ProtoReflect().SetUnknown(field) }), ErrVersion},
		"unknown in list": {withUnknown(func(c *Command) { c.GetListErase().Ranges[0].ProtoReflect().SetUnknown(field) }), ErrVersion},
	}
	for name, test := range tests {
		if cmd, err := DecodeCommand(test.data); !errors.Is(err, test.want) || cmd != nil {
			t.Errorf("%s: %v, %v", name, cmd, err)
		}
	}
}

func TestEncodeCommandRefuses(t *testing.T) {
	if data, err := EncodeCommand(nil, command(1, "k", setOf(string(make([]byte, MaxCommandBytes)), 1))); err == nil {
		t.Errorf("a command over the limit gave %d bytes", len(data))
	}
	bad := command(1, "k", setOf("v", 1))
	bad.Cache = "\xff"
	if data, err := EncodeCommand(nil, bad); err == nil {
		t.Errorf("a name that is not UTF-8 gave %d bytes", len(data))
	}
	future := &storev1.CacheLimits{MaxKeys: new(uint64(1))}
	future.ProtoReflect().SetUnknown([]byte{0xf8, 0x07, 1})
	if data, err := EncodeCatalogCommand(nil, catalogCommand(1, &storev1.UpdateCache{Name: "a", Limits: future})); err == nil {
		t.Errorf("settings of a newer version gave %d bytes, which nobody can read", len(data))
	}
}

// What is in the log has to be readable for ever: one command of each kind as
// this version wrote it first. Never change these bytes.
func TestCommandFormat(t *testing.T) {
	cmd := &Command{
		AtMs: 1, Request: &storev1.RequestId{Gateway: []byte("g"), Sequence: 2, DoneBelow: 1},
		Cache: "c", Generation: 3, Key: []byte("k"),
		Op: &storev1.Command_ListPush{ListPush: &storev1.ListPush{
			End: back, Values: byteses("v"), Ttl: &storev1.CollectionTtl{TtlMs: 4, Refresh: true}, TruncateToSize: 5,
		}},
	}
	want := []byte{
		1, 0x08, 1, 0x12, 7, 0x0a, 1, 'g', 0x10, 2, 0x18, 1, 0x1a, 1, 'c', 0x20, 3, 0x2a, 1, 'k',
		0xa2, 0x01, 13, 0x08, 2, 0x12, 1, 'v', 0x1a, 4, 0x08, 4, 0x10, 1, 0x20, 5,
	}
	got, err := EncodeCommand(nil, cmd)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("encoded %x, %v; want %x", got, err, want)
	}
}

// The same for commands of the second version; and what needs nothing new must
// stay readable for nodes of the first.
func TestCommandVersions(t *testing.T) {
	cmd := command(1, "k", &storev1.SortedSetPut{Members: byteses("m"), Scores: []float64{1}, Ttl: lifeOf(4, false)})
	cmd.Space = storev1.Space_SPACE_LEADERBOARDS
	want := []byte{
		2, 0x08, 1, 0x1a, 1, 'c', 0x20, 1, 0x2a, 1, 'k', 0x30, 1,
		0x82, 0x02, 17, 0x0a, 1, 'm', 0x12, 8, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x1a, 2, 0x08, 4,
	}
	if got, err := EncodeCommand(nil, cmd); err != nil || !bytes.Equal(got, want) {
		t.Errorf("encoded %x, %v; want %x", got, err, want)
	}
	for _, op := range []any{setOf("v", 1), &storev1.Delete{}, pushOf(back, "a", 0), &storev1.Tick{}} {
		cmd := command(1, "k", op)
		if data, err := EncodeCommand(nil, cmd); err != nil || data[0] != 1 {
			t.Errorf("%T has version %d, %v", op, data[0], err)
		}
		cmd.Space = storev1.Space_SPACE_LEADERBOARDS
		if data, err := EncodeCommand(nil, cmd); err != nil || data[0] != 2 {
			t.Errorf("%T on a leaderboard has version %d, %v", op, data[0], err)
		}
	}
	if data, err := EncodeCommand(nil, command(1, "k", rowsOf(1, "f"))); err != nil || data[0] != 3 {
		t.Errorf("an addition of rows has version %d, %v", data[0], err)
	}
	for _, ops := range everyOp() {
		for _, op := range ops {
			cmd := command(1, "k", op)
			if cmd.GetOp() == nil {
				continue // a query
			}
			// The numbers of the later operations say what is new.
			first := cmd.ProtoReflect().WhichOneof(cmd.ProtoReflect().Descriptor().Oneofs().ByName("op")).Number() < 25
			if data, err := EncodeCommand(nil, cmd); err != nil || (data[0] == 1) != first {
				t.Errorf("%T has version %d, %v", op, data[0], err)
			}
		}
	}
}
