package auth

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
)

func TestStatements(t *testing.T) {
	w := newWorld(t)
	permissions := explicit(
		topicStatement(permissionpb.TopicRole_TopicReadWrite, "chat", on{name: "room-1"}),
		topicStatement(permissionpb.TopicRole_TopicReadOnly, "chat", on{prefix: "room-"}),
		topicStatement(permissionpb.TopicRole_TopicWriteOnly, anyCache, on{}),
		cacheStatement(permissionpb.CacheRole_CacheReadOnly, "chat", on{name: "k"}),
		cacheStatement(permissionpb.CacheRole_CacheWriteOnly, anyCache, on{prefix: "k-"}),
		cacheStatement(permissionpb.CacheRole_CacheReadWrite, "chat", on{}),
	)
	want := []Statement{
		{About: "cache", Role: "readonly", Cache: "chat", Name: "k", Text: `read item "k" of cache "chat"`},
		{About: "cache", Role: "writeonly", Name: "k-", Prefix: true, Text: `write items beginning with "k-" of every cache`},
		{About: "cache", Role: "readwrite", Cache: "chat", Text: `read and write all items of cache "chat"`},
		{About: "topic", Role: "publishsubscribe", Cache: "chat", Name: "room-1", Text: `publish and subscribe to topic "room-1" of cache "chat"`},
		{About: "topic", Role: "subscribeonly", Cache: "chat", Name: "room-", Prefix: true, Text: `subscribe to topics beginning with "room-" of cache "chat"`},
		{About: "topic", Role: "publishonly", Text: `publish to all topics of every cache`},
	}
	caller := w.verify(t, w.token(t, w.admin(t), permissions), birth)
	if got := caller.Statements(); !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	// They are the sentences that Describe has, in the order of the kinds.
	described, err := Describe(permissions)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range want {
		found := false
		for _, line := range described {
			found = found || line == s.Text
		}
		if !found {
			t.Errorf("Describe does not say %q", s.Text)
		}
	}
	everything := []Statement{{About: "everything", Role: "superuser", Text: "everything: all caches, items and topics, and control"}}
	if got := w.admin(t).Statements(); !cmp.Equal(got, everything) {
		t.Errorf("the admin: %v", got)
	}
	if got := (Principal{}).Statements(); got != nil {
		t.Errorf("nobody: %v", got)
	}
}
