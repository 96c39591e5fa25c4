package main

import (
	"context"
	"fmt"

	"github.com/freshet-dev/freshet/pipeline"
	"github.com/freshet-dev/freshet/pipeline/checkpoint"
	"github.com/freshet-dev/freshet/pipeline/checkpoint/bucket"
)

// openState is where the state is kept between runs. Runs over files keep none:
// they begin at the beginning.
func (p *plant) openState(ctx context.Context, opened *[]func()) (c pipeline.Checkpoints, err error) {
	c.AcceptGap = p.settings.Kafka.AcceptGap
	if p.settings.StateDir == "" {
		if p.settings.Checkpoint.Copy != "" {
			return c, usage("checkpoint.copy is set and state_dir is not: there is nothing to copy")
		}
		return c, nil
	}
	if p.fromFiles() {
		p.log.Warn("state_dir is not used: a run over files begins at their beginning", "state_dir", p.settings.StateDir)
		return c, nil
	}
	var secret []byte
	if text, err := p.settings.EntityKeySecret.Reveal(); err == nil {
		secret = []byte(text)
	}
	key, err := checkpoint.KeyFrom(secret)
	if err != nil {
		return c, fmt.Errorf("make the key of checkpoints: %w", err)
	}
	dir, err := checkpoint.OpenDir(p.settings.StateDir)
	if err != nil {
		return c, failed(err, "give --state-dir a folder that this user may write to")
	}
	*opened = append(*opened, func() { _ = dir.Close() })
	c = pipeline.Checkpoints{Store: checkpoint.New(dir, p.settings.Checkpoint.Keep, key), Interval: p.settings.Checkpoint.Interval,
		Build: build().Version, AcceptGap: p.settings.Kafka.AcceptGap}
	if p.settings.Checkpoint.Copy != "" {
		copies, err := bucket.Open(ctx, p.settings.Checkpoint.Copy, p.settings.Checkpoint.Keep)
		if err != nil {
			return c, failed(err, "checkpoint.copy is like file:///DIR, or s3://BUCKET?prefix=a/path/&region=eu-central-1")
		}
		*opened = append(*opened, func() { _ = copies.Close() })
		c.Copies = copies
	}
	sealed := "with AES-256-GCM, under a key made from entity_key_secret"
	if key.ID() == "" {
		sealed = "no: entity_key_secret is not set"
	}
	p.log.Info("the state is kept in checkpoints", "component", "checkpoints", "state_dir", p.settings.StateDir, "interval", c.Interval.String(),
		"keep", p.settings.Checkpoint.Keep, "sealed", sealed)
	return c, nil
}
