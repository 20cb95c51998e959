package web

import (
	"net/http"
	"strings"

	"google.golang.org/grpc/status"

	"github.com/mayfly-broker/mayfly/rpc/auth"
)

// Answer answers with a value as JSON, which no cache keeps. It, Refuse, Failed
// and Sentence are for handlers that are mounted beside the HTTP API and speak as it does.
func Answer(w http.ResponseWriter, v any) { answerJSON(w, http.StatusOK, v) }

// Refuse answers with a problem: a status, the name of a code, such as
// INVALID_ARGUMENT, and a sentence for people.
func Refuse(w http.ResponseWriter, status int, code, sentence string) {
	refuse(w, status, code, "%s", sentence)
}

// Failed answers for a call that ended with a status other than OK.
func Failed(w http.ResponseWriter, end *status.Status) { failed(w, end, nil) }

// Sentence takes the kind of a refusal, which its code says too, from its text.
func Sentence(text string) string {
	for _, kind := range []error{auth.ErrUnauthenticated, auth.ErrPermissionDenied, auth.ErrInvalidArgument} {
		text = strings.TrimPrefix(text, kind.Error()+": ")
	}
	return text
}

// Credential returns what the header of a request proves its caller by; empty for
// nothing.
func Credential(r *http.Request) string { return credential(r) }
