package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
)

// What the fixed claims say.
const (
	issuerPrefix = "mayfly:"
	audience     = "mayfly"

	useAdmin = "admin"
	useKey   = "key"
	useToken = "token"

	// markV2 is the value of claim t by which SDKs know a v2 key
	// (protocol.md 6.1).
	markV2 = "g"

	parentAdmin = "admin"
	parentOpen  = "open"
)

// Limits of texts inside claims.
const (
	// MaxTokenIDLength is in characters (protocol.md 10.1).
	MaxTokenIDLength = 64
	maxIDLength      = 64
)

// claims are the payload of a credential; doc.go explains each. The names are
// short because every call carries them, and c and cp are avoided: SDKs take
// those for the endpoints of a retired kind of key.
type claims struct {
	Issuer      string       `json:"iss"`
	Audience    string       `json:"aud"`
	IssuedAt    numericDate  `json:"iat"`
	NotBefore   *numericDate `json:"nbf,omitempty"`
	ExpiresAt   *numericDate `json:"exp,omitempty"`
	ID          string       `json:"jti"`
	Use         string       `json:"use"`
	Mark        string       `json:"t,omitempty"`
	TokenID     string       `json:"tid,omitempty"`
	Permissions string       `json:"prm,omitempty"`
	Parent      string       `json:"par,omitempty"`
	Knows       numericDate  `json:"rev,omitempty"`

	// explicit is what a token of an application says in words of its own.
	explicit *permissionpb.Permissions
}

// parseClaims reads a payload whose signature holds. Claims it does not know
// are left alone: a later version may write them.
func parseClaims(raw []byte) (claims, error) {
	members, err := object(raw)
	if err != nil {
		return claims{}, err
	}
	var c claims
	err = readStrings(members, map[string]*string{
		"iss": &c.Issuer, "aud": &c.Audience, "jti": &c.ID, "use": &c.Use,
		"t": &c.Mark, "tid": &c.TokenID, "prm": &c.Permissions, "par": &c.Parent,
	})
	if err != nil {
		return claims{}, err
	}
	if err := c.readDates(members); err != nil {
		return claims{}, err
	}
	knows, err := dateClaim(members, "rev")
	if err != nil {
		return claims{}, err
	}
	if knows != nil {
		c.Knows = *knows
	}
	return c, c.check()
}

// readStrings reads the claims of those names, as far as they are there.
func readStrings(members map[string]json.RawMessage, fields map[string]*string) error {
	for name, field := range fields {
		value, there := members[name]
		if !there {
			continue
		}
		var ok bool
		if *field, ok = stringValue(value); !ok {
			return fmt.Errorf("claim %q is not a string", name)
		}
	}
	return nil
}

func (c *claims) readDates(members map[string]json.RawMessage) (err error) {
	if c.NotBefore, err = dateClaim(members, "nbf"); err != nil {
		return err
	}
	if c.ExpiresAt, err = dateClaim(members, "exp"); err != nil {
		return err
	}
	issued, err := dateClaim(members, "iat")
	if err != nil {
		return err
	}
	if issued == nil {
		return errors.New(`claim "iat" is missing`)
	}
	c.IssuedAt = *issued
	return nil
}

func dateClaim(members map[string]json.RawMessage, name string) (*numericDate, error) {
	value, there := members[name]
	if !there {
		return nil, nil
	}
	var d numericDate
	if err := d.UnmarshalJSON(value); err != nil {
		return nil, fmt.Errorf("claim %q: %w", name, err)
	}
	return &d, nil
}

