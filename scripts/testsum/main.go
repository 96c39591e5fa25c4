// Command testsum runs `go test` and says what came of it: a line for each
// package, failures with all their output, skipped tests by name with their
// reason, what tests counted, and in the end one line with the sums:
//
//	412 passed, 0 failed, 3 skipped
//
// It takes the arguments of go test, and exits with 0 only if tests ran and
// none of them failed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
)

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
	}
	os.Exit(code)
}

func run(args []string) (code int, err error) {
	command := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	command.Stderr = os.Stderr
	stdout, err := command.StdoutPipe()
	if err != nil {
		return 2, err
	}
	if err := command.Start(); err != nil {
		return 2, err
	}
	s := newSummary(os.Stdout)
	lines := bufio.NewReaderSize(stdout, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break // the end of the output: Wait says whether it was a good one
		}
		var e event
		if json.Unmarshal(line, &e) != nil {
			fmt.Printf("%s", line) // what go itself says, outside of any test
			continue
		}
		s.add(e)
	}
	testErr := command.Wait()
	ok := s.finish()
	if testErr != nil || !ok {
		return 1, nil
	}
	return 0, nil
}
