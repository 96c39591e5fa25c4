package main

import (
	"context"
	"errors"

	"github.com/freshet-dev/freshet/config"
	"github.com/freshet-dev/freshet/pipeline"
	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/redis"
	"github.com/freshet-dev/freshet/sources/kafkaclient"
)

// doesWithout reports whether a start may go on although the online store does not
// answer: a run that has committed before, exactly once, does without it for as long
// as it is away, and a restart in the middle of an outage must not end that. A first
// start stops: the address may be wrong.
func (p *plant) doesWithout(err error) bool {
	var refused *sinks.Fatal
	if p.fromFiles() || p.settings.Delivery != config.ExactlyOnce || forbidden(err) || errors.As(err, &refused) || errors.Is(err, redis.ErrOtherSecret) || !p.ranBefore() {
		return false
	}
	p.log.Warn("the online store does not answer: the run has committed before and goes on without it; what it is was not checked", "component", "online store",
		"err", err.Error(), "err_kind", "retriable")
	return true
}

// ranBefore reports whether the group's offsets are a run's of ours. A Kafka that does
// not answer says so later.
func (p *plant) ranBefore() bool {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	admin, err := kafkaclient.Admin(ctx, p.kafka)
	if err != nil {
		return false
	}
	defer admin.Close()
	offsets, err := admin.FetchOffsets(ctx, p.group())
	if err != nil {
		return false
	}
	for _, partitions := range offsets {
		for _, o := range partitions {
			if o.Err == nil && pipeline.Committed(o.Metadata) {
				return true
			}
		}
	}
	return false
}
