package web

import (
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"unicode/utf8"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
)

// The ends of a list, in the words of a query.
const (
	front = "front"
	back  = "back"
)

// listCaller returns the name of the list that a request is about, which may be any
// bytes, and the metadata of its call.
func listCaller(w http.ResponseWriter, r *http.Request) (name []byte, md metadata.MD, ok bool) {
	md, ok = cacheCaller(w, r)
	return []byte(r.PathValue("name")), md, ok
}

// getList answers with the entries of a slice. There is no difference between a list
// that is empty and none.
func (s *Server) getList(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	message, err := fetchOf(query)
	if err != nil {
		badRequest(w, "%v", err)
		return
	}
	name, md, ok := listCaller(w, r)
	if !ok {
		return
	}
	message.ListName = name
	answer := new(cachepb.ListFetchResponse)
	if !s.do(w, r, cachepb.Scs_ListFetch_FullMethodName, md, &plainCall{just(message), answer}) {
		return
	}
	values := []value{}
	for _, entry := range answer.GetFound().GetValues() {
		values = append(values, valueOf(entry, query.Get("as") == "binary"))
	}
	answerJSON(w, http.StatusOK, struct {
		Values []value `json:"values"`
	}{values})
}

// fetchOf returns the slice that a query asks for, of no list yet.
func fetchOf(query url.Values) (*cachepb.ListFetchRequest, error) {
	start, end, err := sliceOf(query)
	if err != nil {
		return nil, err
	}
	if as := query.Get("as"); as != "" && as != "binary" {
		return nil, errors.New("as can only be binary, which makes all values so")
	}
	message := &cachepb.ListFetchRequest{
		StartIndex: &cachepb.ListFetchRequest_UnboundedStart{UnboundedStart: &cachepb.Unbounded{}},
		EndIndex:   &cachepb.ListFetchRequest_UnboundedEnd{UnboundedEnd: &cachepb.Unbounded{}},
	}
	if start != nil {
		message.StartIndex = &cachepb.ListFetchRequest_InclusiveStart{InclusiveStart: *start}
	}
	if end != nil {
		message.EndIndex = &cachepb.ListFetchRequest_ExclusiveEnd{ExclusiveEnd: *end}
	}
	return message, nil
}

// sliceOf returns the bounds of a query, nil for one that is not there.
func sliceOf(query url.Values) (start, end *int32, err error) {
	for name, bound := range map[string]**int32{"start": &start, "end": &end} {
		if !query.Has(name) {
			continue
		}
		n, err := strconv.ParseInt(query.Get(name), 10, 32)
		if err != nil {
			return nil, nil, errors.New(name + " is not a whole number, or far too large; below zero it counts from the list's end")
		}
		narrow := int32(n)
		*bound = &narrow
	}
	return start, end, nil
}

// valueOf is an entry as JSON. A list does not remember what was text.
func valueOf(entry []byte, binary bool) value {
	if !binary && utf8.Valid(entry) {
		text := string(entry)
		return value{Text: &text}
	}
	entry = append([]byte{}, entry...) // nil would become null
	return value{Binary: &entry}
}

// length is how many entries a list has.
type length struct {
	Length uint32 `json:"length"`
}

// getLength answers with the length of a list.
func (s *Server) getLength(w http.ResponseWriter, r *http.Request) {
	name, md, ok := listCaller(w, r)
	if !ok {
		return
	}
	answer := new(cachepb.ListLengthResponse)
	if s.do(w, r, cachepb.Scs_ListLength_FullMethodName, md, &plainCall{just(&cachepb.ListLengthRequest{ListName: name}), answer}) {
		answerJSON(w, http.StatusOK, length{answer.GetFound().GetLength()})
	}
}

// addition is what the query of a push says.
type addition struct {
	front    bool
	ttl      uint64 // milliseconds
	refresh  bool
	truncate uint32 // 0 for not at all
}

func additionOf(query url.Values) (a addition, err error) {
	if a.ttl, err = ttlOf(query); err != nil {
		return a, err
	}
	switch at := query.Get("at"); at {
	case "", back:
	case front:
		a.front = true
	default:
		return a, errors.New("at is neither front nor back")
	}
	switch refresh := query.Get("refresh_ttl"); refresh {
	case "", "true":
		a.refresh = true
	case "false":
	default:
		return a, errors.New("refresh_ttl is neither true nor false")
	}
	if text := query.Get("truncate_to_size"); text != "" {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil || n == 0 {
			return a, errors.New("truncate_to_size is not a whole number above zero")
		}
		a.truncate = uint32(n)
	}
	return a, nil
}

// push adds the body as one entry, and answers with the length that the list has
// then.
func (s *Server) push(w http.ResponseWriter, r *http.Request) {
	a, err := additionOf(r.URL.Query())
	if err != nil {
		badRequest(w, "%v", err)
		return
	}
	name, md, ok := listCaller(w, r)
	if !ok {
		return
	}
	x := newExchange(w, r)
	method, answer := cachepb.Scs_ListPushBack_FullMethodName, proto.Message(new(cachepb.ListPushBackResponse))
	if a.front {
		method, answer = cachepb.Scs_ListPushFront_FullMethodName, new(cachepb.ListPushFrontResponse)
	}
	if !s.do(w, r, method, md, &plainCall{func(max int) (proto.Message, error) {
		body, err := x.body(max)
		if err != nil {
			return nil, err
		}
		if !isBinary(r) && !utf8.Valid(body) {
			return nil, errNoText
		}
		if a.front {
			return &cachepb.ListPushFrontRequest{
				ListName: name, Value: body, TtlMilliseconds: a.ttl, RefreshTtl: a.refresh, TruncateBackToSize: a.truncate,
			}, nil
		}
		return &cachepb.ListPushBackRequest{
			ListName: name, Value: body, TtlMilliseconds: a.ttl, RefreshTtl: a.refresh, TruncateFrontToSize: a.truncate,
		}, nil
	}, answer}) {
		return
	}
	answerJSON(w, http.StatusOK, length{answer.(interface{ GetListLength() uint32 }).GetListLength()})
}

