package features_test

import "testing"

// A lagging partition feeds events into a life that has left the log: what is
// read behind it is exact.
func TestS22LaggingPartitionJoinsAFoldedLife(t *testing.T) {
	r := newRun(t, `
version: 1
namespace: rules
sources:
  pay:
    type: kafka
    topic: pay
    format: json
    timestamp_field: at
    allowed_lateness: 1s
    fields:
      at: {type: timestamp}
      user: {type: string}
      card: {type: string, optional: true}
      amt: {type: int}
entities:
  user: {key: user}
feature_views:
  v:
    version: 1
    source: pay
    entity: user
    ttl: 1s
    features:
      cards: {aggregation: count_distinct, field: card, filter: 'amt > 2'}
`)
	feed := func(partition int, at, card string, amt string) {
		t.Helper()
		if got := r.record("pay", partition, at, `"user":"2","card":"`+card+`","amt":`+amt); got != "accepted" {
			t.Fatal(got)
		}
	}
	feed(0, "5s", "c1", "0")
	feed(1, "4s", "c0", "0")
	feed(0, "10s", "c1", "0")
	feed(1, "5s", "c1", "7")
	feed(1, "5001ms", "c12", "0")
	feed(1, "5999ms", "c12", "0")
	feed(2, "5s", "c3", "0")
	feed(2, "5001ms", "c3", "0")
	feed(2, "6001ms", "c12", "10")
	if got := r.get("v.cards"); got != "2" && got != "2 INCOMPLETE" && got != "1 INCOMPLETE" {
		t.Errorf("cards is %s, want 2", got)
	}
}
