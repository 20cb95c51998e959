package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
)

func (p *Program) listLengthCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "length CACHE LIST", Short: "Print how many values a list has; 0 when there is none"}
	return p.client(asUser, cmd, func(ctx context.Context, s *session, args []string) error {
		answer, err := cachepb.NewScsClient(s.conn).ListLength(inCache(ctx, args[0]), &cachepb.ListLengthRequest{ListName: []byte(args[1])})
		if err != nil {
			return err
		}
		length := answer.GetFound().GetLength()
		return s.out.answer(listLength{args[1], answer.GetFound() != nil, length}, func(w *strings.Builder) { fmt.Fprintln(w, length) })
	})
}

const fetchHelp = `Print the values of a list from --start to before --end, all of them by default.
Negative indices count from the end.

Values that a terminal cannot show are quoted. --raw prints the bytes as they
are; -o json has text as "text" and anything else as "base64".`

const fetchExample = `  mayfly list fetch chat room-1
  mayfly list fetch chat room-1 --start -10
  mayfly list fetch chat room-1 -o json | jq -r '.values[].text'`

// fetched is the answer of fetch.
type fetched struct {
	List   string  `json:"list"`
	Found  bool    `json:"found"`
	Values []value `json:"values"`
}

func (p *Program) listFetch() *cobra.Command {
	cmd := &cobra.Command{Use: "fetch CACHE LIST", Short: "Print the values of a list", Long: fetchHelp, Example: fetchExample}
	var part slice
	part.addFlags(cmd)
	raw := cmd.Flags().Bool("raw", false, "print the bytes of each value and a line break, nothing else")
	return p.client(asUser, cmd, func(ctx context.Context, s *session, args []string) error {
		if *raw && s.out.json {
			return usagef(s.cmd, "--raw and -o json exclude each other")
		}
		answer, err := cachepb.NewScsClient(s.conn).ListFetch(inCache(ctx, args[0]), part.fetch(args[1]))
		if err != nil {
			return err
		}
		values := answer.GetFound().GetValues()
		if !s.out.json && answer.GetFound() == nil {
			s.program.remark("mayfly: there is nothing in list %s", printable(args[1]))
			return nil
		}
		return s.out.answer(fetched{args[1], answer.GetFound() != nil, asValues(values)}, func(w *strings.Builder) {
			if *raw {
				for _, v := range values {
					w.Write(append(v, '\n'))
				}
				return
			}
			table(w, []string{"INDEX", "VALUE"}, indexed(values, part))
		})
	})
}

// indexed puts an index before every value.
func indexed(values [][]byte, part slice) [][]string {
	rows := make([][]string, len(values))
	first, known := part.firstIndex(len(values))
	for i, v := range values {
		index := "-"
		if known {
			index = strconv.Itoa(first + i)
		}
		rows[i] = []string{index, printable(v)}
	}
	return rows
}

// popped is the answer of pop; the value is absent when nothing was found.
type popped struct {
	List   string `json:"list"`
	Found  bool   `json:"found"`
	Length uint32 `json:"length"`
	value
}

func (p *Program) listPop() *cobra.Command {
	cmd := &cobra.Command{
		Use: "pop CACHE LIST", Short: "Take one value out of a list and print it",
		Long: "Take one value out of a list and print it. Without a list it prints nothing; it\nis no failure.",
	}
	var at end
	at.addFlags(cmd, "pop from")
	raw := cmd.Flags().Bool("raw", false, "print the bytes of the value and nothing else")
	return p.client(asUser, cmd, func(ctx context.Context, s *session, args []string) error {
		if *raw && s.out.json {
			return usagef(s.cmd, "--raw and -o json exclude each other")
		}
		found, taken, length, err := pop(inCache(ctx, args[0]), cachepb.NewScsClient(s.conn), args[1], at)
		if err != nil {
			return err
		}
		document := popped{List: args[1], Found: found, Length: length}
		if found {
			document.value = asValue(taken)
		} else if !s.out.json {
			s.program.remark("mayfly: there is no list %s", printable(args[1]))
			return nil
		}
		return s.out.answer(document, func(w *strings.Builder) {
			if *raw {
				w.Write(taken)
				return
			}
			fmt.Fprintln(w, printable(taken))
		})
	})
}

func pop(ctx context.Context, client cachepb.ScsClient, list string, at end) (found bool, taken []byte, length uint32, err error) {
	if at.front {
		answer, err := client.ListPopFront(ctx, &cachepb.ListPopFrontRequest{ListName: []byte(list)})
		f := answer.GetFound()
		return f != nil, f.GetFront(), f.GetListLength(), err
	}
	answer, err := client.ListPopBack(ctx, &cachepb.ListPopBackRequest{ListName: []byte(list)})
	f := answer.GetFound()
	return f != nil, f.GetBack(), f.GetListLength(), err
}
