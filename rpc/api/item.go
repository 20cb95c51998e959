package api

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/mayfly-broker/mayfly/fanout"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// Field numbers of pubsubpb's messages, which are written by hand here: an item
// is encoded with its topic locked, and in one allocation.
const (
	responseItem          = 1
	responseDiscontinuity = 2
	responseHeartbeat     = 3

	itemSequence  = 1
	itemValue     = 2
	itemPublisher = 3
	itemPage      = 4

	valueText   = 1
	valueBinary = 2

	discontinuityLast = 1
	discontinuityNew  = 2
	discontinuityPage = 3
)

// EncodeItem returns the message that every subscriber's stream sends for an
// item: a SubscribeResponse, encoded once and shared by all. It is what
// route.EncodeItem asks for. The message's value is copied.
func EncodeItem(at fanout.Position, m route.Message) []byte {
	kind := protowire.Number(valueBinary)
	if m.Text {
		kind = valueText
	}
	value := protowire.SizeTag(kind) + protowire.SizeBytes(len(m.Value))
	item := sizeUint(itemSequence, at.Sequence) + sizeUint(itemPage, at.Page) +
		protowire.SizeTag(itemValue) + protowire.SizeBytes(value)
	if m.PublisherID != "" {
		item += protowire.SizeTag(itemPublisher) + protowire.SizeBytes(len(m.PublisherID))
	}

	b := make([]byte, 0, protowire.SizeTag(responseItem)+protowire.SizeBytes(item))
	b = appendLength(b, responseItem, item)
	b = appendUint(b, itemSequence, at.Sequence)
	// The value is always there, and so is its kind: one SDK reads them unasked.
	b = appendLength(b, itemValue, value)
	b = appendLength(b, kind, len(m.Value))
	b = append(b, m.Value...)
	if m.PublisherID != "" {
		b = appendLength(b, itemPublisher, len(m.PublisherID))
		b = append(b, m.PublisherID...)
	}
	return appendUint(b, itemPage, at.Page)
}

// DecodeItem returns the message of an item that EncodeItem made, in memory of the
// caller's own.
func DecodeItem(encoded []byte) (route.Message, error) {
	response := new(pubsubpb.SubscribeResponse)
	if err := proto.Unmarshal(encoded, response); err != nil {
		return route.Message{}, fmt.Errorf("api: an item's bytes are none: %w", err)
	}
	item := response.GetItem()
	m := route.Message{PublisherID: item.GetPublisherId()}
	switch v := item.GetValue().GetKind().(type) {
	case *pubsubpb.TopicValue_Text:
		m.Text, m.Value = true, []byte(v.Text)
	case *pubsubpb.TopicValue_Binary:
		m.Value = v.Binary
	default:
		return route.Message{}, errors.New("api: an item's bytes hold no message")
	}
	return m, nil
}

// encodeDiscontinuity returns the message that announces d.
func encodeDiscontinuity(d fanout.Discontinuity) []byte {
	size := sizeUint(discontinuityLast, d.Last) + sizeUint(discontinuityNew, d.New) + sizeUint(discontinuityPage, d.Page)
	b := make([]byte, 0, protowire.SizeTag(responseDiscontinuity)+protowire.SizeBytes(size))
	b = appendLength(b, responseDiscontinuity, size)
	b = appendUint(b, discontinuityLast, d.Last)
	b = appendUint(b, discontinuityNew, d.New)
	return appendUint(b, discontinuityPage, d.Page)
}

// encodedHeartbeat is the message that is a heartbeat.
var encodedHeartbeat = appendLength(nil, responseHeartbeat, 0)

// sizeUint and appendUint leave zero out, as proto3 does.
func sizeUint(field protowire.Number, v uint64) int {
	if v == 0 {
		return 0
	}
	return protowire.SizeTag(field) + protowire.SizeVarint(v)
}

func appendUint(b []byte, field protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

func appendLength(b []byte, field protowire.Number, length int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.BytesType), uint64(length))
}
