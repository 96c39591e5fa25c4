// Command freshet turns streams of payment and user-activity events into
// windowed features: `freshet demo` shows it, `freshet run` does it.
//
// Each verb has its own file. What a source's type, a model's runtime or an
// online store's URL stands for is chosen in the tables of choose.go.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	os.Exit(execute(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// execute runs one command line and returns the exit code.
func execute(args []string, in io.Reader, out, errs io.Writer) (code int) {
	// A closed stdout must come back as an error of Write, not as a signal.
	signal.Ignore(syscall.SIGPIPE)
	asks := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		asks = append(asks, syscall.SIGHUP) // the terminal has gone
	}
	ctx, stop := signal.NotifyContext(context.Background(), asks...)
	defer stop()
	// The first signal asks; after it the next one ends the process at once.
	context.AfterFunc(ctx, stop)
	defer func() {
		if fault := recover(); fault != nil {
			fmt.Fprintf(errs, "freshet: internal fault: %v\n\n%s\nThis is a bug of freshet. Please report it with the text above, which holds no record.\n",
				fault, debug.Stack())
			code = exitInternal
		}
	}()
	a := &app{in: in, out: out, errs: errs}
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	cmd, err := root.ExecuteContextC(ctx)
	return a.report(cmd, err)
}
