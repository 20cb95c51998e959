package auth

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
)

// Inspection is what a text says about itself. Nothing of it was verified, and
// nothing of it is secret: neither the signature nor an opaque key is in it.
type Inspection struct {
	// Form says in words what sort of text it is.
	Form string
	// Wrapped: it was in the older wrapped form.
	Wrapped bool
	// Endpoint is the host the wrapping names, empty without one.
	Endpoint string
	// Ours: it says that it was made by a Mayfly cluster.
	Ours bool
	// Kind is what it says to be, zero when it is not ours.
	Kind Kind
	// ID is the credential's own id; of an API key, the id to revoke.
	ID string
	// TokenID is the publisher id of its items, of tokens only: a key's is in
	// the cluster's records.
	TokenID string
	// Parent is the id of the API key that minted a token, or "admin" or
	// "open".
	Parent string
	// IssuedAt and ExpiresAt are zero when the text does not say; no ExpiresAt
	// means no end.
	IssuedAt, ExpiresAt time.Time
	// Header and Claims are the two parts of a JWT as they are; numbers are
	// json.Number. Nil when the text is not a JWT.
	Header, Claims map[string]any
	// Permissions are those a token carries; nil for others.
	Permissions *permissionpb.Permissions
	// Notes say what is odd, one sentence each.
	Notes []string
}

// Inspect reads a text for people, without verifying it. It understands the
// credentials of this package and those of the hosted service. It fails with
// ErrMalformed when the text is neither.
func Inspect(text string) (Inspection, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return Inspection{}, malformed("the text is empty")
	}
	if err := checkText(text); err != nil {
		return Inspection{}, err
	}
	in := Inspection{Form: "JWT"}
	if isWrapped(text) {
		endpoint, key, err := Unwrap(text)
		if err != nil {
			return Inspection{}, err
		}
		in.Wrapped, in.Endpoint, text = true, endpoint, key
	}
	header, claims, ok := unverified(text)
	if !ok {
		if !in.Wrapped {
			return Inspection{}, malformed("neither a JWT nor padded standard base64")
		}
		in.Form = "wrapped opaque key"
		in.note("the key inside says nothing about itself")
		return in, nil
	}
	in.Header, in.Claims, in.Ours = header, claims, LooksOurs(text)
	in.IssuedAt, in.ExpiresAt = claimTime(claims, "iat"), claimTime(claims, "exp")
	in.ID = claimText(claims, "jti")
	if in.Ours {
		in.describeOurs()
	} else {
		in.describeForeign()
	}
	if in.Wrapped {
		in.Form = "wrapped " + in.Form
	}
	return in, nil
}

// describeOurs reads the claims that only this package writes.
func (in *Inspection) describeOurs() {
	if isApplicationID(claimText(in.Header, "kid")) {
		in.describeApplication()
		return
	}
	in.Form = "Mayfly credential of no known use"
	switch claimText(in.Claims, "use") {
	case useAdmin:
		in.Kind, in.Form = KindAdmin, "Mayfly admin credential"
	case useKey:
		in.Kind, in.Form = KindAPIKey, "Mayfly API key"
		in.note("what the key may do is in the cluster's records under its id, and not in the text")
	case useToken:
		in.Kind, in.Form = KindToken, "Mayfly disposable token"
		in.describeToken()
	}
	if alg := claimText(in.Header, "alg"); alg != AlgorithmHS256 {
		in.note("it names another algorithm than " + AlgorithmHS256 + " and will be refused")
	}
}

// describeApplication is describeOurs for a token that an application has signed.
func (in *Inspection) describeApplication() {
	in.Kind, in.Form = KindToken, "disposable token of an application"
	in.TokenID, in.Parent = claimText(in.Claims, "sub"), claimText(in.Header, "kid")
	raw, err := json.Marshal(in.Claims["scope"])
	if err == nil {
		in.Permissions, err = scopeClaim(raw)
	}
	if err != nil {
		in.note("its permissions cannot be read: " + err.Error())
	}
}

func (in *Inspection) describeToken() {
	in.TokenID, in.Parent = claimText(in.Claims, "tid"), claimText(in.Claims, "par")
	permissions, err := decodeExplicit(claimText(in.Claims, "prm"))
	if err != nil {
		in.note("its permissions cannot be read")
		return
	}
	in.Permissions = permissions
	if _, err := Compile(permissions); err != nil {
		in.note("its permissions would be refused: " + err.Error())
	}
}

// describeForeign names the forms of the hosted service (protocol.md 6.1).
func (in *Inspection) describeForeign() {
	switch {
	case claimText(in.Claims, "t") == markV2:
		in.Form = "v2 API key of another issuer"
	case claimText(in.Claims, "cp") != "" || claimText(in.Claims, "c") != "":
		in.Form = "legacy key of another issuer"
		in.note("it names its endpoints itself, in claims cp and c")
	default:
		in.Form = "JWT of another issuer"
	}
	in.note("it was not made by Mayfly: a secured cluster refuses it")
}

func (in *Inspection) note(sentence string) { in.Notes = append(in.Notes, sentence) }

// unverified returns both parts of a JWT; the signature may be anything.
func unverified(text string) (header, claims map[string]any, ok bool) {
	rawHeader, rest, _ := strings.Cut(text, ".")
	rawClaims, _, dotted := strings.Cut(rest, ".")
	if !dotted {
		return nil, nil, false
	}
	if header, ok = lenientObject(rawHeader); !ok {
		return nil, nil, false
	}
	claims, ok = lenientObject(rawClaims)
	return header, claims, ok
}

func lenientObject(part string) (map[string]any, bool) {
	raw, err := partEncoding.DecodeString(strings.TrimRight(part, "="))
	if err != nil {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var members map[string]any
	err = d.Decode(&members)
	return members, err == nil && members != nil
}

func claimText(members map[string]any, name string) string {
	text, _ := members[name].(string)
	return text
}

func claimTime(members map[string]any, name string) time.Time {
	number, _ := members[name].(json.Number)
	var d numericDate
	if d.UnmarshalJSON([]byte(number)) != nil {
		return time.Time{}
	}
	return d.time()
}
