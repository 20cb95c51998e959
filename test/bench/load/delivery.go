package load

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// delivery is what a client has to know of a SubscribeResponse.
type delivery struct {
	kind     kind
	sequence uint64
	stamp    stamp
}

// kind is the number of the member of the oneof that is set.
type kind protowire.Number

const (
	item          kind = 1
	discontinuity kind = 2
	heartbeat     kind = 3
)

var errDelivery = errors.New("a message on a subscription is malformed")

// read reads a SubscribeResponse. It keeps no part of b.
func (d *delivery) read(b []byte) error {
	*d = delivery{}
	number, body, _ := field(b)
	d.kind = kind(number)
	switch d.kind {
	case item:
		return d.readItem(body)
	case discontinuity, heartbeat:
		return nil
	default:
		return errDelivery
	}
}

// readItem reads a TopicItem: field 1 is the sequence number, field 2 the
// value, whose only field is the payload, text or binary.
func (d *delivery) readItem(b []byte) error {
	for len(b) > 0 {
		number, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errDelivery
		}
		switch number {
		case 1:
			sequence, m := protowire.ConsumeVarint(b[n:])
			if m < 0 {
				return errDelivery
			}
			d.sequence = sequence
		case 2:
			_, value, _ := field(b)
			_, text, ok := field(value)
			if !ok {
				return errDelivery
			}
			var err error
			if d.stamp, err = readStamp(text); err != nil {
				return err
			}
		}
		m := protowire.ConsumeFieldValue(number, typ, b[n:])
		if m < 0 {
			return errDelivery
		}
		b = b[n+m:]
	}
	return nil
}

// field reads the first field of a message, which must be of the kind that has
// a length.
func field(b []byte) (protowire.Number, []byte, bool) {
	number, typ, n := protowire.ConsumeTag(b)
	if n < 0 || typ != protowire.BytesType {
		return 0, nil, false
	}
	body, m := protowire.ConsumeBytes(b[n:])
	return number, body, m >= 0
}
