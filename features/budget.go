package features

import "github.com/freshet-dev/freshet/config/spec"

// budgetOf is how many events of an entity its log holds one by one: what the
// most generous of the views of the spec asks for, served or not, so that it is
// the same in a test and in a run.
func (c *compiler) budgetOf(source *spec.Source, entity *spec.Entity) int {
	budget := 1
	for _, v := range c.plan.spec.Views {
		if v.Source != source || v.Entity != entity {
			continue
		}
		budget = max(budget, v.EventBudget)
		for _, d := range v.Definitions {
			for _, w := range d.Windows {
				budget = max(budget, w.N)
			}
		}
	}
	return budget
}

// makeRoom folds the oldest row of a full log before the event at hand is put
// into it, so that what sees the event and what does not see the same boundary.
// An event behind all rows is folded once it is there.
func (l *entityLog) makeRoom(e *Engine, p *placed) {
	if p.in && p.index > 0 && l.rows.Len(p.state[atRows:]) >= l.plan.budget {
		l.foldOldest(e, p.state)
		l.purge(p.state)
		p.index--
	}
}

// keepBudget folds the event at hand where it is behind a full log.
func (l *entityLog) keepBudget(e *Engine, p *placed) {
	if l.rows.Len(p.state[atRows:]) > l.plan.budget {
		l.foldOldest(e, p.state)
		p.lost = true
	}
}
