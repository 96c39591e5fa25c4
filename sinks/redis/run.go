package redis

import (
	"context"
	"fmt"

	"github.com/freshet-dev/freshet/sinks"
)

// checkRun refuses a namespace whose rows another run writes, and lives: a start
// with a mistyped group or cluster is a first run of its own, and its number would
// shut out the owner that serves. One that has ended may be followed.
func (s *Store) checkRun(ctx context.Context, ours string) error {
	theirs, err := fieldOf(ctx, s.client, s.keys.meta(), metaRun)
	if err != nil {
		return s.failed("read "+s.keys.meta(), err)
	}
	if theirs == ours || theirs == "" || ours == "" {
		return nil
	}
	alive, err := textOf(s.client.Get(ctx, s.keys.alive()))
	if err != nil {
		return s.failed("read "+s.keys.alive(), err)
	}
	if alive == "" {
		return nil
	}
	return &sinks.Fatal{Err: fmt.Errorf("redis at %s: the rows of namespace %s are those of run %s (group@cluster), which lives; this one is %s: "+
		"correct kafka.group or kafka.brokers, or give this run another namespace or database. If it is to follow, stop the other one first: its sign of life ends %v later",
		s.address, s.keys.namespace, theirs, ours, aliveFor)}
}
