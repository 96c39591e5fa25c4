package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/freshet-dev/freshet/config"
	"github.com/freshet-dev/freshet/pipeline"
	sinkkafka "github.com/freshet-dev/freshet/sinks/kafka"
	"github.com/freshet-dev/freshet/sources/kafka"
)

// The table of times in docs/operations.md is what the code does.
func TestThePageOfTimesIsRight(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for row, times := range map[string][]time.Duration{
		"pause after a transaction":     {sinkkafka.DefaultPause},
		"`commit_interval`":             {pipeline.DefaultCommitInterval, config.Defaults().CommitInterval},
		"heartbeat of the group":        {kafka.DefaultHeartbeat},
		"`online_store_wait`":           {pipeline.DefaultStoreWait, config.Defaults().OnlineStoreWait},
		"transaction":                   {sinkkafka.DefaultTransactionTimeout, config.TransactionTimeout},
		"session of the group":          {kafka.DefaultSessionTimeout, config.SessionTimeout},
		"offsets held by a transaction": {kafka.DefaultUnstableTold},
		"topic check":                   {kafka.DefaultTopicCheck},
		"loop without progress":         {pipeline.DefaultStallAfter},
		"failing commit":                {pipeline.DefaultCommitPatience},
		"Kafka without any answer":      {kafka.DefaultUnreachableAfter},
		"`watchdog_after`":              {pipeline.DefaultWatchdogAfter, config.Defaults().WatchdogAfter},
	} {
		_, cells, found := strings.Cut(string(page), "\n| "+row+" | ")
		cell, _, _ := strings.Cut(cells, " |")
		for _, d := range times {
			text := fmt.Sprintf("%g s", d.Seconds())
			switch {
			case d < time.Second:
				text = fmt.Sprintf("%d ms", d.Milliseconds())
			case d == time.Minute:
				text = "1m"
			}
			if !found || !strings.Contains(" "+cell+" ", " "+text+" ") {
				t.Errorf("%s: the page says %q, the code %s", row, cell, text)
			}
		}
	}
	drain := fmt.Sprintf("(%g s at most)", pipeline.DefaultDrainBudget.Seconds())
	if !strings.Contains(string(page), drain) {
		t.Errorf("SIGTERM: the page does not say %s", drain)
	}
}
