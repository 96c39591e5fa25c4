package main

import (
	"fmt"
	"os"
	"sort"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/spectest"
)

// update writes what comes out behind the names of expectations that have
// nothing behind them.
func (t *tester) update(paths []string) error {
	specs, err := t.app.soundSpecs(paths)
	if err != nil {
		return err
	}
	all := *t
	all.failFast = false // a line without a value is no failure here
	suites, err := all.run(specs, func(*spectest.Result) error { return nil })
	if err != nil {
		return err
	}
	fills := make(map[string][]spec.Fill)
	var names []string
	for _, s := range suites {
		for i := range s.results {
			for _, f := range s.results[i].Missing {
				if fills[f.Key.File] == nil {
					names = append(names, f.Key.File)
				}
				fills[f.Key.File] = append(fills[f.Key.File], f)
			}
		}
	}
	sort.Strings(names)
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		out, err := spec.Insert(spec.File{Name: name, Data: data}, fills[name])
		if err != nil {
			return fmt.Errorf("update %s: %w", name, err)
		}
		if err := replaceFile(name, out); err != nil {
			return err
		}
		fmt.Fprintf(t.app.errs, "%s: wrote %s: read them, then remove the comments %q\n", name, plural(len(fills[name]), "value"), spec.FillMark)
	}
	if len(names) == 0 {
		fmt.Fprintln(t.app.errs, "nothing to write: every expectation has its value")
	}
	return nil
}
