package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// hazard is something that happens to a log while nobody reads it, after which
// no state may be trusted.
type hazard struct {
	name   string
	saving bool // with checkpoints
	do     func(*trials, *history) error
	says   string // a part of the line with which a start must end
	accept bool   // --accept-gap goes on
}

// hazards are all of them.
func hazards(t *trials) error {
	list := []hazard{
		{"retention took what the state needs", true, (*trials).cutLog, "--accept-gap", true},
		{"retention took what was not read", false, (*trials).cutLog, "--accept-gap", true},
		{"a topic was made anew", true, (*trials).remakeTopic, "made anew", false},
		{"a partition was added", true, (*trials).growTopic, "partitions", true},
		{"offsets were set forward", true, (*trials).skipOffsets, "has set the offset", true},
		{"a topic was made anew without checkpoints", false, (*trials).remakeTopic, "made anew", true},
		{"offsets of a topic were set forward without checkpoints", false, (*trials).skipOffsetsOfOne, "has set the offset", true},
	}
	for t.done < t.n {
		z := list[t.done%len(list)]
		if err := t.onHistory("kafka", shape{seed: t.seed + uint64(t.done), cards: 300, users: 200, rate: 10}, func(h *history) error {
			return t.failClosed(h, z)
		}); err != nil {
			return fmt.Errorf("%s: %w", z.name, err)
		}
		t.done++
		t.counts[strings.ReplaceAll(z.name, " ", "_")]++
	}
	return nil
}

// failClosed runs a job, lets the hazard happen, and requires that the next
// start ends at once, names it, and has written nothing.
func (t *trials) failClosed(h *history, z hazard) error {
	if z.saving {
		h.env = append(h.env, saving(filepath.Join(t.stage.dir, h.namespace))...)
	}
	if err := h.produce(t.ctx, 600); err != nil {
		return err
	}
	p, err := h.run(t.ctx, "one", "")
	if err != nil {
		return err
	}
	defer func() { p.kill() }()
	if err := h.quiesce(t, time.Minute, p); err != nil {
		return err
	}
	if z.saving {
		if err := until(t.ctx, time.Minute, "a checkpoint is whole", func() (bool, error) {
			return p.metric(t.ctx, "freshet_checkpoints_total") >= 1, nil
		}, p.process); err != nil {
			return err
		}
	}
	p.signal(9)
	<-p.done
	if err := z.do(t, h); err != nil {
		return fmt.Errorf("%w: %w", errUnfit, err)
	}
	before, err := h.kafka.end(t.ctx, h.outputs)
	if err != nil {
		return err
	}
	if p, err = h.run(t.ctx, "one", ""); err != nil {
		return err
	}
	if err := p.wait(t.ctx, time.Minute); err != nil {
		return err
	}
	after, err := h.kafka.end(t.ctx, h.outputs)
	if err != nil {
		return err
	}
	if p.code() <= 0 || !strings.Contains(p.log.String(), z.says) || after != before {
		t.fail("%s: it ended with %d, wrote %d, and said:\n%s", z.name, p.code(), after-before, p.log)
		return nil
	}
	if !z.accept {
		return nil
	}
	if p, err = h.run(t.ctx, "one", "", "FRESHET_KAFKA_ACCEPT_GAP=true"); err != nil {
		return err
	}
	return until(t.ctx, time.Minute, "with --accept-gap it goes on", func() (bool, error) { return p.active(t.ctx), nil }, p.process)
}

// cutLog takes records that were not committed yet, or that a state needs.
func (t *trials) cutLog(h *history) error {
	if err := h.produce(t.ctx, 600); err != nil {
		return err
	}
	ends, err := h.kafka.ends(t.ctx, h.inputs...)
	if err != nil {
		return err
	}
	cut := kadm.Offsets{}
	ends.Each(func(o kadm.ListedOffset) { cut.AddOffset(o.Topic, o.Partition, o.Offset-1, -1) })
	cuts, err := h.kafka.admin.DeleteRecords(t.ctx, cut)
	if err != nil {
		return err
	}
	return cuts.Error()
}

func (t *trials) remakeTopic(h *history) error {
	topic := h.inputs[0]
	if _, err := h.kafka.admin.DeleteTopics(t.ctx, topic); err != nil {
		return err
	}
	if err := until(t.ctx, 20*time.Second, "the topic is there anew", func() (bool, error) {
		return h.kafka.create(t.ctx, partitions, topic) == nil, nil
	}); err != nil {
		return err
	}
	h.kafka.client.ForceMetadataRefresh()
	return nil
}

func (t *trials) growTopic(h *history) error {
	grown, err := h.kafka.admin.CreatePartitions(t.ctx, 1, h.inputs[0])
	if err != nil {
		return err
	}
	return grown.Error()
}

func (t *trials) skipOffsets(h *history) error { return t.setForward(h, h.inputs...) }

func (t *trials) skipOffsetsOfOne(h *history) error { return t.setForward(h, h.inputs[0]) }

func (t *trials) setForward(h *history, topics ...string) error {
	if err := h.produce(t.ctx, 600); err != nil {
		return err
	}
	ends, err := h.kafka.ends(t.ctx, topics...)
	if err != nil {
		return err
	}
	to := kadm.Offsets{}
	ends.Each(func(o kadm.ListedOffset) { to.AddOffset(o.Topic, o.Partition, o.Offset, -1) })
	return until(t.ctx, 30*time.Second, "the group lets its offsets be set", func() (bool, error) {
		set, err := h.kafka.admin.CommitOffsets(t.ctx, h.group(), to)
		return err == nil && set.Error() == nil, nil
	})
}
