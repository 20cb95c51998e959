package console

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/web"
)

// maxInspect bounds the body of a question: a credential of the longest kind, and
// names.
const maxInspect = 64 << 10

// inspection is what is told of a credential.
type inspection struct {
	Form    string `json:"form"`
	Kind    string `json:"kind"` // admin, api_key, token, or foreign
	ID      string `json:"id"`
	TokenID string `json:"token_id"`
	// IssuedBy is the API key that a token was minted with, admin or open.
	IssuedBy  string `json:"issued_by"`
	IssuedAt  *int64 `json:"issued_at"`
	ExpiresAt *int64 `json:"expires_at"`
	Expired   bool   `json:"expired"`
	// Signature is good, bad or unknown; Refused says why the cluster takes the
	// credential from nobody, empty when it does.
	Signature string   `json:"signature"`
	Refused   string   `json:"refused,omitempty"`
	Scope     []grant  `json:"scope"`
	Lines     []string `json:"lines"`
	Notes     []string `json:"notes"`
	Verdict   *verdict `json:"verdict,omitempty"`
}

// grant is one thing that a credential allows.
type grant struct {
	Kind string `json:"kind"` // cache, topic or superuser
	Role string `json:"role"`
	// Cache is null for every cache. Of the other four one is there at most; none
	// stands for all.
	Cache       *string `json:"cache"`
	Topic       string  `json:"topic,omitempty"`
	TopicPrefix string  `json:"topic_prefix,omitempty"`
	Key         string  `json:"key,omitempty"`
	KeyPrefix   string  `json:"key_prefix,omitempty"`
}

// inspect says what a credential is and allows, and whether a call would be let
// through with it.
func (c *Console) inspect(w http.ResponseWriter, r *http.Request) {
	question, wrong := readInspect(w, r)
	if wrong != "" {
		web.Refuse(w, http.StatusBadRequest, "INVALID_ARGUMENT", wrong)
		return
	}
	found, err := auth.Inspect(question.Credential)
	if err != nil {
		web.Refuse(w, http.StatusBadRequest, "INVALID_ARGUMENT", "This is no key or token: "+strings.TrimPrefix(err.Error(), auth.ErrMalformed.Error()+": ")+".")
		return
	}
	call, wrong := question.Check.call()
	if wrong != "" {
		web.Refuse(w, http.StatusBadRequest, "INVALID_ARGUMENT", wrong)
		return
	}
	answer := c.describe(r.Context(), question.Credential, found)
	if call != nil {
		end := (*c.calls.Load()).Rehearse(r.Context(), question.Credential, call.method, call.cache, call.message)
		answer.Verdict = newVerdict(end)
	}
	web.Answer(w, answer)
}

// inspectQuestion is the body of a question.
type inspectQuestion struct {
	Credential string `json:"credential"`
	Check      *check `json:"check"`
}

// readInspect reads a question; wrong says to people what is wrong with it, empty
// for nothing.
func readInspect(w http.ResponseWriter, r *http.Request) (q inspectQuestion, wrong string) {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxInspect))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		return q, "The body is not the question as JSON: " + sentenceOf(err) + "."
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return q, "There is something behind the question."
	}
	q.Credential = strings.TrimSpace(q.Credential)
	return q, ""
}

// sentenceOf says what is wrong with JSON without quoting it, since a credential
// may be in it.
func sentenceOf(err error) string {
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return "the member " + kind.Field + " has another type than it should"
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return "it has more than 64 KiB"
	}
	if strings.HasPrefix(err.Error(), "json: unknown field") {
		return "it holds a member other than credential and check, or other than cache, topic, key and action in check"
	}
	return "it cannot be read"
}

// describe tells of a credential what its text says, and what the cluster says to
// it.
func (c *Console) describe(ctx context.Context, text string, found auth.Inspection) inspection {
	in := inspection{
		Form: found.Form, Kind: "foreign", ID: found.ID, TokenID: found.TokenID, IssuedBy: found.Parent, IssuedAt: millis(found.IssuedAt),
		Signature: "unknown", Scope: []grant{}, Lines: []string{}, Notes: append([]string{}, found.Notes...),
	}
	if kind, known := kinds[found.Kind]; known {
		in.Kind = kind
	}
	ends := found.ExpiresAt
	who, err := (*c.calls.Load()).Identify(ctx, text)
	switch {
	case err == nil && who.Kind != auth.KindAnonymous:
		in.Signature, in.TokenID, ends = "good", who.TokenID, who.ExpiresAt
		in.allow(who.Statements())
	case err == nil:
		in.Notes = append(in.Notes, "while no API key exists, a text of another issuer is as good as none: everything is allowed on this machine")
	default:
		in.Signature, in.Refused = signature(err), web.Sentence(err.Error())
		if granted, err := auth.Compile(found.Permissions); err == nil {
			in.allow(granted.Statements())
		}
	}
	in.ExpiresAt, in.Expired = millis(ends), !ends.IsZero() && !time.Now().Before(ends)
	return in
}

// signature says what is known of the signature of a credential that was refused.
func signature(err error) string {
	switch {
	case errors.Is(err, auth.ErrForged):
		return "bad"
	case errors.Is(err, auth.ErrExpired), errors.Is(err, auth.ErrRevoked), errors.Is(err, auth.ErrForeign):
		return "good"
	default:
		return "unknown"
	}
}

// allow adds what the credential allows.
func (in *inspection) allow(statements []auth.Statement) {
	for _, s := range statements {
		in.Lines = append(in.Lines, s.Text)
		in.Scope = append(in.Scope, newGrant(s))
	}
}

func newGrant(s auth.Statement) grant {
	g := grant{Kind: s.About, Role: s.Role}
	if s.Cache != "" {
		g.Cache = &s.Cache
	}
	name := &g.Key
	switch {
	case s.About == "everything":
		g.Kind = "superuser"
	case s.About == "topic" && s.Prefix:
		name = &g.TopicPrefix
	case s.About == "topic":
		name = &g.Topic
	case s.Prefix:
		name = &g.KeyPrefix
	}
	*name = s.Name
	return g
}
