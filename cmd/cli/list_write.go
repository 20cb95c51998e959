package cli

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mayfly-broker/mayfly/cmd/config"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
)

// listLength is the answer of commands after which a list has a length.
type listLength struct {
	List   string `json:"list"`
	Found  bool   `json:"found"`
	Length uint32 `json:"length"`
}

func (s *session) listLength(list string, found bool, length uint32) error {
	return s.out.answer(listLength{list, found, length}, func(w *strings.Builder) {
		if !found {
			fmt.Fprintf(w, "there is no list %s\n", printable(list))
			return
		}
		fmt.Fprintf(w, "%s in %s\n", count(length, "value"), printable(list))
	})
}

const pushHelp = `Push values to a list, the first one first, and print the new length.

Several values are pushed in one step and keep their order, at either end. A
value is an argument, or with "-" or none the standard input, or a file. From
standard input one line break at the end is left out; a file is taken byte for
byte.

--ttl is the life of a list that this push creates; one that exists keeps its
own, unless --refresh-ttl is given.`

const pushExample = `  mayfly list push chat room-1 "hello there" --truncate-to 100
  mayfly list push chat room-1 --front one two three
  mayfly list push chat room-1 --lines < messages.txt`

func (p *Program) listPush() *cobra.Command {
	cmd := &cobra.Command{Use: "push CACHE LIST [VALUE...]", Short: "Push values to a list", Long: pushHelp, Example: pushExample}
	var in input
	var at end
	var ttl life
	at.addFlags(cmd, "push to")
	var truncate uint32
	cmd.Flags().Var(config.Integer(&truncate, 0, math.MaxUint32), "truncate-to", "then drop values from the other end until so many are left; 0 drops none")
	ttl.addFlags(cmd)
	in.addFlags(cmd)
	return p.client(asUser, cmd, func(ctx context.Context, s *session, args []string) error {
		var values [][]byte
		if err := in.each(s, args[2:], func(raw []byte) error {
			values = append(values, raw)
			return nil
		}); err != nil {
			return err
		}
		length, err := push(inCache(ctx, args[0]), cachepb.NewScsClient(s.conn), args[1], values, at, truncate, ttl)
		if err != nil {
			return err
		}
		return s.listLength(args[1], length > 0, length)
	})
}

// push sends all values in one request.
func push(ctx context.Context, client cachepb.ScsClient, list string, values [][]byte, at end, truncate uint32, ttl life) (uint32, error) {
	if at.front {
		answer, err := client.ListConcatenateFront(ctx, &cachepb.ListConcatenateFrontRequest{
			ListName: []byte(list), Values: values, TtlMilliseconds: ttl.milliseconds(), RefreshTtl: ttl.refresh, TruncateBackToSize: truncate,
		})
		return answer.GetListLength(), err
	}
	answer, err := client.ListConcatenateBack(ctx, &cachepb.ListConcatenateBackRequest{
		ListName: []byte(list), Values: values, TtlMilliseconds: ttl.milliseconds(), RefreshTtl: ttl.refresh, TruncateFrontToSize: truncate,
	})
	return answer.GetListLength(), err
}

func (p *Program) listRemove() *cobra.Command {
	cmd := &cobra.Command{
		Use: "remove CACHE LIST [VALUE]", Short: "Remove every value that equals the given one",
		Long: "Remove every value that equals the given one, which is taken from standard input\nor a file like that of push, and print the new length.",
	}
	var in input
	in.addFile(cmd)
	return p.client(asUser, cmd, func(ctx context.Context, s *session, args []string) error {
		var answer *cachepb.ListRemoveResponse
		err := in.each(s, args[2:], func(raw []byte) (err error) {
			answer, err = cachepb.NewScsClient(s.conn).ListRemove(inCache(ctx, args[0]), &cachepb.ListRemoveRequest{
				ListName: []byte(args[1]),
				Remove:   &cachepb.ListRemoveRequest_AllElementsWithValue{AllElementsWithValue: raw},
			})
			return err
		})
		if err != nil {
			return err
		}
		return s.listLength(args[1], answer.GetFound() != nil, answer.GetFound().GetListLength())
	})
}

func (p *Program) listRetain() *cobra.Command {
	cmd := &cobra.Command{
		Use: "retain CACHE LIST", Short: "Keep one part of a list and drop the rest",
		Long:    "Keep the values from --start to before --end and drop the rest. Negative indices\ncount from the end. An empty part removes the list.",
		Example: "  mayfly list retain chat room-1 --start -100",
	}
	var part slice
	var ttl life
	part.addFlags(cmd)
	ttl.addFlags(cmd)
	return p.client(asUser, cmd, func(ctx context.Context, s *session, args []string) error {
		if !part.hasStart() && !part.hasEnd() {
			return usagef(s.cmd, "say which part to keep with --start, --end or both")
		}
		answer, err := cachepb.NewScsClient(s.conn).ListRetain(inCache(ctx, args[0]), part.retain(args[1], &ttl))
		if err != nil {
			return err
		}
		return s.listLength(args[1], answer.GetFound() != nil, answer.GetFound().GetListLength())
	})
}
