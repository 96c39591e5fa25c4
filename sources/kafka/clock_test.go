package kafka

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/freshet-dev/freshet/sources/kafkaclient"
	"github.com/freshet-dev/freshet/verify/kafkatest"
)

func TestS11BrokersThatDoNotBoundTheClockAreWarnedOf(t *testing.T) {
	topic := Topic{Name: "payments", MaxAhead: 10 * time.Minute, Lateness: 24 * time.Hour}
	tight := topic
	tight.Lateness = 30 * time.Minute
	none := topic
	none.Lateness = 5 * time.Minute
	for _, c := range []struct {
		topic    Topic
		settings map[string]string
		want     string // "": no warning
	}{
		{topic, map[string]string{timestampType: createTime, timestampAfter: "3600000"}, ""}, // Kafka 4's default
		{topic, map[string]string{timestampType: createTime, timestampAfter: "9223372036854775807"}, "any time ahead"},
		{topic, map[string]string{timestampType: "LogAppendTime", timestampAfter: "9223372036854775807"}, ""},
		{topic, map[string]string{timestampType: createTime, timestampAway: "9223372036854775807"}, timestampAway},
		{topic, map[string]string{timestampType: createTime, timestampAfter: "85800000"}, ""}, // exactly the room
		{topic, map[string]string{timestampType: createTime, timestampAfter: "85800001"}, "set it to 85800000 or less"},
		{tight, map[string]string{timestampType: createTime, timestampAfter: "3600000"}, "up to 1h0m0s ahead"},
		{none, map[string]string{timestampType: createTime, timestampAfter: "1000"}, "raise allowed_lateness above max_ahead"},
		{topic, map[string]string{}, ""},
	} {
		err := clockWarning(c.topic, c.settings)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.settings, err, c.want)
		}
	}
}

func TestS11TheClockIsCheckedAtTheStart(t *testing.T) {
	for name, client := range map[string]func(*testing.T) kafkaclient.Config{
		"in process": func(t *testing.T) kafkaclient.Config { return kafkatest.InProcess(t) }, "real broker": func(t *testing.T) kafkaclient.Config { return kafkatest.Real(t) }} {
		t.Run(name, func(t *testing.T) {
			f := begin(t, client(t), 1)
			unbounded := "9223372036854775807"
			answers, err := f.admin.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: timestampAfter, Value: &unbounded}}, f.topics[0].Name)
			if err != nil || answers[0].Err != nil {
				t.Fatal(err, answers)
			}
			for { // a broker shows it a little later
				configs, err := f.admin.DescribeTopicConfigs(t.Context(), f.topics[0].Name)
				if err != nil {
					t.Fatal(err)
				}
				if slices.ContainsFunc(configs[0].Configs, func(c kadm.Config) bool { return c.Key == timestampAfter && c.MaybeValue() == unbounded }) {
					break
				}
			}
			config := f.config()
			config.Topics[0].MaxAhead, config.Topics[0].Lateness = 10*time.Minute, 24*time.Hour
			var told []string // NewConsumer checks before it starts anything
			config.Observe = func(what string, err error) {
				if strings.Contains(what, "wrong clock") {
					told = append(told, err.Error())
				}
			}
			c, err := NewConsumer(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(told) != 1 || !strings.Contains(told[0], "stamped any time ahead") {
				t.Errorf("told of %q", told)
			}
		})
	}
}
