package kafkaclient

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A topic that this user may not describe is the one that is named, whatever is
// asked for beside it.
func TestATopicWithoutRightsHidesNoOther(t *testing.T) {
	read := kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: "ours", Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationRead, Allow: true}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "ours", "theirs"), kfake.EnableSASL(), kfake.EnableACLs(), kfake.User("PLAIN", "us", "pw", read))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	admin, err := Admin(t.Context(), Config{Brokers: cluster.ListenAddrs(), SASL: &SASL{Mechanism: Plain, User: "us", Password: "pw"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	if _, err := admin.Metadata(t.Context(), "ours", "theirs"); err == nil {
		t.Fatal("the test tests nothing")
	}
	for _, names := range [][]string{{"ours", "theirs"}, {"theirs", "ours"}} {
		found, err := Metadata(t.Context(), admin, names...)
		if err != nil {
			t.Fatal(err)
		}
		if ours, theirs := found.Topics["ours"], found.Topics["theirs"]; len(ours.Partitions) != 3 || !errors.Is(theirs.Err, kerr.TopicAuthorizationFailed) || len(found.Brokers) != 1 {
			t.Errorf("%v: %+v and %+v of %d brokers", names, ours, theirs, len(found.Brokers))
		}
	}
}
