package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// What is wrong with a JSON text that came from outside.
var (
	errNotObject   = errors.New("not a JSON object")
	errNotUTF8     = errors.New("not UTF-8")
	errTwice       = errors.New("a member is there twice")
	errNotStrings  = errors.New("a member is not a string")
	errTrailing    = errors.New("something follows the JSON object")
	errTooManyKeys = fmt.Errorf("more than %d members", maxMembers)
)

// maxMembers is far above what any credential holds.
const maxMembers = 64

// object reads one JSON object and nothing else. It is stricter than
// encoding/json alone, which lets the last of two equal names win and matches
// names without case: two readers must never see two different credentials in
// one text. The values are left as they are.
func object(raw []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(raw) {
		return nil, errNotUTF8
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errNotObject
	}
	members := make(map[string]json.RawMessage)
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, errNotObject
		}
		text, ok := name.(string)
		if !ok {
			return nil, errNotObject
		}
		if _, twice := members[text]; twice {
			return nil, errTwice
		}
		if len(members) == maxMembers {
			return nil, errTooManyKeys
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, errNotObject
		}
		members[text] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, errNotObject
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errTrailing
	}
	return members, nil
}

// stringObject is object for an object whose members are all strings.
func stringObject(raw []byte) (map[string]string, error) {
	members, err := object(raw)
	if err != nil {
		return nil, err
	}
	texts := make(map[string]string, len(members))
	for name, value := range members {
		text, ok := stringValue(value)
		if !ok {
			return nil, errNotStrings
		}
		texts[name] = text
	}
	return texts, nil
}

// stringValue reads a JSON string; null is none.
func stringValue(raw json.RawMessage) (string, bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	var text string
	err := json.Unmarshal(raw, &text)
	return text, err == nil
}
