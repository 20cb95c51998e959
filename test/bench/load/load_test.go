package load

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
)

func TestHistogramAgainstSorting(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var h histogram
	var all []time.Duration
	for range 10_000 {
		d := time.Duration(random.ExpFloat64() * float64(time.Millisecond))
		h.add(d)
		all = append(all, d)
	}
	slices.Sort(all)
	for _, q := range []float64{0.001, 0.5, 0.9, 0.99, 0.999, 1} {
		exact := all[max(0, int(q*float64(len(all)))-1)]
		got := h.quantile(q)
		if got < exact || got > exact+exact/16+1 {
			t.Errorf("quantile %v: got %v, sorted %v", q, got, exact)
		}
	}
}

func TestHistogramBucketsHoldTheirBounds(t *testing.T) {
	for bucket := range buckets {
		top := upperBound(bucket)
		if got := bucketOf(top); got != bucket {
			t.Fatalf("upper bound %d of bucket %d is in bucket %d", top, bucket, got)
		}
		if top+1 != 0 && bucketOf(top+1) != bucket+1 {
			t.Fatalf("%d is in bucket %d, want the one after %d", top+1, bucketOf(top+1), bucket)
		}
	}
}

func TestStampSurvives(t *testing.T) {
	for _, number := range []uint64{0, 1, 0xfedcba9876543210} {
		b := payload(number, 100)
		if len(b) != 100 {
			t.Fatalf("got %d bytes, want 100", len(b))
		}
		s, err := readStamp(b)
		if err != nil || s.number != number || s.at <= 0 || s.at > time.Since(epoch) {
			t.Errorf("number %d: got %+v, %v", number, s, err)
		}
	}
	for _, bad := range []string{"", "0123456789abcdef", "0123456789abcdeF0123456789abcdef"} {
		if _, err := readStamp([]byte(bad)); err == nil {
			t.Errorf("%q: got no error", bad)
		}
	}
}

// The short cut must read what the generated code writes.
func TestDeliveryReadsGeneratedMessages(t *testing.T) {
	text := payload(7, 64)
	item7 := func(v *pubsubpb.TopicValue) *pubsubpb.SubscribeResponse {
		return &pubsubpb.SubscribeResponse{Kind: &pubsubpb.SubscribeResponse_Item{Item: &pubsubpb.TopicItem{
			TopicSequenceNumber: 300, Value: v, PublisherId: "someone", SequencePage: 9,
		}}}
	}
	for _, test := range []struct {
		name    string
		message *pubsubpb.SubscribeResponse
		want    delivery
	}{
		{"text", item7(&pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Text{Text: string(text)}}), delivery{kind: item, sequence: 300}},
		{"binary", item7(&pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Binary{Binary: text}}), delivery{kind: item, sequence: 300}},
		{"heartbeat", &pubsubpb.SubscribeResponse{Kind: &pubsubpb.SubscribeResponse_Heartbeat{Heartbeat: &pubsubpb.Heartbeat{}}}, delivery{kind: heartbeat}},
		{"discontinuity", &pubsubpb.SubscribeResponse{Kind: &pubsubpb.SubscribeResponse_Discontinuity{
			Discontinuity: &pubsubpb.Discontinuity{NewTopicSequence: 4},
		}}, delivery{kind: discontinuity}},
	} {
		t.Run(test.name, func(t *testing.T) {
			raw, err := proto.Marshal(test.message)
			if err != nil {
				t.Fatal(err)
			}
			if test.want.kind == item {
				test.want.stamp, _ = readStamp(text)
			}
			var got delivery
			if err := got.read(raw); err != nil || got != test.want {
				t.Errorf("got %+v, %v; want %+v", got, err, test.want)
			}
			for n := range raw {
				_ = got.read(raw[:n]) // must not panic
			}
		})
	}
}

func TestReaderCountsExactly(t *testing.T) {
	for _, test := range []struct {
		name    string
		numbers []uint64
		done    bool
		fails   bool
	}{
		{"in order", []uint64{warmup, 1, 2, 3}, true, false},
		{"in another order", []uint64{3, warmup, 1, 2}, true, false},
		{"one missing", []uint64{1, 3}, false, false},
		{"one twice in place of another", []uint64{1, 1, 3}, false, true},
		{"one too many", []uint64{1, 2, 3, 3}, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var done bool
			var err error
			r := &reader{want: 3, done: func() { done = true }}
			for _, n := range test.numbers {
				if e := r.take(stamp{number: n}); e != nil {
					err = e
				}
			}
			if done != test.done || (err != nil) != test.fails {
				t.Errorf("done %v, error %v; want done %v, failing %v", done, err, test.done, test.fails)
			}
		})
	}
}

func TestPaceSendsEachItemOnce(t *testing.T) {
	const items, rate = 250, 5000.0
	next := 1
	begin := time.Now()
	err := keepPace(t.Context(), rate, items, func(first, n int) error {
		if first != next || n < 1 {
			t.Errorf("sent %d items from %d, want to go on at %d", n, first, next)
		}
		if earliest := begin.Add(time.Duration(float64(first+n-2) / rate * float64(time.Second))); time.Now().Before(earliest) {
			t.Errorf("item %d went out early", first+n-1)
		}
		next = first + n
		return nil
	})
	if err != nil || next != items+1 {
		t.Errorf("got %v after %d items, want %d", err, next-1, items)
	}
}

func TestTaskNeedsOneJob(t *testing.T) {
	for _, task := range []Task{{}, {Unary: &Unary{}, Fill: &Fill{}}} {
		if _, err := task.job(); err == nil {
			t.Errorf("%+v: got no error", task)
		}
	}
	if err := Serve(bytes.NewReader([]byte("{}\n")), new(bytes.Buffer)); err == nil {
		t.Error("an empty task was served")
	}
}
