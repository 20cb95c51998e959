package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// maxInput bounds one value read from a file or from standard input, in bytes.
// It is far above what a server takes, and far below what hurts this process.
const maxInput = 64 << 20

// input is where the values of a command come from.
type input struct {
	file  string
	lines bool
}

// addFlags is for commands that take any number of values.
func (in *input) addFlags(cmd *cobra.Command) {
	in.addFile(cmd)
	cmd.Flags().BoolVar(&in.lines, "lines", false, "take every line as a value of its own")
}

// addFile is for commands that take one.
func (in *input) addFile(cmd *cobra.Command) {
	cmd.Flags().StringVar(&in.file, "file", "", "take the value from the file at `path`, byte for byte")
}

// each calls do with every value: the arguments, or else the file, or else
// standard input. Lines are handed on as they arrive.
func (in *input) each(s *session, args []string, do func(value []byte) error) error {
	fromStdin := len(args) == 0 || len(args) == 1 && args[0] == "-"
	switch {
	case !fromStdin && (in.file != "" || in.lines):
		return usagef(s.cmd, "the value is given twice; use either an argument or --file and --lines")
	case !fromStdin:
		for _, arg := range args {
			if err := do([]byte(arg)); err != nil {
				return err
			}
		}
		return nil
	case in.file == "":
		if isTerminal(s.program.Stdin) {
			s.program.remark("Type the value and end it with Ctrl-D on a line of its own.")
		}
		return in.read(s.program.Stdin, true, do)
	default:
		f, err := os.Open(in.file)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		return in.read(f, false, do)
	}
}

// read takes r whole or line by line. From a whole standard input one line
// break at the end is left out: echo and the Enter key add it, nobody means it.
func (in *input) read(r io.Reader, trim bool, do func([]byte) error) error {
	if in.lines {
		return eachLine(r, do)
	}
	raw, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err != nil {
		return err
	}
	if len(raw) > maxInput {
		return fmt.Errorf("the value has more than %d bytes", maxInput)
	}
	if trim {
		raw = bytes.TrimSuffix(bytes.TrimSuffix(raw, []byte("\n")), []byte("\r"))
	}
	return do(raw)
}

func eachLine(r io.Reader, do func([]byte) error) error {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxInput)
	for scanner.Scan() {
		if err := do(bytes.Clone(scanner.Bytes())); err != nil {
			return err
		}
	}
	if errors.Is(scanner.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("a line has more than %d bytes", maxInput)
	}
	return scanner.Err()
}

// confirm asks a person before something that cannot be undone. Scripts are not
// asked.
func (s *session) confirm(yes bool, question string) error {
	if yes || !isTerminal(s.program.Stdin) {
		return nil
	}
	return s.program.ask(question)
}

// ask waits until a person has typed yes.
func (p *Program) ask(question string) error {
	if _, err := fmt.Fprintf(p.Stderr, "%s Type yes to go on: ", question); err != nil {
		return err
	}
	answer, err := bufio.NewReader(p.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if word := string(bytes.ToLower(bytes.TrimSpace([]byte(answer)))); word != "yes" && word != "y" {
		return errors.New("not confirmed, nothing was done")
	}
	return nil
}
