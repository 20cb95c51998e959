package cli

import (
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/mayfly-broker/mayfly/cmd/config"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
)

func (p *Program) listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "Push to lists, fetch and trim them",
		Long: "Push to lists, fetch and trim them. A list comes into being with its first value\nand is gone with its last one, or when its time to live has passed.",
	}
	cmd.AddCommand(p.listPush(), p.listPop(), p.listFetch(), p.listLengthCommand(), p.listRemove(), p.listRetain())
	return cmd
}

// end is which end of a list a command works at.
type end struct {
	front, back bool
}

func (e *end) addFlags(cmd *cobra.Command, what string) {
	cmd.Flags().BoolVar(&e.front, "front", false, what+" the front of the list")
	cmd.Flags().BoolVar(&e.back, "back", false, what+" the back of the list (default)")
	exclude(cmd, "front", "back")
}

// defaultTTL is how long a new list lives unless the user says otherwise.
const defaultTTL = 24 * time.Hour

// life is the time to live of a command that writes.
type life struct {
	ttl     time.Duration
	refresh bool
}

func (l *life) addFlags(cmd *cobra.Command) {
	l.ttl = defaultTTL
	cmd.Flags().Var(config.Duration(&l.ttl), "ttl", "time to live of a new list")
	cmd.Flags().BoolVar(&l.refresh, "refresh-ttl", false, "begin the time to live anew on a list that exists")
}

// milliseconds of the time to live; what is shorter than one counts as one.
func (l *life) milliseconds() uint64 {
	return uint64(max(l.ttl.Milliseconds(), 1))
}

// slice is the part of a list from start to before end. Either is open when the
// user leaves it out.
type slice struct {
	cmd        *cobra.Command
	start, end int32
}

func (s *slice) addFlags(cmd *cobra.Command) {
	s.cmd = cmd
	cmd.Flags().Var(config.Integer(&s.start, math.MinInt32, math.MaxInt32), "start", "index of the first value; a negative one counts from the end")
	cmd.Flags().Var(config.Integer(&s.end, math.MinInt32, math.MaxInt32), "end", "index of the value after the last; a negative one counts from the end")
	cmd.Flag("start").DefValue, cmd.Flag("end").DefValue = "", ""
}

func (s *slice) hasStart() bool { return s.cmd.Flags().Changed("start") }
func (s *slice) hasEnd() bool   { return s.cmd.Flags().Changed("end") }

// fetch is the request for this slice.
func (s *slice) fetch(list string) *cachepb.ListFetchRequest {
	request := &cachepb.ListFetchRequest{
		ListName:   []byte(list),
		StartIndex: &cachepb.ListFetchRequest_UnboundedStart{UnboundedStart: &cachepb.Unbounded{}},
		EndIndex:   &cachepb.ListFetchRequest_UnboundedEnd{UnboundedEnd: &cachepb.Unbounded{}},
	}
	if s.hasStart() {
		request.StartIndex = &cachepb.ListFetchRequest_InclusiveStart{InclusiveStart: s.start}
	}
	if s.hasEnd() {
		request.EndIndex = &cachepb.ListFetchRequest_ExclusiveEnd{ExclusiveEnd: s.end}
	}
	return request
}

// retain is the request that keeps this slice.
func (s *slice) retain(list string, l *life) *cachepb.ListRetainRequest {
	request := &cachepb.ListRetainRequest{
		ListName:        []byte(list),
		StartIndex:      &cachepb.ListRetainRequest_UnboundedStart{UnboundedStart: &cachepb.Unbounded{}},
		EndIndex:        &cachepb.ListRetainRequest_UnboundedEnd{UnboundedEnd: &cachepb.Unbounded{}},
		TtlMilliseconds: l.milliseconds(),
		RefreshTtl:      l.refresh,
	}
	if s.hasStart() {
		request.StartIndex = &cachepb.ListRetainRequest_InclusiveStart{InclusiveStart: s.start}
	}
	if s.hasEnd() {
		request.EndIndex = &cachepb.ListRetainRequest_ExclusiveEnd{ExclusiveEnd: s.end}
	}
	return request
}

// firstIndex is the index of the first value of a fetched slice, counted from
// the front or, if negative, from the end. It is unknown where start counts from
// the end and end from the front: the list may be shorter than either says.
func (s *slice) firstIndex(fetched int) (index int, known bool) {
	switch {
	case s.start >= 0:
		return int(s.start), true
	case !s.hasEnd():
		return -fetched, true
	case s.end < 0:
		return int(s.end) - fetched, true
	default:
		return 0, false
	}
}
