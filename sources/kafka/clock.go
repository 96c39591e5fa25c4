package kafka

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// The settings of a topic that bound a record's own timestamp.
const (
	timestampType  = "message.timestamp.type"
	timestampAfter = "message.timestamp.after.max.ms"      // since Kafka 3.6
	timestampAway  = "message.timestamp.difference.max.ms" // before it
	createTime     = "CreateTime"
)

// warnOfClocks tells of topics whose records may be stamped so far ahead that
// one wrong clock makes every honest event late (S11): the guard against records
// from the future measures from the record's own timestamp, which only the
// broker bounds. Where the settings may not be read, nothing is said.
func (c *Consumer) warnOfClocks(ctx context.Context, admin *kadm.Client) {
	var names []string
	for _, t := range c.config.Topics {
		if t.Lateness > 0 {
			names = append(names, t.Name)
		}
	}
	if len(names) == 0 {
		return
	}
	configs, err := admin.DescribeTopicConfigs(ctx, names...)
	if err != nil {
		return
	}
	for _, t := range c.config.Topics {
		found, err := configs.On(t.Name, nil)
		if err != nil || found.Err != nil {
			continue
		}
		settings := make(map[string]string)
		for _, s := range found.Configs {
			settings[s.Key] = s.MaybeValue()
		}
		if warning := clockWarning(t, settings); warning != nil {
			c.config.Observe("one wrong clock can make honest events late", warning)
		}
	}
}

// clockWarning is what to say of a topic's settings; nil: nothing.
func clockWarning(t Topic, settings map[string]string) error {
	if t.Lateness <= 0 || settings[timestampType] != createTime {
		return nil // the broker's own clock stamps the records, or the settings are not shown
	}
	key := timestampAfter
	text, ok := settings[key]
	if !ok {
		key = timestampAway
		text = settings[key]
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms < 0 {
		return nil
	}
	room := t.Lateness - t.MaxAhead
	if ms <= room.Milliseconds() {
		return nil
	}
	ahead := "any time"
	if ms < int64(365*24*time.Hour/time.Millisecond) {
		ahead = "up to " + (time.Duration(ms) * time.Millisecond).String()
	}
	advice := fmt.Sprintf("set it to %d or less", room.Milliseconds())
	if room <= 0 {
		advice = "raise allowed_lateness above max_ahead, or stamp records by the broker (message.timestamp.type=LogAppendTime)"
	}
	return fmt.Errorf("topic %s takes records stamped %s ahead of the broker's clock (%s=%d); with max_ahead %s on top, an event from there moves the watermark past allowed_lateness %s: %s",
		t.Name, ahead, key, ms, t.MaxAhead, t.Lateness, advice)
}
