package main

import (
	"errors"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sources/tables"
)

// withTables reads the tables of specs, and gives the specs as they run with
// them. A file that cannot be read is a finding, as a mistake in a spec is, in
// the place where it is wrong.
func withTables(specs []*spec.Spec) (running []*spec.Spec, contents [][]*event.Table, wrong spec.Diagnostics) {
	for _, s := range specs {
		var read []*event.Table
		for _, declared := range s.Tables {
			t, err := tables.Read(declared)
			if err != nil {
				wrong = append(wrong, tableFinding(err))
				continue
			}
			read = append(read, t)
		}
		if len(read) == len(s.Tables) {
			s = s.WithTables(tables.Hashes(read))
		}
		running, contents = append(running, s), append(contents, read)
	}
	return running, contents, wrong
}

func tableFinding(err error) spec.Diagnostic {
	var e *tables.Error
	if !errors.As(err, &e) {
		return spec.Diagnostic{Message: err.Error()}
	}
	return spec.Diagnostic{Pos: spec.Position{File: e.File, Line: e.Line, Col: e.Column}, Message: e.Detail + " (" + e.Of() + ")", Suggestion: e.Next}
}

// runningSpec is a sound spec with the content of its tables; what is wrong
// with them has been told.
func (a *app) runningSpec(s *spec.Spec) (*spec.Spec, []*event.Table, error) {
	running, contents, wrong := withTables([]*spec.Spec{s})
	if len(wrong) == 0 {
		return running[0], contents[0], nil
	}
	if err := wrong.Render(a.errs); err != nil {
		return nil, nil, err
	}
	return nil, nil, found(plural(len(wrong), "error"))
}