// pop removes the entry at an end and answers with it. It is a POST, because doing it
// twice is not the same as doing it once.
func (s *Server) pop(w http.ResponseWriter, r *http.Request) {
	at := r.URL.Query().Get("at")
	if at != front && at != back {
		badRequest(w, "The query needs at=front or at=back.")
		return
	}
	name, md, ok := listCaller(w, r)
	if !ok {
		return
	}
	var (
		found bool
		entry []byte
		left  length
	)
	if at == front {
		answer := new(cachepb.ListPopFrontResponse)
		if !s.do(w, r, cachepb.Scs_ListPopFront_FullMethodName, md, &plainCall{just(&cachepb.ListPopFrontRequest{ListName: name}), answer}) {
			return
		}
		popped := answer.GetFound()
		found, entry, left.Length = popped != nil, popped.GetFront(), popped.GetListLength()
	} else {
		answer := new(cachepb.ListPopBackResponse)
		if !s.do(w, r, cachepb.Scs_ListPopBack_FullMethodName, md, &plainCall{just(&cachepb.ListPopBackRequest{ListName: name}), answer}) {
			return
		}
		popped := answer.GetFound()
		found, entry, left.Length = popped != nil, popped.GetBack(), popped.GetListLength()
	}
	if !found {
		refuse(w, http.StatusNotFound, "NOT_FOUND", "Key Not Found")
		return
	}
	answerJSON(w, http.StatusOK, struct {
		Value value `json:"value"`
		length
	}{valueOf(entry, false), left})
}

// deleteList removes entries: those of a slice, those of a value, or all.
func (s *Server) deleteList(w http.ResponseWriter, r *http.Request) {
	method, message, err := removalOf([]byte(r.PathValue("name")), r.URL.Query())
	if err != nil {
		badRequest(w, "%v", err)
		return
	}
	_, md, ok := listCaller(w, r)
	if !ok {
		return
	}
	answer := proto.Message(new(cachepb.ListEraseResponse))
	if method == cachepb.Scs_ListRemove_FullMethodName {
		answer = new(cachepb.ListRemoveResponse)
	}
	if s.do(w, r, method, md, &plainCall{just(message), answer}) {
		w.WriteHeader(http.StatusNoContent)
	}
}

// removalOf returns the call that removes what a query names. What it does not know
// in a query it refuses: misspelt, it would mean the whole list.
func removalOf(name []byte, query url.Values) (method string, message proto.Message, err error) {
	for key := range query {
		switch key {
		case "start", "end", "value", "value_base64", "token":
		default:
			return "", nil, errors.New("the query may hold start and end, or value, or value_base64, and nothing else")
		}
	}
	ranged := query.Has("start") || query.Has("end")
	valued := query.Has("value") || query.Has("value_base64")
	switch {
	case ranged && valued, query.Has("value") && query.Has("value_base64"):
		return "", nil, errors.New("the query names what to remove in two ways, send one of them")
	case valued:
		entry := []byte(query.Get("value"))
		if query.Has("value_base64") {
			if entry, err = bytesOf(query, "value_base64"); err != nil {
				return "", nil, err
			}
		}
		return cachepb.Scs_ListRemove_FullMethodName, &cachepb.ListRemoveRequest{
			ListName: name, Remove: &cachepb.ListRemoveRequest_AllElementsWithValue{AllElementsWithValue: entry},
		}, nil
	case !ranged:
		return cachepb.Scs_ListErase_FullMethodName, &cachepb.ListEraseRequest{
			ListName: name, Erase: &cachepb.ListEraseRequest_All{All: &cachepb.All{}},
		}, nil
	}
	piece, err := rangeOf(query)
	return cachepb.Scs_ListErase_FullMethodName, &cachepb.ListEraseRequest{
		ListName: name, Erase: &cachepb.ListEraseRequest_Some{Some: &cachepb.ListRanges{Ranges: []*cachepb.ListRange{piece}}},
	}, err
}

// rangeOf returns the slice of a query as a place and a count. It cannot count from
// the end of the list, whose length is not known here.
func rangeOf(query url.Values) (*cachepb.ListRange, error) {
	first, last, err := sliceOf(query)
	if err != nil {
		return nil, err
	}
	start, end := uint32(0), uint32(math.MaxUint32)
	switch {
	case first != nil && *first < 0 || last != nil && *last < 0:
		return nil, errors.New("start and end of what is removed count from the front, neither is below zero")
	case first != nil && last != nil && *first >= *last:
		return nil, errors.New("start is not below end, so nothing is named that could be removed")
	}
	if first != nil {
		start = uint32(*first)
	}
	if last != nil {
		end = uint32(*last)
	}
	return &cachepb.ListRange{BeginIndex: start, Count: end - start}, nil
}
