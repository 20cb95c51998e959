package route

import (
	"testing"
	"time"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// BenchmarkGet reads an item of a group that is led here.
func BenchmarkGet(b *testing.B) {
	r := benched(b)
	set := &storev1.Command{Cache: "chat", Key: []byte("k"), Op: &storev1.Command_Set{
		Set: &storev1.Set{Value: []byte("v"), TtlMs: uint64(time.Hour.Milliseconds())},
	}}
	if _, err := r.Apply(b.Context(), set); err != nil {
		b.Fatal(err)
	}
	query := &storev1.Query{Cache: "chat", Key: []byte("k"), Op: &storev1.Query_Get_{Get: &storev1.Query_Get{}}}
	for _, relaxed := range []bool{false, true} {
		b.Run(map[bool]string{false: "strict", true: "relaxed"}[relaxed], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.View(b.Context(), query, relaxed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSet writes an item of a group that is led here, over and over.
func BenchmarkSet(b *testing.B) {
	r := benched(b)
	value := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		set := &storev1.Command{Cache: "chat", Key: []byte("k"), Op: &storev1.Command_Set{
			Set: &storev1.Set{Value: value, TtlMs: uint64(time.Hour.Milliseconds())},
		}}
		if _, err := r.Apply(b.Context(), set); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPublish numbers an item in a topic of a group that is led here.
func BenchmarkPublish(b *testing.B) {
	r := benched(b)
	m := Message{Value: []byte("hello")}
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Publish(b.Context(), "chat", "room", m); err != nil {
			b.Fatal(err)
		}
	}
}

func benched(b *testing.B) *Router {
	// With budgets that are never used up, as a node has.
	r, _ := startWith(b, "", LocalConfig{Memory: 1 << 40})
	if err := r.Create(b.Context(), "chat", &storev1.CacheLimits{MaxMemory: new(uint64(1 << 40))}); err != nil {
		b.Fatal(err)
	}
	return r
}
