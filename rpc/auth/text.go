package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// MaxTextSize is the longest text, in bytes, that is looked at at all: a
// header list may hold 16 KiB, and parsing comes before the signature.
const MaxTextSize = 8 << 10

// MaxMintedSize is the longest text, in bytes, that a Minter makes. Wrapping
// adds a third and the endpoint, and the result still is below MaxTextSize.
const MaxMintedSize = 5 << 10

// maxEndpointSize is the longest host name with a port, in bytes.
const maxEndpointSize = 253 + len(":65535")

// checkText refuses what can be no credential before anything is parsed.
func checkText(text string) error {
	if len(text) > MaxTextSize {
		return malformed("%d bytes, the longest is %d", len(text), MaxTextSize)
	}
	for i := range len(text) {
		if c := text[i]; c < 0x20 || c == 0x7f {
			return malformed("control character at byte %d", i)
		}
	}
	return nil
}

// isWrapped tells the two forms apart: the alphabet of the wrapped form has no
// dot, and a JWT has two.
func isWrapped(text string) bool { return text != "" && !strings.Contains(text, ".") }

// bare returns the text without the older wrapping, if it has one.
func bare(text string) (string, error) {
	if !isWrapped(text) {
		return text, nil
	}
	_, key, err := Unwrap(text)
	return key, err
}

// Wrap returns the older form of a credential, which tells the SDK where to
// connect: padded standard base64 of JSON with string members only. It fails
// with ErrInvalidArgument when the endpoint or the key is empty or could not be
// unwrapped again.
func Wrap(endpoint, key string) (string, error) {
	if endpoint == "" || len(endpoint) > maxEndpointSize {
		return "", invalid("the endpoint has %d bytes, it needs 1 to %d", len(endpoint), maxEndpointSize)
	}
	if key == "" {
		return "", invalid("there is no key to wrap")
	}
	raw, err := json.Marshal(struct {
		Endpoint string `json:"endpoint"`
		APIKey   string `json:"api_key"`
	}{endpoint, key})
	if err != nil {
		return "", invalid("wrapping: %v", err)
	}
	text := base64.StdEncoding.EncodeToString(raw)
	if _, _, err := Unwrap(text); err != nil {
		return "", invalid("neither endpoint nor key may hold control characters, nor both together more than %d bytes", MaxTextSize*3/4)
	}
	return text, nil
}

// Unwrap returns the endpoint and the key inside the older form. It is as
// strict as the SDKs: canonical padded base64, every member a string. It fails
// with ErrMalformed.
func Unwrap(text string) (endpoint, key string, err error) {
	if err := checkText(text); err != nil {
		return "", "", err
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return "", "", malformed("neither a JWT nor padded standard base64")
	}
	members, err := stringObject(raw)
	if err != nil {
		return "", "", malformed("wrapped key: %v", err)
	}
	endpoint, key = members["endpoint"], members["api_key"]
	switch {
	case endpoint == "":
		return "", "", malformed("wrapped key without endpoint")
	case key == "":
		return "", "", malformed("wrapped key without api_key")
	case checkText(endpoint) != nil || checkText(key) != nil:
		return "", "", malformed("wrapped key with control characters")
	}
	return endpoint, key, nil
}

// LooksOurs reports whether a text says that it comes from a Mayfly cluster, by
// its issuer, its audience or the form of its key id, however broken or forged it
// is otherwise. Open mode holds such a text to its word. Nothing secret hangs on
// it: who hides the marks gets what sending no text at all would give.
func LooksOurs(text string) bool {
	if len(text) > MaxTextSize {
		return false
	}
	if isWrapped(text) {
		text = wrappedKey(text)
	}
	header, rest, _ := strings.Cut(text, ".")
	payload, _, _ := strings.Cut(rest, ".")
	return namesUs(header) || namesUs(payload)
}

// wrappedKey finds the key inside the older form, even when the text was cut
// short. What is no such form is returned as it is.
func wrappedKey(text string) string {
	if _, key, err := Unwrap(text); err == nil {
		return key
	}
	_, key, found := bytes.Cut(decodeSome(base64.RawStdEncoding, text), []byte(`"api_key"`))
	if !found {
		return text
	}
	key, _, _ = bytes.Cut(bytes.TrimLeft(key, `: "`), []byte(`"`))
	return string(key)
}

// namesUs looks for our marks in one part of a JWT, without asking for sound
// JSON: the part may be cut short.
func namesUs(part string) bool {
	raw := decodeSome(base64.RawURLEncoding, part)
	return bytes.Contains(raw, []byte(`"`+issuerPrefix)) ||
		bytes.Contains(raw, []byte(`"`+signingIDPrefix)) ||
		bytes.Contains(raw, []byte(`"`+audience+`"`))
}

// decodeSome decodes as far as the text makes sense.
func decodeSome(encoding *base64.Encoding, text string) []byte {
	raw := make([]byte, encoding.DecodedLen(len(text)))
	// The error says where it stopped making sense; what is before is all
	// that is wanted.
	n, _ := encoding.Decode(raw, []byte(text))
	return raw[:n]
}
