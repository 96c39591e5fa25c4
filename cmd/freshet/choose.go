package main

import (
	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features"
)

// The tables that choose. What is not listed here is "not available yet": the
// spec is valid, this build cannot run it.
//
//	type: of a source      what `run` reads it with; --input replaces it
//	format: of a source    what decodes its records
//	runtime: of a model    what scores with it
var (
	sourceTypes   = map[string]bool{"kafka": true}
	sourceFormats = map[string]bool{"json": true, "csv": true}
	modelRuntimes = map[string]bool{"expr": true}
)

// missingConnectors lists the sources, formats and models of a spec that no
// table has.
func missingConnectors(s *spec.Spec) []features.Missing {
	var missing []features.Missing
	for _, source := range s.Sources {
		if !sourceTypes[source.Type] {
			missing = append(missing, features.Missing{What: source.Type + " sources", Pos: source.Pos})
		}
		if !sourceFormats[source.Format] {
			missing = append(missing, features.Missing{What: "format " + source.Format, Pos: source.Pos})
		}
		if source.History != nil {
			missing = append(missing, features.Missing{What: "history", Pos: source.Pos})
		}
	}
	for _, model := range s.Models {
		if !modelRuntimes[model.Runtime] {
			missing = append(missing, features.Missing{What: "runtime " + model.Runtime, Pos: model.Pos})
		}
	}
	return missing
}
