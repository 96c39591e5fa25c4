package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/freshet-dev/freshet/sources/kafkaclient"
)

// featureTransactions is the cluster feature that says how transactions are
// kept apart: from 2 on each has an epoch of its own (KIP-890).
const featureTransactions = "transaction.version"

// transactionVersion is the lowest that any broker has in force.
func transactionVersion(ctx context.Context, client kafkaclient.Config) (int16, error) {
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	admin, err := kafkaclient.Admin(ctx, client)
	if err != nil {
		return 0, err
	}
	defer admin.Close()
	brokers, err := admin.ApiVersions(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask kafka at %s what it can do: %w", client.Where(), err)
	}
	lowest := int16(-1)
	brokers.Each(func(v kadm.BrokerApiVersions) {
		if v.Err != nil {
			err = fmt.Errorf("ask broker %d of kafka at %s what it can do: %w", v.NodeID, client.Where(), v.Err)
			return
		}
		level := int16(0)
		for _, f := range v.Raw().FinalizedFeatures {
			if f.Name == featureTransactions {
				level = f.MaxVersionLevel
			}
		}
		if lowest < 0 || level < lowest {
			lowest = level
		}
	})
	return max(lowest, 0), err
}

// oldVersions keep a client to the protocol of transaction.version 1, where the
// group joins a transaction by a request of its own.
func oldVersions() *kversion.Versions {
	v := kversion.Stable()
	v.SetMaxKeyVersion(int16(kmsg.Produce), 11)
	v.SetMaxKeyVersion(int16(kmsg.EndTxn), 4)
	v.SetMaxKeyVersion(int16(kmsg.TxnOffsetCommit), 4)
	return v
}

// addGroup is that request.
func (s *Session) addGroup(ctx context.Context, group string, id int64, epoch int16) error {
	request := kmsg.NewPtrAddOffsetsToTxnRequest()
	request.TransactionalID, request.ProducerID, request.ProducerEpoch, request.Group = s.config.TransactionalID, id, epoch, group
	response, err := request.RequestWith(ctx, s.log.client)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(response.ErrorCode)
}
