// Package kafkatest gives tests a Kafka: one in the test's own process, or the real
// one that scripts/services has started. It asserts nothing.
package kafkatest

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/freshet-dev/freshet/sources/kafkaclient"
)

// InProcess is a cluster of one broker in this process, unless the options say
// otherwise, for as long as the test runs.
func InProcess(t *testing.T, opts ...kfake.Opt) kafkaclient.Config {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return kafkaclient.Config{Brokers: cluster.ListenAddrs()}
}

// Real is the broker at FRESHET_TEST_KAFKA. Without it the test is skipped, and
// fails in CI.
func Real(t testing.TB) kafkaclient.Config {
	t.Helper()
	const variable = "FRESHET_TEST_KAFKA"
	address := os.Getenv(variable)
	if address == "" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not set, and CI must have a real Kafka: scripts/services up", variable)
		}
		t.Skipf("%s is not set: no real Kafka (scripts/services up, then eval \"$(scripts/services env)\")", variable)
	}
	return kafkaclient.Config{Brokers: []string{address}}
}

var runs atomic.Int64 // tests of one package run side by side

// Unique is a name that no other test and no earlier run has used: a topic that is
// deleted and made again under its old name is a trap on real brokers.
func Unique(what string) string {
	return fmt.Sprintf("fr-%s-%d-%d", what, time.Now().UnixNano(), runs.Add(1))
}
