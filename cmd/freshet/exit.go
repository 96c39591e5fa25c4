package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sources/kafkaclient"
)

// The exit codes of every verb.
const (
	exitDone        = 0
	exitFailed      = 1 // failed, or tests or checks found something
	exitUsage       = 2
	exitForbidden   = 4 // a server refused our credentials, or our right
	exitUnreachable = 5 // a server did not answer
	exitInternal    = 70
	exitInterrupted = 130
)

// problem is an error that knows its exit code and what to type next.
type problem struct {
	code int
	err  error
	next string // "" where there is nothing sensible to say
	done bool   // already told on stderr: only the code is left
}

func (p *problem) Error() string { return p.err.Error() }
func (p *problem) Unwrap() error { return p.err }

// usage is an error of the command line.
func usage(format string, args ...any) error {
	return &problem{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// failed is an error with a next step.
func failed(err error, next string) error {
	return &problem{code: exitFailed, err: err, next: next}
}

// unreachable is an error of a server that does not answer.
func unreachable(err error, next string) error {
	return &problem{code: exitUnreachable, err: err, next: next}
}

// found is the end of a check that has already said what it found.
func found(what string) error {
	return &problem{code: exitFailed, err: errors.New(what), done: true}
}

// args makes a wrong number of arguments an error of usage.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if err := check(cmd, given); err != nil {
			return &problem{code: exitUsage, err: err, next: cmd.CommandPath() + " --help"}
		}
		return nil
	}
}

// report tells an error on stderr and returns the exit code.
func (a *app) report(cmd *cobra.Command, err error) int {
	if err == nil || errors.Is(err, syscall.EPIPE) {
		return exitDone // a reader that has seen enough is no failure
	}
	p := problemOf(err)
	if p.done {
		return p.code
	}
	if a.wantsJSON(cmd) {
		line, _ := json.Marshal(struct {
			Error string `json:"error"`
			Next  string `json:"next,omitempty"`
			Code  int    `json:"code"`
		}{p.Error(), p.next, p.code})
		fmt.Fprintf(a.errs, "%s\n", line)
		return p.code
	}
	if p.code == exitInterrupted {
		return p.code
	}
	ink := a.ink(a.errs)
	fmt.Fprintf(a.errs, "%s %s\n", ink.bad("error:"), indentRest(p.Error()))
	if p.next != "" {
		fmt.Fprintf(a.errs, "%s  %s\n", ink.dim("next:"), p.next)
	}
	return p.code
}

// problemOf gives an error that does not know its exit code one.
func problemOf(err error) *problem {
	p := &problem{code: exitFailed, err: err}
	if errors.As(err, &p) {
		return p
	}
	var network *net.OpError // not net.Error: the system's own errors are that too, a full disk among them
	var name *net.DNSError
	switch {
	case forbidden(err):
		p.code, p.next = exitForbidden, "freshet config view --origin   shows where users, passwords and certificates come from"
	case errors.Is(err, context.Canceled):
		p.code = exitInterrupted
	case errors.As(err, &network), errors.As(err, &name), errors.Is(err, kafkaclient.ErrUnreachable),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		p.code = exitUnreachable
	case strings.HasPrefix(err.Error(), "unknown command"):
		p.code, p.next = exitUsage, "freshet --help"
	}
	return p
}

// forbidden reports whether Kafka or the online store refused who we are, or
// what we asked for.
func forbidden(err error) bool {
	var fatal *sinks.Fatal
	return kafkaclient.Unauthorised(err) || errors.As(err, &fatal) && fatal.Unauthorised
}

// indentRest sets the lines behind the first under it.
func indentRest(text string) string {
	return strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n       ")
}

func (a *app) wantsJSON(cmd *cobra.Command) bool {
	if cmd == nil {
		return false
	}
	flag := cmd.Flags().Lookup("output")
	return flag != nil && flag.Annotations["formats"] != nil && (flag.Value.String() == "json" || flag.Value.String() == "ndjson")
}
