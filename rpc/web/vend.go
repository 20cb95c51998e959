package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/mayfly-broker/mayfly/rpc/api"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/vend"
)

// Vending vends tokens; vend.Machine does, and says with what errors.
type Vending interface {
	Vend(ctx context.Context, name string, ask vend.Ask, now time.Time) (vend.Token, error)
}

// secretHeader carries the secret that a caller's server shares with this node.
// Pages cannot send it: it is not among allowHeaders, and a secret in a page would
// be none.
const secretHeader = "Mayfly-Secret"

// maxVendBody is the most that the parameters of a request may take, in bytes.
const maxVendBody = 4 << 10

// relayHeaders are what proxies add to the requests of others.
var relayHeaders = []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"}

// vend serves /vend/{name}, in the words of the vending machines that pages know.
func (s *Server) vend(w http.ResponseWriter, r *http.Request) {
	if s.config.Vending == nil {
		vendingFailed(w, vend.ErrNoEndpoint)
		return
	}
	token, err := s.config.Vending.Vend(r.Context(), r.PathValue("name"), s.ask(w, r), time.Now())
	if err != nil {
		x := newExchange(w, r)
		x.discard()
		vendingFailed(w, err)
		return
	}
	proven(r.Context())
	answerJSON(w, http.StatusOK, struct {
		AuthToken string `json:"authToken"`
		ExpiresAt int64  `json:"expiresAt"` // epoch seconds
	}{token.Text, token.ExpiresAt.Unix()})
}

// ask is the request in words of package vend.
func (s *Server) ask(w http.ResponseWriter, r *http.Request) vend.Ask {
	ask := vend.Ask{From: s.from(r), Host: r.Host, Secret: r.Header.Get(secretHeader), IDToken: credential(r)}
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		ask.Host = host
	}
	for _, name := range relayHeaders {
		ask.Relayed = ask.Relayed || r.Header.Get(name) != ""
	}
	ask.Parameters = func() (url.Values, error) {
		values, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return nil, badParameters("the query is malformed")
		}
		if r.Method == http.MethodGet {
			return values, nil
		}
		return values, addBody(values, w, r)
	}
	return ask
}

func badParameters(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{auth.ErrInvalidArgument}, args...)...)
}

// addBody adds the parameters in the body: a form, or a JSON object of texts. One
// that is there twice, or in the query too, is there twice in values.
func addBody(values url.Values, w http.ResponseWriter, r *http.Request) error {
	x := newExchange(w, r)
	body, err := x.body(maxVendBody)
	switch {
	case errors.Is(err, api.ErrTooLarge):
		return err
	case err != nil:
		return badParameters("%v", err)
	case len(body) == 0:
		return nil
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "application/json":
		return addJSON(values, body)
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return badParameters("the form is malformed")
		}
		for name, all := range form {
			values[name] = append(values[name], all...)
		}
		return nil
	default:
		return badParameters("the body is neither application/json nor application/x-www-form-urlencoded")
	}
}

// addJSON reads an object whose members are texts, name by name: of two equal ones
// none may win.
func addJSON(values url.Values, body []byte) error {
	notTexts := badParameters(`the body is no JSON object of texts, such as {"room":"lobby"}`)
	d := json.NewDecoder(bytes.NewReader(body))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return notTexts
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return notTexts
		}
		value, err := d.Token()
		text, isText := value.(string)
		if err != nil || !isText {
			return notTexts
		}
		values.Add(name.(string), text) // within an object names are texts
	}
	if _, err := d.Token(); err != nil {
		return notTexts
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) { // something follows
		return notTexts
	}
	return nil
}

// vendingFailed answers for a token that was not vended.
func vendingFailed(w http.ResponseWriter, err error) {
	code := vendingCode(err)
	switch {
	case errors.Is(err, api.ErrTooLarge):
		refuse(w, http.StatusRequestEntityTooLarge, codeName(code), "The body is larger than %d bytes.", maxVendBody)
		return
	case code == codes.Internal:
		refuse(w, http.StatusInternalServerError, codeName(code), "The token could not be made.")
		return
	}
	if often, ok := errors.AsType[vend.TooOften](err); ok {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(often.After.Seconds()))))
	}
	refuse(w, statuses[code], codeName(code), "%s", Sentence(err.Error()))
}

// vendingCode is what went wrong in gRPC's words.
func vendingCode(err error) codes.Code {
	_, often := errors.AsType[vend.TooOften](err)
	switch {
	case often, errors.Is(err, api.ErrTooLarge):
		return codes.ResourceExhausted
	case errors.Is(err, vend.ErrNoEndpoint):
		return codes.NotFound
	case errors.Is(err, vend.ErrUnavailable):
		return codes.Unavailable
	case errors.Is(err, auth.ErrUnauthenticated):
		return codes.Unauthenticated
	case errors.Is(err, auth.ErrPermissionDenied):
		return codes.PermissionDenied
	case errors.Is(err, auth.ErrInvalidArgument):
		return codes.InvalidArgument
	default:
		return codes.Internal
	}
}
