package store

import (
	"bytes"
	"encoding/binary"
	"testing"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

func requestOf(gateway byte, sequence, doneBelow uint64) *storev1.RequestId {
	return &storev1.RequestId{
		Gateway: bytes.Repeat([]byte{gateway}, GatewayIDBytes), Sequence: sequence, DoneBelow: doneBelow,
	}
}

// push sends a push of one entry with a request id.
func (r *rig) push(at uint64, id *storev1.RequestId) *Result {
	r.t.Helper()
	cmd := command(at, "k", &storev1.ListPush{End: back, Values: byteses("x"), Ttl: &storev1.CollectionTtl{TtlMs: MaxTTLMs}})
	cmd.Request = id
	result := r.m.Apply(cmd)
	verify(r.t, r.m)
	return result
}

const forgotten = storev1.Status_STATUS_REQUEST_FORGOTTEN

func TestRepeatedRequestReturnsItsFirstResult(t *testing.T) {
	r := newRig(t)
	// Out of order, as requests of one gateway may arrive.
	for i, sequence := range []uint64{1, 4, 2, 3} {
		if got := r.push(1, requestOf('g', sequence, 1)).GetLength().GetLength(); got != uint64(i+1) {
			t.Fatalf("push %d: length %d", i, got)
		}
	}
	r.m = restored(t, snapshotBytes(t, r.m))
	for i, sequence := range []uint64{1, 4, 2, 3} {
		if got := r.push(2, requestOf('g', sequence, 1)).GetLength().GetLength(); got != uint64(i+1) {
			t.Errorf("repeated push %d: length %d", i, got)
		}
	}
	if got := r.push(2, requestOf('h', 1, 1)).GetLength().GetLength(); got != 5 {
		t.Errorf("another gateway's request of the same sequence: length %d", got)
	}
}

func TestRefusalsAreRememberedToo(t *testing.T) {
	r := newRig(t)
	r.do(1, "k", setOf("v", 100))
	if got := r.push(1, requestOf('g', 1, 1)); got.GetStatus() != storev1.Status_STATUS_WRONG_TYPE {
		t.Fatalf("push onto a scalar: %v", got)
	}
	r.do(1, "k", &storev1.Delete{})
	if got := r.push(1, requestOf('g', 1, 1)); got.GetStatus() != storev1.Status_STATUS_WRONG_TYPE {
		t.Errorf("repeated: %v, want the first result", got)
	}
}

func TestMarkForgets(t *testing.T) {
	r := newRig(t)
	for sequence := uint64(1); sequence <= 3; sequence++ {
		r.push(1, requestOf('g', sequence, 1))
	}
	r.push(1, requestOf('g', 5, 3))
	for sequence, want := range map[uint64]Status{1: forgotten, 2: forgotten, 3: ok, 5: ok} {
		if got := r.push(1, requestOf('g', sequence, 1)); got.GetStatus() != want {
			t.Errorf("repeated %d: %v", sequence, got)
		}
	}
	if got := r.push(1, requestOf('g', 4, 1)).GetLength().GetLength(); got != 5 {
		t.Errorf("a late request above the mark: length %d, want 5", got)
	}
	if got := r.m.Stats(); got.Requests != 3 {
		t.Errorf("%+v", got)
	}
}

func TestSilentGatewayIsForgotten(t *testing.T) {
	r := newRig(t)
	r.push(0, requestOf('g', 1, 1))
	r.push(60_000, requestOf('h', 1, 1))
	r.do(RequestMemoryMs-1, "", &storev1.Tick{})
	if got := r.m.Stats().Gateways; got != 2 {
		t.Fatalf("%d gateways a millisecond early", got)
	}
	r.do(RequestMemoryMs, "", &storev1.Tick{})
	if got := r.m.Stats(); got.Gateways != 1 || got.Requests != 1 {
		t.Errorf("on time: %+v", got)
	}
	r.do(60_000+RequestMemoryMs, "", &storev1.Tick{})
	if got := r.m.Stats(); got.Gateways != 0 || got.RequestBytes != 0 {
		t.Errorf("at the end: %+v", got)
	}
}

func TestLargeAnswersAreForgottenOldestFirst(t *testing.T) {
	r := newRig(t)
	const size, pops = 5 << 20, 8
	for i := range pops {
		r.m.Apply(command(1, "k", &storev1.ListPush{
			End: back, Values: [][]byte{bytes.Repeat([]byte{byte(i)}, size)}, Ttl: &storev1.CollectionTtl{TtlMs: 100},
		}))
	}
	pop := func(sequence uint64) *Result {
		cmd := command(1, "k", &storev1.ListPop{End: front})
		cmd.Request = requestOf('g', sequence, 1)
		return r.m.Apply(cmd)
	}
	r.push(1, requestOf('a', 1, 1))
	for i := range pops {
		if got := pop(uint64(i + 1)).GetPopped(); len(got.GetValue()) != size {
			t.Fatalf("pop %d: %d bytes", i, len(got.GetValue()))
		}
		verify(t, r.m)
	}
	remembered := MaxRequestBytes / size
	for i := range pops {
		got := pop(uint64(i + 1))
		if i < pops-remembered {
			if got.GetStatus() != forgotten {
				t.Errorf("repeated pop %d: %v, want it forgotten", i, got.GetStatus())
			}
		} else if v := got.GetPopped().GetValue(); len(v) != size || v[0] != byte(i) {
			t.Errorf("repeated pop %d: %v, %d bytes", i, got.GetStatus(), len(v))
		}
	}
	if got := r.push(1, requestOf('a', 1, 1)); got.GetStatus() != ok {
		t.Errorf("the answer of a gateway that uses little went first: %v", got)
	}
	data := snapshotBytes(t, r.m)
	if again := snapshotBytes(t, restored(t, data)); !bytes.Equal(data, again) {
		t.Errorf("large answers did not survive a snapshot")
	}
}

func TestGatewaysAreBounded(t *testing.T) {
	r := newRig(t)
	id := func(n int) *storev1.RequestId {
		id := requestOf(0, 1, 1)
		binary.BigEndian.PutUint32(id.Gateway, uint32(n))
		return id
	}
	for n := range MaxGateways {
		cmd := command(uint64(n), "k", setOf("v", 1))
		cmd.Request = id(n)
		r.m.Apply(cmd)
	}
	r.push(MaxGateways, id(0)) // not the quietest any more
	r.push(MaxGateways, id(MaxGateways))
	if got := r.m.Stats().Gateways; got != MaxGateways {
		t.Errorf("%d gateways", got)
	}
	for n, want := range map[int]bool{0: true, 1: false, 2: true, MaxGateways: true} {
		if _, known := r.m.requests.search(id(n).GetGateway()); known != want {
			t.Errorf("gateway %d known: %v", n, known)
		}
	}
}
