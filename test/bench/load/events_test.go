package load

import "testing"

func TestReadEvent(t *testing.T) {
	stamped := string(payload(7, 40))
	d, ok, err := readEvent([]byte(`data: {"topic_sequence_number":12,"sequence_page":1795243,"value":{"text":"` + stamped + "\"}}\n"))
	if err != nil || !ok || d.kind != item || d.sequence != 12 || d.stamp.number != 7 {
		t.Errorf("%+v %v %v", d, ok, err)
	}
	for line, want := range map[string]kind{": heartbeat\n": heartbeat, "event: discontinuity\n": discontinuity} {
		if d, ok, err := readEvent([]byte(line)); err != nil || !ok || d.kind != want {
			t.Errorf("%q: %+v %v %v", line, d, ok, err)
		}
	}
	for _, line := range []string{"\n", "id: 7-4\n", "retry: 1000\n", `data: {"last_topic_sequence":3}` + "\n"} {
		if _, ok, err := readEvent([]byte(line)); err != nil || ok {
			t.Errorf("%q: %v %v", line, ok, err)
		}
	}
	for _, line := range []string{`data: {"topic_sequence_number":x,"value":{"text":"` + stamped, `data: {"topic_sequence_number":1,"value":{"binary":"`, `data: {"topic_sequence_number":1,"value":{"text":"short"}}`} {
		if _, _, err := readEvent([]byte(line)); err == nil {
			t.Errorf("%q is an item", line)
		}
	}
}
