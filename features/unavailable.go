package features

import (
	"fmt"
	"slices"
	"strings"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/aggregate"
)

// Error lists what is missing, one to a line.
func (u *Unavailable) Error() string {
	lines := make([]string, len(u.Items))
	for i, m := range u.Items {
		lines[i] = m.String()
	}
	return strings.Join(lines, "\n")
}

func (m Missing) String() string {
	return fmt.Sprintf("not available yet: %s, %s:%d", m.What, m.Pos.File, m.Pos.Line)
}

// CannotRun lists what the engine of this build lacks for a spec, in the order
// of the spec and each place once, however many views it was expanded to. Connectors and model kinds are cmd's to check.
func CannotRun(s *spec.Spec) []Missing {
	var list []Missing
	miss := func(what string, pos spec.Position) {
		if m := (Missing{what, pos}); !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	for _, v := range s.Views {
		for _, d := range v.Definitions {
			for _, what := range lacking(d) {
				miss(what, d.Pos)
			}
		}
	}
	return list
}

// lacking is what a definition asks for that this build does not have.
func lacking(d *spec.Definition) []string {
	var list []string
	if aggregate.Find(d.Aggregation) == nil {
		list = append(list, d.Aggregation)
	}
	return list
}
