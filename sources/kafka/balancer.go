package kafka

import (
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// oneOwner gives all partitions of all topics to the member that leads the
// group, and none to the others: the state of a run is one machine's, and the
// others wait to take it over. The coordinator keeps the leader until it
// leaves, so a standby that joins disturbs nothing.
type oneOwner struct{ assigned func(partitions int) }

// protocolName is what members must agree on: one with another balancer is
// refused by the coordinator.
const protocolName = "freshet-one-owner"

func (oneOwner) ProtocolName() string { return protocolName }

// IsCooperative lets the owner keep reading while a standby joins or leaves.
func (oneOwner) IsCooperative() bool { return true }

// JoinGroupMetadata names the topics only: what changes from join to join
// would make the coordinator rebalance.
func (oneOwner) JoinGroupMetadata(topics []string, _ map[string][]int32, _ int32) []byte {
	meta := kmsg.NewConsumerMemberMetadata()
	meta.Topics = topics
	return meta.AppendTo(nil)
}

// ParseSyncAssignment is where a member learns what the leader gave it: a
// standby learns here that it got nothing.
func (o oneOwner) ParseSyncAssignment(assignment []byte) (map[string][]int32, error) {
	topics, err := kgo.ParseConsumerSyncAssignment(assignment)
	if err == nil && o.assigned != nil {
		n := 0
		for _, partitions := range topics {
			n += len(partitions)
		}
		o.assigned(n)
	}
	return topics, err
}

func (oneOwner) MemberBalancer(members []kmsg.JoinGroupResponseMember) (kgo.GroupMemberBalancer, map[string]struct{}, error) {
	b, err := kgo.NewConsumerBalancer(oneOwner{}, members)
	if err != nil {
		return nil, nil, err
	}
	return b, b.MemberTopics(), nil
}

// Balance gives the leader everything that it and the others ask for.
func (oneOwner) Balance(b *kgo.ConsumerBalancer, topics map[string]int32) kgo.IntoSyncAssignment {
	plan := b.NewPlan()
	b.EachMember(func(member *kmsg.JoinGroupResponseMember, _ *kmsg.ConsumerMemberMetadata) {
		if member.MemberID != b.Info().LeaderID {
			return
		}
		for topic, partitions := range topics {
			for p := range partitions {
				plan.AddPartition(member, topic, p)
			}
		}
	})
	return plan
}