// check holds the claims to the rules of their kind, apart from time.
func (c *claims) check() error {
	if c.ID == "" || len(c.ID) > maxIDLength {
		return fmt.Errorf(`claim "jti" has %d bytes, it needs 1 to %d`, len(c.ID), maxIDLength)
	}
	if (c.Use == useKey) != (c.Mark == markV2) {
		return errors.New(`claim "t" does not fit claim "use"`)
	}
	if c.ExpiresAt != nil && *c.ExpiresAt <= c.IssuedAt {
		return errors.New(`claim "exp" is not after "iat"`)
	}
	switch c.Use {
	case useAdmin, useKey:
		if c.Permissions != "" || c.Parent != "" || c.TokenID != "" || c.Knows != 0 {
			return fmt.Errorf("a credential of use %q carries claims of a token", c.Use)
		}
		return nil
	case useToken:
		return c.checkToken()
	default:
		return errors.New(`claim "use" is none of admin, key, token`)
	}
}

func (c *claims) checkToken() error {
	switch {
	case c.ExpiresAt == nil:
		return errors.New(`a token without "exp"`)
	case c.Permissions == "":
		return errors.New(`a token without "prm"`)
	case c.Parent == "" || len(c.Parent) > maxIDLength:
		return errors.New(`a token without a sound "par"`)
	}
	return checkLabel("token id", c.TokenID, MaxTokenIDLength)
}

// checkLabel bounds a text that people or publishers see.
func checkLabel(what, text string, limit int) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("the %s is not UTF-8", what)
	}
	if n := utf8.RuneCountInString(text); n > limit {
		return fmt.Errorf("the %s has %d characters, the most is %d", what, n, limit)
	}
	for _, r := range text {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return fmt.Errorf("the %s holds a control character", what)
		}
	}
	return nil
}

// header is the first part of a JWT as this package writes it.
type header struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
	Type      string `json:"typ"`
}

// parseHeader accepts the three members that a Minter writes and no other:
// jwk, jku or x5u would bring a key along, crit would ask for something unknown.
func parseHeader(raw []byte) (header, error) {
	members, err := stringObject(raw)
	if err != nil {
		return header{}, err
	}
	h := header{Algorithm: members["alg"], KeyID: members["kid"], Type: members["typ"]}
	switch {
	case len(members) != 3 || h.Type != "JWT":
		return header{}, errors.New("the header is not one that this cluster writes")
	case h.KeyID == "" || len(h.KeyID) > maxIDLength:
		return header{}, errors.New("the header names no sound key id")
	}
	return h, nil
}

// partEncoding is that of all three parts of a JWT (RFC 7515 2). Strict: one
// credential has one text.
var partEncoding = base64.RawURLEncoding.Strict()

// encodePart writes header or claims as a part of a JWT.
func encodePart(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return partEncoding.EncodeToString(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// numericDate is a JWT time (RFC 7519 2) in milliseconds since 1970. On the
// wire it is in seconds, with decimals where it is not a whole second: a token
// for one second lives for one second, not for what is left of it.
type numericDate int64

// maxSeconds is the end of year 9999, the last one RFC 3339 can write.
const maxSeconds = 253402300799

// date is the time as a claim.
func date(t time.Time) numericDate { return numericDate(millis(t)) }

// MarshalJSON writes seconds.
func (d numericDate) MarshalJSON() ([]byte, error) {
	if d%1000 == 0 {
		return strconv.AppendInt(nil, int64(d/1000), 10), nil
	}
	return fmt.Appendf(nil, "%d.%03d", d/1000, d%1000), nil
}

// UnmarshalJSON reads seconds; what is finer than a millisecond is cut off.
// Negative numbers and exponents are refused: no credential needs them.
func (d *numericDate) UnmarshalJSON(raw []byte) error {
	whole, fraction, _ := strings.Cut(string(raw), ".")
	seconds, err := strconv.ParseUint(whole, 10, 64)
	if err != nil || seconds > maxSeconds {
		return errors.New("not a time in seconds")
	}
	thousandths, err := strconv.ParseUint((fraction + "000")[:3], 10, 64)
	if err != nil || strings.Trim(fraction, "0123456789") != "" {
		return errors.New("not a time in seconds")
	}
	*d = numericDate(seconds*1000 + thousandths)
	return nil
}

// time is the claim as a time.
func (d numericDate) time() time.Time { return time.UnixMilli(int64(d)) }
