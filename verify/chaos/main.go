// Command chaos kills, freezes, cuts, wipes and corrupts, and judges what is
// left. The built binary runs against a real Kafka, a kfake in a process of its
// own, and Redis servers of its own; after each quiet point every input must be
// exactly one committed record, dead letter or counted drop, every value must
// equal the oracle in the order of (batch, seq), and every row its read.
//
//	go run ./verify/chaos                      all rows, in their short form
//	go run ./verify/chaos -form long -row kills
//	go run ./verify/chaos -row kills -seed 7 -n 20     a finding again
//
// Each row prints one line of JSON with n, failures, seed and the upper bound
// 3/n of the rate of failure (95 %), and leaves it in bin/chaos.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	form  string
	rows  string
	seed  uint64
	n     int
	from  int
	out   string
	track string
	plant string
	list  bool
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "broker" { // the kfake of its own process
		if err := serveBroker(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.StringVar(&o.form, "form", "short", "short (what CI runs) or long")
	flag.StringVar(&o.rows, "row", os.Getenv("ROW"), "rows to run, comma separated (all)")
	flag.Uint64Var(&o.seed, "seed", 0, "seed of every row (0: a new one for each)")
	flag.IntVar(&o.n, "n", 0, "trials of each row (0: as the form says)")
	flag.IntVar(&o.from, "from", 0, "trials to pass over, of rows whose trials are not alike (0: those that are done)")
	flag.StringVar(&o.out, "out", "bin/chaos", "folder of results and of what failures leave behind")
	flag.StringVar(&o.track, "track", "", "file to append each result to, as a line of a table")
	flag.StringVar(&o.plant, "overlay", "", "overlay of go build: a planted bug, which a row has to find")
	flag.BoolVar(&o.list, "list", false, "list the rows")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := chaos(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

// chaos runs the rows one after the other and reports each when it is over.
func chaos(ctx context.Context, o options) error {
	chosen, err := choose(o.rows)
	if err != nil {
		return err
	}
	if o.list {
		for _, r := range chosen {
			fmt.Printf("%-12s short %6d  long %7d  %s\n", r.name, r.short, r.long, r.what)
		}
		return nil
	}
	s, err := openStage(ctx, o)
	if err != nil {
		return err
	}
	defer s.close()
	var failed []string
	for _, r := range chosen {
		whole, err := s.inPieces(ctx, r, o)
		if err != nil {
			return err
		}
		if !whole {
			failed = append(failed, r.name)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(failed, ", "))
	}
	return nil
}

// inPieces runs what is left of a row, each piece to its own result: what is
// done by then stays, whatever becomes of this process. It reports whether there
// was no failure.
func (s *stage) inPieces(ctx context.Context, r *row, o options) (whole bool, err error) {
	before := s.before(r, o)
	end := r.trials(o)
	if o.n > 0 {
		end += before
	}
	for before < end {
		n := end - before
		if r.piece > 0 && o.form == "long" && o.n == 0 {
			n = min(n, r.piece)
		}
		result := s.runRow(ctx, r, before, n, o)
		if err := s.publish(result, before, o); err != nil {
			return false, err
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if result.Failures > 0 {
			return false, nil
		}
		before += result.N
	}
	return true, nil
}

// choose finds rows by name; none named means all.
func choose(names string) ([]*row, error) {
	if names == "" {
		return table(), nil
	}
	var chosen []*row
	for name := range strings.SplitSeq(names, ",") {
		found := false
		for _, r := range table() {
			if r.name == name {
				chosen, found = append(chosen, r), true
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no row %s: -list names them", name)
		}
	}
	return chosen, nil
}

// trials is how many trials a row makes.
func (r *row) trials(o options) int {
	switch {
	case o.n > 0:
		return o.n
	case o.form == "long":
		return r.long
	}
	return r.short
}

// seedOf is the seed of a row's run, of which before trials are done.
func (s *stage) seedOf(r *row, before int, o options) uint64 {
	switch {
	case o.seed != 0:
		return o.seed + uint64(before)
	case r.byCommit && o.form != "long":
		sum := fnv.New64a()
		_, _ = sum.Write([]byte(strings.TrimSuffix(s.commit, "+")))
		return sum.Sum64() % 1_000_000_007
	}
	return uint64(time.Now().UnixNano()) % 1_000_000_007
}

// errUnfit says that a row could not be run at all, which proves nothing.
var errUnfit = errors.New("the row could not run")
