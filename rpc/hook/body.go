package hook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha3"
	"encoding/hex"
	"encoding/json"
	"hash"
	"time"

	"github.com/mayfly-broker/mayfly/fanout"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// SignatureHeader carries Sign of the body.
const SignatureHeader = "momento-signature"

// Sign returns the signature of a body: the HMAC with SHA3-256, not SHA-256, under
// the bytes of the secret's text, in lower-case hex (protocol.md 9.2).
func Sign(secret string, body []byte) string {
	mac := hmac.New(func() hash.Hash { return sha3.New256() }, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// body is what is posted: protocol.md 9.2, and the page beyond it, without which a
// number does not name an item for good.
type body struct {
	Cache    string `json:"cache"`
	Topic    string `json:"topic"`
	EventAt  int64  `json:"event_timestamp"`   // ms since the epoch: the publish
	PostedAt int64  `json:"publish_timestamp"` // ms since the epoch: this attempt
	Sequence uint64 `json:"topic_sequence_number"`
	Page     uint64 `json:"topic_sequence_page"`
	TokenID  string `json:"token_id"` // "" when the publisher had none

	// One of the two is there: text as it is, anything else in base64.
	Text   *string `json:"text,omitempty"`
	Binary *[]byte `json:"binary,omitempty"`
}

// encode returns the body for an attempt at this moment.
func encode(topic fanout.Key, at fanout.Position, published, now time.Time, m route.Message) ([]byte, error) {
	b := body{
		Cache: topic.Cache, Topic: topic.Topic, EventAt: published.UnixMilli(), PostedAt: now.UnixMilli(),
		Sequence: at.Sequence, Page: at.Page, TokenID: m.PublisherID,
	}
	if m.Text {
		text := string(m.Value)
		b.Text = &text
	} else {
		value := append([]byte{}, m.Value...) // an empty one is "", not null
		b.Binary = &value
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(b); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
