package auth

import (
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// What is wrong with a JSON text that came from outside.
var (
	errNotObject  = errors.New("not a JSON object")
	errNotUTF8    = errors.New("not UTF-8")
	errTwice      = errors.New("a member is there twice")
	errNotStrings = errors.New("a member is not a string")
)

// object reads one JSON object and nothing else. It is stricter than
// encoding/json alone, which lets the last of two equal names win and matches
// names without case: two readers must never see two different credentials in
// one text. The values are left as they are.
func object(raw []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(raw) {
		return nil, errNotUTF8
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return nil, errNotObject
	}
	if countMembers(raw) != len(members) {
		return nil, errTwice
	}
	return members, nil
}

// countMembers returns how many members a sound JSON object has, equal names
// counted apart: every member has one colon outside of strings and of other
// values.
func countMembers(raw []byte) int {
	count, depth := 0, 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			for i++; raw[i] != '"'; i++ {
				if raw[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ':':
			if depth == 1 {
				count++
			}
		}
	}
	return count
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
