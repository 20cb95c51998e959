package web

import (
	"encoding/base64"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
)

// getItem serves GET of /cache/{cache}: one scalar, named in the query.
func (s *Server) getItem(w http.ResponseWriter, r *http.Request) {
	key, md, ok := keyedCaller(w, r)
	if !ok {
		return
	}
	answer := new(cachepb.GetResponse)
	if !s.do(w, r, cachepb.Scs_Get_FullMethodName, md, &plainCall{just(&cachepb.GetRequest{CacheKey: key}), answer}) {
		return
	}
	if answer.GetResult() != cachepb.ECacheResult_Hit {
		refuse(w, http.StatusNotFound, "NOT_FOUND", "Key Not Found")
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(answer.GetCacheBody())))
	_, _ = w.Write(answer.GetCacheBody()) // the client may have gone
}

// putItem makes the body the value of a key.
func (s *Server) putItem(w http.ResponseWriter, r *http.Request) {
	key, md, ok := keyedCaller(w, r)
	if !ok {
		return
	}
	ttl, err := ttlOf(r.URL.Query())
	if err != nil {
		badRequest(w, "%v", err)
		return
	}
	x := newExchange(w, r)
	if s.do(w, r, cachepb.Scs_Set_FullMethodName, md, &plainCall{func(max int) (proto.Message, error) {
		value, err := x.body(max)
		return &cachepb.SetRequest{CacheKey: key, CacheBody: value, TtlMilliseconds: ttl}, err
	}, new(cachepb.SetResponse)}) {
		w.WriteHeader(http.StatusNoContent)
	}
}

// deleteItem removes what the key has, of whatever type.
func (s *Server) deleteItem(w http.ResponseWriter, r *http.Request) {
	key, md, ok := keyedCaller(w, r)
	if !ok {
		return
	}
	if s.do(w, r, cachepb.Scs_Delete_FullMethodName, md, &plainCall{just(&cachepb.DeleteRequest{CacheKey: key}), new(cachepb.DeleteResponse)}) {
		w.WriteHeader(http.StatusNoContent)
	}
}

// keyedCaller returns the key that a request is about and the metadata of its call. It
// answers for what is wrong with them; ok is false then.
func keyedCaller(w http.ResponseWriter, r *http.Request) (key []byte, md metadata.MD, ok bool) {
	key, err := keyOf(r.URL.Query())
	if err != nil {
		badRequest(w, "%v", err)
		return nil, nil, false
	}
	md, ok = cacheCaller(w, r)
	return key, md, ok
}

// cacheCaller is caller for a call that is about the cache in the path.
func cacheCaller(w http.ResponseWriter, r *http.Request) (md metadata.MD, ok bool) {
	if md, ok = caller(w, r); ok {
		md.Set("cache", r.PathValue("cache"))
	}
	return md, ok
}

// just is the request that needs nothing of the body.
func just(message proto.Message) func(int) (proto.Message, error) {
	return func(int) (proto.Message, error) { return message, nil }
}

// keyOf returns the key that a query names.
func keyOf(query url.Values) ([]byte, error) {
	text, encoded := query.Get("key"), query.Get("key_base64")
	switch {
	case text != "" && encoded != "":
		return nil, errors.New("the query holds both key and key_base64, send one of them")
	case text != "":
		return []byte(text), nil
	case encoded == "":
		return nil, errors.New("the query holds no key; send key=TEXT or key_base64=BASE64URL")
	}
	return bytesOf(query, "key_base64")
}

// bytesOf reads bytes of a query, in base64url with or without padding.
func bytesOf(query url.Values, name string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(query.Get(name), "="))
	if err != nil {
		return nil, errors.New(name + " is not base64url")
	}
	return raw, nil
}

// ttlOf returns the life that a query gives an item, in milliseconds.
func ttlOf(query url.Values) (uint64, error) {
	seconds, err := strconv.ParseUint(query.Get("ttl_seconds"), 10, 64)
	if err != nil || seconds == 0 || seconds > math.MaxUint64/1000 {
		return 0, errors.New("the query needs ttl_seconds, a whole number above zero")
	}
	return seconds * 1000, nil
}
