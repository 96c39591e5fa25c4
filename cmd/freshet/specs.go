package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/freshet-dev/freshet/config"
	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
)

// specPaths are the spec files and folders of a command: its arguments, else
// the setting specs, else the *.freshet.yaml of the current folder.
func specPaths(given []string, settings *config.Settings) ([]string, error) {
	if len(given) > 0 {
		return given, nil
	}
	if len(settings.Specs) > 0 {
		return settings.Specs, nil
	}
	here, err := filepath.Glob("*.freshet.yaml")
	if err != nil || len(here) == 0 {
		return nil, usage("no spec: name files or folders, or set FRESHET_SPECS, or go where a *.freshet.yaml lies")
	}
	return here, nil
}

// loadSpecs reads specs and tells what is wrong with them on stderr. The error
// it returns has been told where it is about the specs' content.
func (a *app) loadSpecs(paths []string) ([]*spec.Spec, spec.Diagnostics, error) {
	specs, diags, err := spec.Load(paths)
	if err != nil {
		return nil, nil, &problem{code: exitUsage, err: err}
	}
	if len(specs) == 0 && !diags.HasErrors() {
		return nil, nil, usage("no spec in %s: specs are *.yaml files with a namespace", strings.Join(paths, ", "))
	}
	return specs, diags, nil
}

// soundSpecs is loadSpecs for verbs that need specs without errors; warnings
// are left to validate.
func (a *app) soundSpecs(paths []string) ([]*spec.Spec, error) {
	specs, diags, err := a.loadSpecs(paths)
	if err != nil {
		return nil, err
	}
	if !diags.HasErrors() {
		return specs, nil
	}
	if err := diags.Render(a.errs); err != nil {
		return nil, err
	}
	n := count(diags, spec.ErrorSeverity)
	return nil, found(plural(n, "error"))
}

// oneSpec is the spec of the namespace, or of the only one.
func oneSpec(specs []*spec.Spec, namespace string) (*spec.Spec, error) {
	var names []string
	for _, s := range specs {
		if s.Namespace == namespace || namespace == "" && len(specs) == 1 {
			return s, nil
		}
		names = append(names, s.Namespace)
	}
	sort.Strings(names)
	if namespace == "" {
		return nil, usage("the specs hold %d namespaces, and this runs one: say --namespace %s", len(specs), strings.Join(names, " or --namespace "))
	}
	return nil, usage("no namespace %s in the specs: they hold %s", namespace, strings.Join(names, ", "))
}

// onlySpec loads the one spec that a verb works with.
func (a *app) onlySpec(given []string, settings *config.Settings) (*spec.Spec, error) {
	paths, err := specPaths(given, settings)
	if err != nil {
		return nil, err
	}
	specs, err := a.soundSpecs(paths)
	if err != nil {
		return nil, err
	}
	return oneSpec(specs, settings.Namespace)
}

// unavailable is what this build cannot run of a spec: what the engine lacks,
// and the connectors and models that cmd has none for. Sorted by place.
func unavailable(s *spec.Spec, fromFiles bool) []features.Missing {
	missing := append([]features.Missing(nil), features.CannotRun(s)...)
	return inOrder(append(missing, missingConnectors(s, fromFiles)...))
}

// inOrder sorts what is missing by its place, each once: one line written once
// may be missing for each of its entities.
func inOrder(missing []features.Missing) []features.Missing {
	sort.SliceStable(missing, func(i, j int) bool {
		a, b := missing[i].Pos, missing[j].Pos
		if a.File != b.File {
			return a.File < b.File
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return missing[i].What < missing[j].What
	})
	return slices.Compact(missing)
}

// refuse is the error of a verb that would need what is missing.
func refuse(verb string, missing []features.Missing) error {
	if len(missing) == 0 {
		return nil
	}
	lines := []string{"this build cannot " + verb + " the spec:"}
	history, connection := true, true
	for _, m := range missing {
		lines = append(lines, notYet(m))
		ofHistory := strings.HasPrefix(m.What, historyFrom)
		history = history && ofHistory
		connection = connection && (ofHistory || strings.HasSuffix(m.What, aSource) || strings.HasPrefix(m.What, formatOf))
	}
	p := &problem{code: exitFailed, err: errors.New(strings.Join(lines, "\n"))}
	switch {
	case history:
		p.next = "without history: the run begins at the topic's earliest record, and longer windows are WARMING until they have passed; or read files: --input SOURCE=FILE"
	case connection:
		p.next = "read files of JSON lines or CSV instead, --input SOURCE=FILE; or put the records on Kafka as JSON (docs/start.md)"
	}
	return p
}

// The words by which refuse knows what is missing of a source's connection, which
// files replace as a whole.
const (
	historyFrom = "history from "
	formatOf    = "format "
	aSource     = " sources"
)

func notYet(m features.Missing) string {
	return fmt.Sprintf("not available yet: %s, %s:%d", m.What, m.Pos.File, m.Pos.Line)
}

func count(diags spec.Diagnostics, severity spec.Severity) int {
	n := 0
	for _, d := range diags {
		if d.Severity == severity {
			n++
		}
	}
	return n
}

// plural is "1 error", "2 errors"; the few irregular words are spelt out.
func plural(n int, word string) string {
	if n != 1 {
		if strings.HasSuffix(word, "y") {
			word = strings.TrimSuffix(word, "y") + "ie"
		}
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
}
