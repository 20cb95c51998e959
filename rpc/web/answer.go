package web

import (
	"net/http"

	"google.golang.org/grpc/status"
)

// Answer answers with a value as JSON, which no cache keeps. It, Refuse and Failed
// are for handlers that are mounted beside the HTTP API and speak as it does.
func Answer(w http.ResponseWriter, v any) { answerJSON(w, http.StatusOK, v) }

// Refuse answers with a problem: a status, the name of a code, such as
// INVALID_ARGUMENT, and a sentence for people.
func Refuse(w http.ResponseWriter, status int, code, sentence string) {
	refuse(w, status, code, "%s", sentence)
}

// Failed answers for a call that ended with a status other than OK.
func Failed(w http.ResponseWriter, end *status.Status) { failed(w, end, nil) }

// Credential returns what the header of a request proves its caller by; empty for
// nothing.
func Credential(r *http.Request) string { return credential(r) }
