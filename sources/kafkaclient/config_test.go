package kafkaclient

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Reliability 17: a broker that is back is asked within a second, however long it was
// away, and what passes in a moment is tried again in a moment.
func TestTriesComeSoonAgain(t *testing.T) {
	opts, err := Config{Brokers: []string{"127.0.0.1:1"}}.Options()
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	pause, ok := client.OptValue(kgo.RetryBackoffFn).(func(int) time.Duration)
	if !ok {
		t.Fatal("the client has pauses of its own")
	}
	whole := time.Duration(0)
	for fails := range requestRetries + 1 {
		d := pause(fails)
		whole += d
		if d < backoffLeast/2 || d > backoffMost*6/5 || fails < 2 && d > 2*backoffLeast {
			t.Errorf("%v after %d failures", d, fails)
		}
	}
	if whole < 45*time.Second {
		t.Errorf("a request is given up after %v", whole)
	}
}
